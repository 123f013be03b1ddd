import { expect, test } from 'vitest';
import { errors, Lease } from '../api/index.ts';
import { seededRandom, VirtualClock } from '../time/index.ts';
import { createClient } from './create-client.ts';
import { LeadershipLostError, runLeaderElection } from './leader-election.ts';
import { createMemoryApi } from './testing/memory-api.ts';

function setUp() {
  const clock = new VirtualClock();
  const api = createMemoryApi(clock, [Lease]);
  const client = createClient(api);
  const leading: string[] = [];
  const candidate = (identity: string, releaseOnCancel = true) => {
    const stop = new AbortController();
    const done = runLeaderElection(
      { client, clock, random: seededRandom(identity.length), name: 'manager', namespace: 'kube-system', identity, releaseOnCancel },
      async (signal) => {
        leading.push(identity);
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        leading.splice(leading.indexOf(identity), 1);
      },
      stop.signal,
    );
    return { stop, done };
  };
  return { clock, api, client, leading, candidate };
}

test('one of two leads; the other takes over at once when the lease is released', async () => {
  const { clock, leading, candidate, client } = setUp();
  const first = candidate('one');
  await clock.advance(0);
  const second = candidate('two');
  await clock.advance(60_000);
  expect(leading).toEqual(['one']);
  first.stop.abort();
  await first.done;
  await clock.advance(5000);
  expect(leading).toEqual(['two']);
  expect((await client.get(Lease, 'manager', { namespace: 'kube-system' })).spec).toMatchObject({
    holderIdentity: 'two',
    leaseTransitions: 1,
  });
  second.stop.abort();
  await second.done;
});

test('a lease that was written since the leader has heard of it is released all the same', async () => {
  const { clock, candidate, client } = setUp();
  const { stop, done } = candidate('one');
  await clock.advance(3000);
  const lease = await client.get(Lease, 'manager', { namespace: 'kube-system' });
  await client.update(Lease, { ...lease, spec: { ...lease.spec, renewTime: '2026-01-01T00:00:00.000000Z' } });
  stop.abort();
  await done;
  expect((await client.get(Lease, 'manager', { namespace: 'kube-system' })).spec.holderIdentity ?? '').toBe('');
});

test('a leader does not release what another has', async () => {
  const { clock, candidate, client } = setUp();
  const { stop, done } = candidate('one');
  await clock.advance(3000);
  const lease = await client.get(Lease, 'manager', { namespace: 'kube-system' });
  await client.update(Lease, { ...lease, spec: { ...lease.spec, holderIdentity: 'two' } });
  stop.abort();
  await done;
  expect((await client.get(Lease, 'manager', { namespace: 'kube-system' })).spec.holderIdentity).toBe('two');
});

test('a leader that falls silent is followed after the lease duration, not before', async () => {
  const { clock, leading, candidate } = setUp();
  const first = candidate('one', false);
  await clock.advance(0);
  const second = candidate('two');
  await clock.advance(4500);
  first.stop.abort();
  await first.done;
  await clock.advance(9000);
  expect(leading).toEqual([]);
  await clock.advance(12_000);
  expect(leading).toEqual(['two']);
  second.stop.abort();
  await second.done;
});

test('a leader that cannot renew for ten seconds stops leading', async () => {
  const { clock, api, leading, candidate } = setUp();
  const { done } = candidate('one');
  await clock.advance(4000);
  const lost = expect(done).rejects.toThrow(LeadershipLostError);
  api.intercept = () => {
    throw errors.serviceUnavailable('away');
  };
  await clock.advance(9000);
  expect(leading).toEqual(['one']);
  await clock.advance(4000);
  await lost;
  expect(leading).toEqual([]);
});
