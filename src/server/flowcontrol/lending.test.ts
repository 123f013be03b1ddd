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
  const fairness = createPriorityAndFairness({ clock, totalSeats: 100, requestTimeoutSeconds: 60, objects: () => 0 });
  await fairness.follow(storages, { signal: stop.signal, onError: (error) => expect(error).toBeUndefined() });
  const limits = () => ['catch-all', 'idle'].map((name) => fairness.configured.levels.get(name)?.queues.limit);
  const flood = () => Array.from({ length: 50 }, () => fairness.admit(context('joe')) as Admission).flatMap(({ release }) => release ?? []);

  const first = flood();
  expect(first).toHaveLength(5);
  await clock.advance(10_000);
  // In proportion to what each must have: 5 and the 9 that the idle one keeps.
  expect(limits()).toEqual([36, 64]);
  const second = flood();
  expect(second).toHaveLength(31);
  for (const release of [...first, ...second]) release();
  await clock.advance(20_000);
  expect(limits()).toEqual([5, 95]);
  // Nothing is looked at while nobody is short of anything.
  expect(clock.pending).toBe(0);
  stop.abort();
  await close();
});
