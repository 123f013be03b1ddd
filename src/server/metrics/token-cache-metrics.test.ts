import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { exposition } from '../../observability/index.ts';
import { VirtualClock } from '../../time/index.ts';
import { createTokenCacheMetrics } from './token-cache-metrics.ts';

it('tells what was known from what was asked for, and failures from answers', async () => {
  const registry = new Registry();
  const metrics = createTokenCacheMetrics(registry, new VirtualClock());
  expect(await metrics.question(async () => 'known')).toBe('known');
  expect(await metrics.question((ask) => ask(async () => 'told'))).toBe('told');
  await expect(metrics.question((ask) => ask(() => Promise.reject(new Error('gone'))))).rejects.toThrow('gone');
  const lines = (await exposition(registry)).split('\n');
  for (const line of [
    'authentication_token_cache_request_total{status="hit"} 1',
    'authentication_token_cache_request_total{status="miss"} 2',
    'authentication_token_cache_fetch_total{status="ok"} 1',
    'authentication_token_cache_fetch_total{status="error"} 1',
    'authentication_token_cache_active_fetch_count{status="in_flight"} 0',
    'authentication_token_cache_request_duration_seconds_count{status="miss"} 2',
  ])
    expect(lines).toContain(line);
});
