/** What is remembered of tokens that others have told about, with upstream's metric names, which have no help. */
import type { Registry } from 'prom-client';
import { counters, gauges, histograms } from '../../observability/index.ts';
import type { Clock } from '../../time/index.ts';

export interface TokenCacheMetrics {
  /** Has a question counted and timed; `ask` has the webhook asked, where it is not known what it would say. */
  question<T>(answer: (ask: (work: () => Promise<T>) => Promise<T>) => Promise<T>): Promise<T>;
}

export function createTokenCacheMetrics(registry: Registry, clock: Pick<Clock, 'monotonic'>): TokenCacheMetrics {
  const name = (what: string) => ({ name: `authentication_token_cache_${what}`, help: '' });
  const requests = counters(registry, name('request_total'));
  const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
  const durations = histograms(registry, { ...name('request_duration_seconds'), buckets });
  const fetches = counters(registry, name('fetch_total'));
  const active = gauges(registry, name('active_fetch_count'));
  return {
    async question(answer) {
      const startedMs = clock.monotonic();
      let status = 'hit';
      try {
        return await answer(async (work) => {
          status = 'miss';
          const inFlight = active.with({ status: 'in_flight' });
          inFlight.inc();
          let outcome = 'error';
          try {
            const told = await work();
            outcome = 'ok';
            return told;
          } finally {
            inFlight.inc(-1);
            fetches.with({ status: outcome }).inc();
          }
        });
      } finally {
        requests.with({ status }).inc();
        durations.with({ status }).observe((clock.monotonic() - startedMs) / 1000);
      }
    },
  };
}
