export { type cri, type ImageService, type Runtime, RuntimeError, type RuntimeEvent, type RuntimeService } from './runtime.ts';
