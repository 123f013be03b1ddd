/**
 * The container runtime contract: CRI v1's verbs and event stream, in its own message types (k8s.io/cri-api). `cri/` speaks it
 * over gRPC to containerd or CRI-O, `hollow/` simulates it. The kubelet knows nothing else of containers.
 */
import type * as cri from './generated/cri.ts';

export type { cri };

/** One RPC of RuntimeService or ImageService: request in, response out; errors are RuntimeErrors. */
type Unary<S> = {
  [M in keyof S]: S[M] extends { request: infer Q; response: infer R; stream: false }
    ? (request: Q, options?: { signal?: AbortSignal; timeoutMs?: number }) => Promise<R>
    : never;
};

export type RuntimeService = Pick<
  Unary<cri.RuntimeService>,
  | 'version'
  | 'status'
  | 'runPodSandbox'
  | 'stopPodSandbox'
  | 'removePodSandbox'
  | 'podSandboxStatus'
  | 'listPodSandbox'
  | 'createContainer'
  | 'startContainer'
  | 'stopContainer'
  | 'removeContainer'
  | 'listContainers'
  | 'containerStatus'
  | 'updateContainerResources'
  | 'reopenContainerLog'
  | 'execSync'
  | 'exec'
  | 'attach'
  | 'portForward'
  | 'containerStats'
  | 'listContainerStats'
  | 'podSandboxStats'
  | 'listPodSandboxStats'
  | 'updateRuntimeConfig'
>;

export type ImageService = Pick<Unary<cri.ImageService>, 'listImages' | 'imageStatus' | 'pullImage' | 'removeImage' | 'imageFsInfo'>;

/** Something happened to a container or sandbox; the reader looks at its status to learn more. */
export interface RuntimeEvent {
  type: 'created' | 'started' | 'stopped' | 'deleted' | 'oom';
  /** Container id, or the sandbox's own id for a sandbox's event. */
  containerId: string;
}

export interface Runtime extends RuntimeService, ImageService {
  /** `containerd`, `cri-o`, `hollow`. */
  readonly name: string;
  /** Events from now on. Ends (throws RuntimeError UNAVAILABLE) when the runtime goes away; the kubelet then lists anew and subscribes again. */
  events(signal: AbortSignal): AsyncIterable<RuntimeEvent>;
  close(): Promise<void>;
}

/** An error as Go's gRPC prints it, where it is the runtime's: `rpc error: code = NotFound desc = ...`. */
export function rpcErrorText(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof RuntimeError)) return message;
  const words = error.code.toLowerCase().split('_');
  return `rpc error: code = ${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')} desc = ${message}`;
}

/** A gRPC status of the runtime. */
export class RuntimeError extends Error {
  /** gRPC code name: NOT_FOUND, UNAVAILABLE, DEADLINE_EXCEEDED, ... */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = 'RuntimeError';
    this.code = code;
  }
}
