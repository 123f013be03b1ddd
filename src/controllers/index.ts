export { allControllers, offByDefault } from './all.ts';
export { serviceAccountOf } from './credentials.ts';
export { type Controller, type ControllerConfig, type ControllerContext, defaultConfig, defineController } from './framework/index.ts';
export { type ControllerManagerOptions, runControllerManager, selectControllers } from './manager.ts';
