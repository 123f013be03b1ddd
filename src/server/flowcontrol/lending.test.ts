import { expect, it } from 'vitest';
import { PriorityLevelConfiguration } from '../../api/index.ts';
import { VirtualClock } from '../../time/index.ts';
import { PipelineContext } from '../pipeline/context.ts';
import { RequestLifetime } from '../request-lifetime.ts';
import { memoryStorages } from '../testing/memory-storages.ts';
import type { Admission } from './limiter.ts';
import { createPriorityAndFairness } from './priority-and-fairness.ts';

const random = { next: () => 0 };
const context = (name: string) =>
  new PipelineContext(
    {
      method: 'GET',
      path: '/api/v1/namespaces/default/pods/a',
      query: new URLSearchParams(),
      headers: [],
      body: {
        contentType: '',
        bytes: () => Promise.reject(new Error('none')),
        stream: () => {
          throw new Error('none');
        },
      },
      lifetime: new RequestLifetime(),
      remoteAddress: '127.0.0.1',
      user: { name, groups: ['system:authenticated'] },
    },
    { name: 'system:anonymous', groups: ['system:unauthenticated'] },
    random,
  );

it('a level that is short of seats is lent others, and gives them back when it needs them no more', async () => {
  const clock = new VirtualClock();
  const { storages, put, close } = memoryStorages();
  await put(PriorityLevelConfiguration, {
    metadata: { name: 'idle' },
    spec: { type: 'Limited', limited: { nominalConcurrencyShares: 95, lendablePercent: 90, limitResponse: { type: 'Reject' } } },
  });
  const stop = new AbortController();
  const fairness = createPriorityAndFairness({ clock, totalSeats: 100, requestTimeoutSeconds: 60, objects: () => undefined });
  await fairness.follow(storages, { signal: stop.signal, onError: (error) => expect(error).toBeUndefined() });
  const limits = () => ['catch-all', 'idle'].map((name) => fairness.configured.levels.get(name)?.queues.limit);
  const flood = () => Array.from({ length: 50 }, () => fairness.admit(context('joe')) as Admission).flatMap(({ release }) => release ?? []);

  // At rest in proportion to what each must have: 5, and the 9 that the idle one keeps.
  expect(limits()).toEqual([36, 64]);
  const first = flood();
  expect(first).toHaveLength(36);
  await clock.advance(10_000);
  // It has used all it had: it is given as much again of what the other does not need.
  const [lent = 0, kept = 0] = limits();
  expect(lent).toBeGreaterThan(70);
  expect(lent + (kept ?? 0)).toBe(100);
  const second = flood();
  expect(second).toHaveLength(lent - 36);
  for (const release of [...first, ...second]) release();
  await clock.advance(20_000);
  expect(limits()[1]).toBeGreaterThanOrEqual(9);
  // What has long been over counts no more, and nothing is looked at while nobody asks for anything.
  await clock.advance(2 * 3_600_000);
  expect(limits()).toEqual([36, 64]);
  expect(clock.pending).toBe(0);
  stop.abort();
  await close();
});
