/** Who was let in, and what they were allowed, with upstream's metric names. */
import type { Registry } from 'prom-client';
import { type Cell, counters, type HistogramCell, histograms } from '../../observability/index.ts';
import type { Clock } from '../../time/index.ts';
import type { Authorizer, Decision, UserInfo } from '../request.ts';

const buckets = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i);
/** Remaining lifetimes: hours, days, weeks, months, a year. */
const lifetimeBuckets = [0, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 345600, 604800, 2592000, 7776000, 15552000, 31104000];

/** What filters of the pipeline take; told for those that are timed anyhow. */
export function filterDurations(registry: Registry): (filter: string) => HistogramCell {
  const durations = histograms(registry, {
    name: 'apiserver_request_filter_duration_seconds',
    help: 'Request filter latency distribution in seconds, for each filter type',
    buckets: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 5, 10, 15, 30],
  });
  return (filter) => durations.with({ filter });
}

export interface AuthenticationMetrics {
  /** Notes one attempt; `user` undefined: it failed. */
  attempted(user: UserInfo | undefined, startedMs: number): void;
  certificate(notAfter: Date): void;
}

const knownUsers = new Set(['admin', 'client', 'kube_proxy', 'kubelet', 'system:serviceaccount:kube-system:default']);

/** Users by kind, so that their number does not make as many time series. */
function userKind(name: string): string {
  if (knownUsers.has(name)) return name;
  if (name.includes('@')) return 'email_id';
  return name.length === 36 ? 'uuid' : 'other';
}

export function createAuthenticationMetrics(registry: Registry, clock: Clock, filter: HistogramCell): AuthenticationMetrics {
  const users = counters(registry, {
    name: 'authenticated_user_requests',
    help: 'Counter of authenticated requests broken out by username.',
  });
  const attempts = counters(registry, { name: 'authentication_attempts', help: 'Counter of authenticated attempts.' });
  const durations = histograms(registry, {
    name: 'authentication_duration_seconds',
    help: 'Authentication duration in seconds broken out by result.',
    buckets,
  });
  const lifetimes = histograms(registry, {
    name: 'apiserver_client_certificate_expiration_seconds',
    help: 'Distribution of the remaining lifetime on the certificate used to authenticate a request.',
    buckets: lifetimeBuckets,
  }).with({});
  const known = new Map<string, Cell>();
  const cellOf = (username: string) => {
    let cell = known.get(username);
    if (cell === undefined) {
      cell = users.with({ username });
      known.set(username, cell);
    }
    return cell;
  };
  const outcome = (result: string) => ({ attempts: attempts.with({ result }), duration: durations.with({ result }) });
  const success = outcome('success');
  const failure = outcome('failure');
  return {
    attempted(user, startedMs) {
      const { attempts: attempt, duration } = user === undefined ? failure : success;
      const seconds = (clock.monotonic() - startedMs) / 1000;
      attempt.inc();
      duration.observe(seconds);
      filter.observe(seconds);
      if (user !== undefined) cellOf(userKind(user.name)).inc();
    },
    certificate: (notAfter) => lifetimes.observe((notAfter.getTime() - clock.now()) / 1000),
  };
}

const resultOf = { allow: 'allowed', deny: 'denied', noOpinion: 'no-opinion' } as const;

/** The authorizer, measured. */
export function measuredAuthorizer(authorizer: Authorizer, registry: Registry, clock: Clock, filter: HistogramCell): Authorizer {
  const attempts = counters(registry, {
    name: 'authorization_attempts_total',
    help: "Counter of authorization attempts broken down by result. It can be either 'allowed', 'denied', 'no-opinion' or 'error'.",
  });
  const durations = histograms(registry, {
    name: 'authorization_duration_seconds',
    help: 'Authorization duration in seconds broken out by result.',
    buckets,
  });
  const cells = new Map(
    [...Object.values(resultOf), 'error'].map((result) => [
      result,
      { attempt: attempts.with({ result }), duration: durations.with({ result }) },
    ]),
  );
  const note = (result: string, startedMs: number) => {
    const cell = cells.get(result);
    cell?.attempt.inc();
    const seconds = (clock.monotonic() - startedMs) / 1000;
    cell?.duration.observe(seconds);
    filter.observe(seconds);
  };
  return {
    ...authorizer,
    authorize(attributes) {
      const startedMs = clock.monotonic();
      const decided = (decision: Decision) => {
        note(resultOf[decision.decision], startedMs);
        return decision;
      };
      const failed = (error: unknown): never => {
        note('error', startedMs);
        throw error;
      };
      try {
        const answer = authorizer.authorize(attributes);
        return answer instanceof Promise ? answer.then(decided, failed) : decided(answer);
      } catch (error) {
        return failed(error);
      }
    },
  };
}
