/**
 * containerd's events as runtime events. containerd tells of a task's end, or of memory that ran out, before its CRI plugin has taken
 * note of it, so a `stopped` or `oom` event waits until CRI says the same: who reacts to it by asking for the status must not see
 * the container as it was.
 */
import { type ClientReadableStream, credentials } from '@grpc/grpc-js';
import type { Clock } from '../../time/index.ts';
import { RuntimeError, type RuntimeEvent, type RuntimeService } from '../runtime.ts';
import descriptor from '../schema/containerd-events.json' with { type: 'json' };
import { messagesOf } from './cri-events.ts';
import { serviceOf } from './grpc-services.ts';

interface Envelope {
  namespace: string;
  topic: string;
  event?: { typeUrl: string; value: Uint8Array };
}

interface EventSource {
  endpoint: string;
  clock: Clock;
  runtime: Pick<RuntimeService, 'containerStatus' | 'podSandboxStatus'>;
}

const topics: Record<string, RuntimeEvent['type']> = {
  '/tasks/start': 'started',
  '/tasks/exit': 'stopped',
  '/tasks/oom': 'oom',
  '/containers/delete': 'deleted',
};

export async function* containerdEvents(source: EventSource, signal: AbortSignal): AsyncGenerator<RuntimeEvent> {
  const client = new (serviceOf(descriptor, 'containerd.services.events.v1.Events'))(source.endpoint, credentials.createInsecure());
  try {
    // The generated client's streaming method.
    const subscribe = client.subscribe as unknown as (request: object) => ClientReadableStream<Envelope>;
    const stream = subscribe.call(client, { filters: Object.keys(topics).map((topic) => `namespace==k8s.io,topic=="${topic}"`) });
    for await (const event of messagesOf(stream, signal, toEvent)) {
      const isNoted = notes[event.type];
      if (isNoted) await until(() => isNoted(source.runtime, event.containerId), source.clock, signal);
      yield event;
    }
  } finally {
    client.close();
  }
}

function toEvent(envelope: Envelope): RuntimeEvent | undefined {
  const type = topics[envelope.topic];
  if (!type || !envelope.event) return undefined;
  const { first, second } = firstStrings(envelope.event.value);
  // An exec's end carries the exec's own id beside the container's.
  if (!first || (type === 'stopped' && second && second !== first)) return undefined;
  return { type, containerId: first };
}

/** Fields 1 and 2 of a message, where they are strings: (container id, process id) in TaskExit, the container id in the others. */
function firstStrings(bytes: Uint8Array): { first: string; second: string } {
  const found = { first: '', second: '' };
  for (let at = 0; at + 1 < bytes.length; ) {
    const tag = bytes[at++] ?? 0;
    if (tag !== 0x0a && tag !== 0x12) break;
    const length = bytes[at++] ?? 0;
    found[tag === 0x0a ? 'first' : 'second'] = new TextDecoder().decode(bytes.subarray(at, at + length));
    at += length;
  }
  return found;
}

/** Whether CRI has taken note of an event, by its type. */
const notes: Partial<Record<RuntimeEvent['type'], (runtime: EventSource['runtime'], id: string) => Promise<boolean>>> = {
  async stopped(runtime, id) {
    const container = await containerStatus(runtime, id);
    // A container that ends at once does so before CRI has noted its start: what was merely created has not been noted either.
    if (container) return container.state === 'CONTAINER_EXITED' || container.state === 'CONTAINER_UNKNOWN';
    const sandbox = await runtime.podSandboxStatus({ podSandboxId: id }).catch(undefinedIfGone);
    return sandbox?.status?.state !== 'SANDBOX_READY';
  },
  async oom(runtime, id) {
    const container = await containerStatus(runtime, id);
    return !container || container.reason === 'OOMKilled';
  },
};

const containerStatus = async (runtime: EventSource['runtime'], id: string) =>
  (await runtime.containerStatus({ containerId: id }).catch(undefinedIfGone))?.status;

function undefinedIfGone(error: unknown): undefined {
  if (!(error instanceof RuntimeError) || error.code !== 'NOT_FOUND') throw error;
}

/** Waits for at most five seconds, for a machine that is very busy. */
async function until(isSo: () => Promise<boolean>, clock: Clock, signal: AbortSignal): Promise<void> {
  const deadline = clock.monotonic() + 5000;
  for (let pauseMs = 1; clock.monotonic() < deadline && !signal.aborted; pauseMs = Math.min(pauseMs * 2, 50)) {
    if (await isSo()) return;
    await clock.sleep(pauseMs);
  }
}
