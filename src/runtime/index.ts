export { type ContainerdOptions, canLowerOomScore, socketOf } from './containerd/config.ts';
export { type Containerd, defaultOciRuntime, missingForContainerd, startContainerd } from './containerd/containerd.ts';
export { pauseImageName } from './containerd/pause-image.ts';
export { type CriRuntimeOptions, connectCriRuntime } from './cri/cri-runtime.ts';
export { type HollowRuntime, type HollowRuntimeOptions, hollowRuntime } from './hollow/index.ts';
export { type cri, type ImageService, type Runtime, RuntimeError, type RuntimeEvent, type RuntimeService } from './runtime.ts';
