/** A container runtime behind CRI v1 on a unix socket: containerd, CRI-O. */
import { type Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import type { Clock } from '../../time/index.ts';
import { type ImageService, type Runtime, RuntimeError, type RuntimeService } from '../runtime.ts';
import criDescriptor from '../schema/cri-v1.json' with { type: 'json' };
import { containerdEvents } from './containerd-events.ts';
import { criEvents } from './cri-events.ts';
import { serviceOf, withoutNulls } from './grpc-services.ts';

export interface CriRuntimeOptions {
  /** `unix:///run/containerd/containerd.sock` */
  endpoint: string;
  clock: Clock;
  /** How long a call may take unless it says so itself; upstream's --runtime-request-timeout. */
  requestTimeoutMs?: number;
}

const runtimeMethods = [
  'version',
  'status',
  'runPodSandbox',
  'stopPodSandbox',
  'removePodSandbox',
  'podSandboxStatus',
  'listPodSandbox',
  'createContainer',
  'startContainer',
  'stopContainer',
  'removeContainer',
  'listContainers',
  'containerStatus',
  'updateContainerResources',
  'reopenContainerLog',
  'execSync',
  'exec',
  'attach',
  'portForward',
  'containerStats',
  'listContainerStats',
  'podSandboxStats',
  'listPodSandboxStats',
  'updateRuntimeConfig',
] as const satisfies readonly (keyof RuntimeService)[];
const imageMethods = [
  'listImages',
  'imageStatus',
  'pullImage',
  'removeImage',
  'imageFsInfo',
] as const satisfies readonly (keyof ImageService)[];

/** Pulls take as long as they take; sandboxes wait for the network (upstream doubles the timeout for both kinds of slow call). */
const unlimited = new Set<string>(['pullImage']);

const codeNames = Object.fromEntries(Object.entries(status).map(([name, code]) => [code, name]));

export function toRuntimeError(error: ServiceError): RuntimeError {
  return new RuntimeError(codeNames[error.code] ?? 'UNKNOWN', error.details || error.message);
}

/** Connects (lazily) to a CRI runtime and asks it who it is. */
export async function connectCriRuntime(options: CriRuntimeOptions): Promise<Runtime> {
  const { endpoint, clock, requestTimeoutMs = 120_000 } = options;
  const limits = {
    'grpc.max_receive_message_length': 16 * 1024 * 1024,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1000,
  };
  const connect = (name: string): Client =>
    new (serviceOf(criDescriptor, `runtime.v1.${name}`))(endpoint, credentials.createInsecure(), limits);
  const runtimeService = connect('RuntimeService');
  const imageService = connect('ImageService');

  const unary =
    (client: Client, method: string) =>
    (request: object, call: { signal?: AbortSignal; timeoutMs?: number } = {}) =>
      new Promise<unknown>((resolve, reject) => {
        call.signal?.throwIfAborted();
        const timeoutMs = call.timeoutMs ?? (unlimited.has(method) ? undefined : requestTimeoutMs);
        // gRPC deadlines are wall time of the connection itself.
        const callOptions = timeoutMs === undefined ? {} : { deadline: clock.now() + timeoutMs };
        // The generated client has one function a method, by its lower camel-case name.
        const invoke = client[method as keyof Client] as unknown as (
          request: object,
          options: object,
          done: (error: ServiceError | null, response: object) => void,
        ) => { cancel(): void };
        const onAbort = () => rpc.cancel();
        const rpc = invoke.call(client, request, callOptions, (error, response) => {
          call.signal?.removeEventListener('abort', onAbort);
          if (error) reject(call.signal?.aborted ? call.signal.reason : toRuntimeError(error));
          else resolve(withoutNulls(response));
        });
        call.signal?.addEventListener('abort', onAbort, { once: true });
      });

  const verbs = Object.fromEntries([
    ...runtimeMethods.map((m) => [m, unary(runtimeService, m)]),
    ...imageMethods.map((m) => [m, unary(imageService, m)]),
    // Built from the two lists above, which `satisfies` holds to the contract's method names; messages are the descriptor's.
  ]) as unknown as RuntimeService & ImageService;

  const version = await verbs.version({}, { timeoutMs: 10_000 });
  const name = version.runtimeName ?? 'unknown';
  const runtime: Runtime = {
    ...verbs,
    name,
    events: (signal) =>
      // containerd before 1.7 has no CRI event stream, and its own tells of more: it serves its events on the same socket.
      name === 'containerd' ? containerdEvents({ endpoint, clock, runtime: verbs }, signal) : criEvents(runtimeService, signal),
    async close() {
      runtimeService.close();
      imageService.close();
    },
  };
  return runtime;
}
