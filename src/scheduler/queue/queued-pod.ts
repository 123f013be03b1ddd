import type { PodInfo } from '../cache/pod-info.ts';

/** A pod on its way through the queue. Times are milliseconds of the monotonic clock. */
export interface QueuedPod {
  info: PodInfo;
  /** When it came into the queue, or back into it. */
  timestampMs: number;
  /** When it was first tried; for the metric of the whole wait. */
  initialAttemptMs: number | undefined;
  attempts: number;
  /** Attempts that ended with "does not fit"; they lengthen the back-off. */
  unschedulableCount: number;
  /** Attempts in a row that ended with an error. */
  errorCount: number;
  /** Who rejected it in the last attempt. */
  unschedulablePlugins: Set<string>;
  /** Of those, who set it aside until something happens. */
  pendingPlugins: Set<string>;
  /** The plugin whose PreEnqueue holds it back. */
  gatedBy: string | undefined;
}

export function newQueuedPod(info: PodInfo, nowMs: number): QueuedPod {
  return {
    info,
    timestampMs: nowMs,
    initialAttemptMs: undefined,
    attempts: 0,
    unschedulableCount: 0,
    errorCount: 0,
    unschedulablePlugins: new Set(),
    pendingPlugins: new Set(),
    gatedBy: undefined,
  };
}
