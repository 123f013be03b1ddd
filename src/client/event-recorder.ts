import type { Logger } from 'pino';
import type { Event, KubeObject, ObjectReference } from '../api/index.ts';
import { Event as EventResource, hasReason, StatusError } from '../api/index.ts';
import { type Clock, type Random, timestamp } from '../time/index.ts';
import type { Client } from './client.ts';
import { type Correlated, createEventCorrelator } from './event-correlator.ts';

export interface EventRecorder {
  /** Says what happened to an object; returns at once. `regarding` is the object, or a reference to it (with a fieldPath, say). */
  event(regarding: KubeObject | ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string, options?: EventOptions): void;
}

export interface EventOptions {
  annotations?: Record<string, string>;
  action?: string;
  related?: ObjectReference;
}

export interface EventBroadcasterOptions {
  client: Client;
  clock: Clock;
  random: Random;
  logger?: Logger | undefined;
}

/** Writes events in the background, one after the other, and drops them rather than grow without bound. */
export interface EventBroadcaster {
  /** A recorder whose events say that they come from this component (and host). */
  recorder(component: string, host?: string): EventRecorder;
  /** Resolves when what was recorded so far has been written or given up. */
  flush(): Promise<void>;
  /** Records nothing more and gives up what has not been written. */
  close(): void;
}

/** As client-go: 1000 events wait at most, and each is tried twelve times, ten seconds apart. */
const maxQueued = 1000;
const maxTries = 12;
const retryMs = 10_000;

export function createEventBroadcaster(options: EventBroadcasterOptions): EventBroadcaster {
  const { client, clock, random, logger } = options;
  const correlator = createEventCorrelator(clock);
  const nameFor = eventNames(clock, random);
  const closing = new AbortController();
  const queue: Event[] = [];
  let writing: Promise<void> | undefined;

  const write = async (correlated: Correlated): Promise<void> => {
    const { event, patch } = correlated;
    const namespace = event.metadata.namespace;
    const request = { namespace, signal: closing.signal };
    if (patch) {
      try {
        correlator.stored(await client.patch(EventResource, event.metadata.name, 'strategic', patch, request));
        return;
      } catch (error) {
        // The server forgets events after a time: begin a new one.
        if (!hasReason(error, 'NotFound')) throw error;
      }
      const { resourceVersion: _, ...metadata } = event.metadata;
      correlator.stored(await client.create(EventResource, { ...event, metadata: { ...metadata, name: nameFor(event) } }, request));
      return;
    }
    correlator.stored(await client.create(EventResource, event, request));
  };

  const writeWithRetries = async (correlated: Correlated): Promise<void> => {
    for (let tries = 1; !closing.signal.aborted; tries++) {
      try {
        await write(correlated);
        return;
      } catch (error) {
        if (closing.signal.aborted) return;
        // What the server has refused it will refuse again: an existing name, a namespace that is going away.
        const hopeless = error instanceof StatusError && error.code < 500 && error.code !== 429;
        if (hopeless || tries >= maxTries) {
          logger?.warn({ reason: correlated.event.reason, error: String(error) }, 'unable to write event');
          return;
        }
        await clock.sleep(tries === 1 ? retryMs * random.next() : retryMs, closing.signal).catch(() => undefined);
      }
    }
  };

  const work = async (): Promise<void> => {
    for (;;) {
      const event = queue.shift();
      if (!event || closing.signal.aborted) break;
      const correlated = correlator.correlate(event);
      if (correlated) await writeWithRetries(correlated);
    }
    writing = undefined;
  };

  return {
    recorder: (component, host = '') => ({
      event(regarding, type, reason, message, extra = {}) {
        if (closing.signal.aborted) return;
        if (queue.length >= maxQueued) {
          logger?.warn({ reason, message }, 'too many events wait to be written: dropped one');
          return;
        }
        queue.push(
          makeEvent(clock, nameFor, { component, ...(host ? { host } : {}) }, referenceTo(regarding), type, reason, message, extra),
        );
        writing ??= Promise.resolve().then(work);
      },
    }),
    flush: async () => {
      while (writing) await writing;
    },
    close: () => {
      closing.abort(new Error('the event broadcaster is closed'));
      queue.length = 0;
    },
  };
}

/** The reference by which an event or a binding names an object. */
export function referenceTo(object: KubeObject | ObjectReference): ObjectReference {
  if (!('metadata' in object)) return object;
  const { apiVersion, kind, metadata } = object;
  return {
    kind,
    ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
    name: metadata.name,
    uid: metadata.uid,
    apiVersion,
    resourceVersion: metadata.resourceVersion,
  };
}

type NameFor = (event: Pick<Event, 'involvedObject'>) => string;

function makeEvent(
  clock: Clock,
  nameFor: NameFor,
  source: { component: string; host?: string },
  involvedObject: ObjectReference,
  type: string,
  reason: string,
  message: string,
  { annotations, action, related }: EventOptions,
): Event {
  const now = timestamp(clock);
  const namespace = involvedObject.namespace || 'default';
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { namespace, ...(annotations ? { annotations } : {}) },
    involvedObject,
    reason,
    message,
    source,
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
    type,
    ...(action ? { action } : {}),
    ...(related ? { related } : {}),
    reportingComponent: source.component,
    reportingInstance: source.host ?? '',
  };
  // The server fills in what a draft lacks (uid, resourceVersion, creationTimestamp).
  const draft = event as unknown as Event;
  draft.metadata.name = nameFor(draft);
  return draft;
}

/**
 * Names of events: the object's name and the time, with chance in place of the nanoseconds that no clock here has. Unique, and in the
 * order of the events, in which clients show those of one second.
 */
function eventNames(clock: Clock, random: Random): NameFor {
  let last = 0n;
  return (event) => {
    const chance = BigInt(Math.floor(random.next() * 1_000_000));
    const nanoseconds = BigInt(Math.floor(clock.now())) * 1_000_000n + chance;
    last = nanoseconds > last ? nanoseconds : last + 1n + (chance >> 10n);
    return `${event.involvedObject.name || 'unknown'}.${last.toString(16)}`;
  };
}
