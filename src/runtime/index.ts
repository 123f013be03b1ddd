import type { CriRuntimeOptions } from './cri/cri-runtime.ts';
import type { Runtime } from './runtime.ts';

export { type ContainerdOptions, canLowerOomScore, socketOf } from './containerd/config.ts';
export { type Containerd, defaultOciRuntime, missingForContainerd, startContainerd } from './containerd/containerd.ts';
export { pauseImageName } from './containerd/pause-image.ts';
export type { CriRuntimeOptions } from './cri/cri-runtime.ts';
export { type HollowRuntime, type HollowRuntimeOptions, hollowRuntime } from './hollow/index.ts';
export {
  type cri,
  type ImageService,
  type Runtime,
  RuntimeError,
  type RuntimeEvent,
  type RuntimeService,
  rpcErrorText,
} from './runtime.ts';

/** A container runtime behind a CRI socket. gRPC is loaded only by who uses one. */
export const connectCriRuntime = async (options: CriRuntimeOptions): Promise<Runtime> =>
  (await import('./cri/cri-runtime.ts')).connectCriRuntime(options);
