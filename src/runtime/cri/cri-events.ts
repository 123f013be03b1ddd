/** CRI's own event stream (GetContainerEvents, KEP-3386). */
import type { Client, ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import type { cri, RuntimeEvent } from '../runtime.ts';
import { toRuntimeError } from './cri-runtime.ts';

const types: Record<string, RuntimeEvent['type']> = {
  CONTAINER_CREATED_EVENT: 'created',
  CONTAINER_STARTED_EVENT: 'started',
  CONTAINER_STOPPED_EVENT: 'stopped',
  CONTAINER_DELETED_EVENT: 'deleted',
};

export async function* criEvents(client: Client, signal: AbortSignal): AsyncGenerator<RuntimeEvent> {
  // The generated client's streaming method.
  const open = client['getContainerEvents' as keyof Client] as unknown as (
    request: object,
  ) => ClientReadableStream<cri.ContainerEventResponse>;
  const stream = open.call(client, {});
  yield* messagesOf(stream, signal, (message) => {
    const type = types[message.containerEventType ?? ''];
    return type && message.containerId ? { type, containerId: message.containerId } : undefined;
  });
}

/** A gRPC stream as an async iterable that ends quietly on abort and with a RuntimeError otherwise. */
export async function* messagesOf<M, E>(
  stream: ClientReadableStream<M>,
  signal: AbortSignal,
  convert: (message: M) => E | undefined,
): AsyncGenerator<E> {
  const onAbort = () => stream.cancel();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    for await (const message of stream) {
      const event = convert(message);
      if (event) yield event;
    }
  } catch (error) {
    if (signal.aborted) return;
    // What a gRPC stream emits as its error is a ServiceError.
    throw toRuntimeError(error as ServiceError);
  } finally {
    signal.removeEventListener('abort', onAbort);
    stream.cancel();
  }
}
