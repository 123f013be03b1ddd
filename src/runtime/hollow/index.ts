export { type HollowRuntime, type HollowRuntimeOptions, hollowRuntime } from './hollow-runtime.ts';
