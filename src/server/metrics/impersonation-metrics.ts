/** How often, and how long, requests ask to be somebody else's, with upstream's metric names. */
import type { Registry } from 'prom-client';
import { counters, histograms } from '../../observability/index.ts';
import type { Clock } from '../../time/index.ts';
import type { Authorizer, Decision } from '../request.ts';

const buckets = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i);
const prefix = 'apiserver_impersonation_';

export interface ImpersonationMetrics {
  now(): number;
  /** One request; `constraint`: the verb that allowed it, where that is narrower than `impersonate`. */
  attempted(outcome: { allowed: false } | { allowed: true; constraint: string | undefined }, startedMs: number): void;
  /** The authorizer, each of whose answers counts. */
  counted(authorizer: Authorizer): Authorizer;
}

/** `impersonate-on:MODE:VERB`, `impersonate:MODE`. */
function modeOf(verb: string): string {
  if (verb === 'impersonate') return 'legacy';
  return /^impersonate(?:-on)?:(associated-node|arbitrary-node|serviceaccount|user-info)(?::|$)/.exec(verb)?.[1] ?? 'unknown';
}

export function createImpersonationMetrics(registry: Registry, clock: Clock): ImpersonationMetrics {
  const pair = (name: string, total: string, latency: string) => {
    const counts = counters(registry, { name: `${prefix}${name}_total`, help: total });
    const durations = histograms(registry, { name: `${prefix}${name}_duration_seconds`, help: latency, buckets });
    return (mode: string, isAllowed: boolean, startedMs: number) => {
      const labels = { mode, decision: isAllowed ? 'allowed' : 'denied' };
      counts.with(labels).value++;
      durations.with(labels).observe((clock.monotonic() - startedMs) / 1000);
    };
  };
  const attempts = pair(
    'attempts',
    'Total number of impersonation attempts split by mode and decision.',
    'Latency of impersonation attempts in seconds split by mode and decision.',
  );
  const checks = pair(
    'authorization_attempts',
    'Total number of authorization checks made by the impersonation handler split by mode and decision.',
    'Latency of authorization checks made by the impersonation handler in seconds split by mode and decision.',
  );
  return {
    now: () => clock.monotonic(),
    attempted: (outcome, startedMs) =>
      attempts(outcome.allowed ? modeOf(outcome.constraint ?? 'impersonate') : '', outcome.allowed, startedMs),
    counted: (authorizer) => ({
      ...authorizer,
      authorize(attributes) {
        const startedMs = clock.monotonic();
        const noted = (decision: Decision) => {
          checks(modeOf(attributes.verb), decision.decision === 'allow', startedMs);
          return decision;
        };
        const answer = authorizer.authorize(attributes);
        return answer instanceof Promise ? answer.then(noted) : noted(answer);
      },
    }),
  };
}
