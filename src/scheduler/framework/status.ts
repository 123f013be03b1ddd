/**
 * What a plugin answers. Success is `undefined`, so that the path on which everything fits allocates nothing.
 */
export type Code =
  /** Something broke: the pod is tried again after a back-off. */
  | 'Error'
  /** The pod does not fit now; preempting others may help. */
  | 'Unschedulable'
  /** The pod does not fit, and preempting others would not help. */
  | 'UnschedulableAndUnresolvable'
  /** Permit only: the pod waits. */
  | 'Wait'
  /** The plugin has nothing to do for this pod (PreFilter, PreScore), or leaves it to the next one (Bind). */
  | 'Skip'
  /** The pod is set aside until what the plugin waits for has happened. */
  | 'Pending';

export interface Status {
  readonly code: Code;
  /** In upstream's words: they are counted and shown in the FailedScheduling event. */
  readonly reasons: readonly string[];
  /** Who answered it. */
  readonly plugin: string;
  readonly error?: unknown;
}

export function status(plugin: string, code: Code, ...reasons: string[]): Status {
  return { plugin, code, reasons };
}

export function errorStatus(plugin: string, error: unknown): Status {
  return { plugin, code: 'Error', reasons: [error instanceof Error ? error.message : String(error)], error };
}

/** Whether the pod was turned down, as against something having broken. */
export function isRejected(s: Status): boolean {
  return s.code === 'Unschedulable' || s.code === 'UnschedulableAndUnresolvable' || s.code === 'Pending';
}

export function messageOf(s: Status): string {
  return s.reasons.join(', ');
}
