/** Where audit events go. Backends stand on each other: batching and truncation wrap the log and the webhook. */
import type { AuditEvent } from './event.ts';

export interface AuditBackend {
  /** Whether the events are stored, or will be. Never throws: what is lost is counted and logged. */
  process(events: readonly AuditEvent[]): boolean | Promise<boolean>;
  /** Sends what is buffered; nothing may come after. */
  close(): Promise<void>;
}

/** Whether all of it is stored. */
export function allStored(results: readonly (boolean | Promise<boolean>)[]): boolean | Promise<boolean> {
  if (results.every((result) => typeof result === 'boolean')) return results.every(Boolean);
  return Promise.all(results).then((all) => all.every(Boolean));
}

/** Each event to each backend. */
export function unionBackend(backends: readonly AuditBackend[]): AuditBackend {
  const [only] = backends;
  if (backends.length === 1 && only) return only;
  return {
    process: (events) => allStored(backends.map((backend) => backend.process(events))),
    close: async () => void (await Promise.all(backends.map((backend) => backend.close()))),
  };
}

/** As --audit-*-mode=blocking: the request waits for the event, but is not refused when that is lost. */
export function ignoreErrors(backend: AuditBackend): AuditBackend {
  return {
    process(events) {
      const result = backend.process(events);
      return typeof result === 'boolean' ? true : result.then(() => true);
    },
    close: () => backend.close(),
  };
}
