/** Whether kube-proxy keeps up with Services and EndpointSlices: a change that waits too long makes it unhealthy. */
import type { Clock } from '../../time/index.ts';

export interface ProxyHealth {
  /** A change has come that is not in the kernel yet. */
  queued(): void;
  /** The kernel has everything. */
  updated(): void;
  /** When the rules were last written, in milliseconds since the epoch; undefined where never. */
  readonly lastUpdatedMs: number | undefined;
  isHealthy(): boolean;
}

/** Twice --iptables-sync-period, as upstream. */
export function createProxyHealth(clock: Clock, syncMs = 30_000): ProxyHealth {
  const patienceMs = 2 * syncMs;
  let lastUpdatedMs: number | undefined;
  let oldestMs: number | undefined;
  return {
    queued() {
      oldestMs ??= clock.monotonic();
    },
    updated() {
      oldestMs = undefined;
      lastUpdatedMs = clock.now();
    },
    get lastUpdatedMs() {
      return lastUpdatedMs;
    },
    // Until the first write it is starting.
    isHealthy: () => lastUpdatedMs === undefined || oldestMs === undefined || clock.monotonic() - oldestMs < patienceMs,
  };
}
