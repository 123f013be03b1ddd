import { expect, test } from 'vitest';
import { coordinationV1beta1, Lease } from '../../api/index.ts';
import { seededRandom, VirtualClock } from '../../time/index.ts';
import { openTestServer } from '../testing/test-server.ts';
import { runCoordinatedElection } from './coordinated-election.ts';
import { electedSpec, nextStep } from './election.ts';

const { LeaseCandidate } = coordinationV1beta1;
const nowMs = Date.parse('2026-01-01T12:00:00Z');
const ago = (seconds: number) => new Date(nowMs - seconds * 1000).toISOString().replace('Z', '000Z');

type Spec = Partial<coordinationV1beta1.LeaseCandidate['spec']>;
const candidate = (name: string, spec: Spec = {}, createdAgo = 100): coordinationV1beta1.LeaseCandidate => ({
  ...{ apiVersion: 'coordination.k8s.io/v1beta1', kind: 'LeaseCandidate' },
  metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: ago(createdAgo) },
  spec: {
    leaseName: 'l',
    binaryVersion: '1.2.0',
    emulationVersion: '1.2.0',
    strategy: 'OldestEmulationVersion',
    renewTime: ago(1),
    ...spec,
  },
});
const lease = (spec: Lease['spec'] = {}): Lease => ({
  ...{ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' },
  metadata: { name: 'l', uid: 'l', resourceVersion: '1', creationTimestamp: ago(100) },
  spec: { leaseDurationSeconds: 15, renewTime: ago(1), ...spec },
});
const elects = (holder: string | undefined, strategy = 'OldestEmulationVersion') => ({ type: 'elect', strategy, holder });

test.each<[string, coordinationV1beta1.LeaseCandidate[], Lease | undefined, object]>([
  ['the only one leads', [candidate('a')], undefined, elects('a')],
  ['the oldest emulated version leads', [candidate('a'), candidate('b', { emulationVersion: '1.1.0' })], undefined, elects('b')],
  ['of one emulated version the older binary', [candidate('a', { binaryVersion: '1.10.0' }), candidate('b')], undefined, elects('b')],
  ['of one version the first', [candidate('a', {}, 50), candidate('b', {}, 60)], undefined, elects('b')],
  ['the best leads already', [candidate('a')], lease({ holderIdentity: 'a' }), { type: 'wait' }],
  ['a better one comes', [candidate('a'), candidate('b', { emulationVersion: '1.1.0' })], lease({ holderIdentity: 'a' }), elects('b')],
  ['the lease has run out', [candidate('a')], lease({ holderIdentity: 'a', renewTime: ago(20) }), elects('a')],
  [
    'a silent one is asked',
    [candidate('a', { renewTime: ago(60) })],
    undefined,
    { type: 'ask', candidates: [{ metadata: { name: 'a' } }] },
  ],
  ['one that is asked may answer', [candidate('a', { renewTime: ago(60), pingTime: ago(1) }), candidate('b')], undefined, { type: 'wait' }],
  ['one that has not answered is left', [candidate('a', { renewTime: ago(60), pingTime: ago(6) }), candidate('b')], undefined, elects('b')],
  [
    'all are asked now and then',
    [candidate('a', { renewTime: ago(16 * 60) })],
    lease({ holderIdentity: 'a' }),
    { type: 'ask', candidates: [{ metadata: { name: 'a' } }] },
  ],
  ['others know other strategies', [candidate('a', { strategy: 'example.com/s' })], undefined, elects(undefined, 'example.com/s')],
  [
    'the newest binary says by which strategy',
    [candidate('a', { binaryVersion: '1.3.0', strategy: 'example.com/s' }), candidate('b')],
    lease({ holderIdentity: 'x' }),
    { type: 'wait' },
  ],
])('%s', (_, candidates, present, step) => {
  expect(nextStep(candidates, present, nowMs)).toMatchObject(step);
});

test('nobody is chosen where nobody answers, or where they do not agree how', () => {
  expect(() => nextStep([candidate('a', { renewTime: ago(60), pingTime: ago(30) })], undefined, nowMs)).toThrow('no available candidates');
  expect(() => nextStep([candidate('a'), candidate('b', { strategy: 'example.com/s' })], undefined, nowMs)).toThrow(
    'candidates "a", "b" at same binary version but received differing strategies OldestEmulationVersion, example.com/s',
  );
});

test('a lease that is held is asked for, one that is free or has run out is given', () => {
  const strategy = 'OldestEmulationVersion';
  const held = lease({ holderIdentity: 'a', acquireTime: ago(50) });
  expect(electedSpec(held, strategy, 'a', ago(0), nowMs)).toEqual({ ...held.spec, strategy });
  expect(electedSpec(held, strategy, 'b', ago(0), nowMs)).toEqual({ ...held.spec, strategy, preferredHolder: 'b' });
  const over = lease({ holderIdentity: 'a', acquireTime: ago(50), renewTime: ago(20), preferredHolder: 'c' });
  const given = { strategy, holderIdentity: 'b', renewTime: ago(0), leaseDurationSeconds: 5 };
  expect(electedSpec(over, strategy, 'b', ago(0), nowMs)).toEqual(given);
  expect(electedSpec(lease(), strategy, 'b', ago(0), nowMs)).toEqual(given);
});

test('candidates are asked, chosen, and forgotten when they have been silent for long', async () => {
  const clock = new VirtualClock();
  const server = await openTestServer({ clock });
  const stop = new AbortController();
  const { admin: client } = server;
  const namespace = 'default';
  const errors: unknown[] = [];
  const settle = async (ms: number) => {
    for (let left = ms; left > 0; left -= ms / 10) {
      await clock.advance(ms / 10);
      for (let i = 0; i < 20; i++) await clock.advance(0);
    }
  };
  const options = {
    client,
    clock,
    random: seededRandom(1),
    hostname: 'here',
    signal: stop.signal,
    onError: (e: unknown) => errors.push(e),
  };
  const running = runCoordinatedElection(options);
  const { spec } = candidate('a', { leaseName: 'led' });
  const { renewTime: _, ...silent } = spec;
  const draft = { apiVersion: 'coordination.k8s.io/v1beta1', kind: 'LeaseCandidate', metadata: { name: 'a', namespace } };
  const renewed = () => new Date(clock.now()).toISOString().replace('Z', '000Z');
  await client.create(LeaseCandidate, { ...draft, spec: { ...silent, renewTime: renewed() } }, { namespace });
  await settle(10_000);
  expect((await client.get(Lease, 'led', { namespace })).spec).toMatchObject({ holderIdentity: 'a', leaseDurationSeconds: 5 });
  // Nobody renews the lease: it runs out, and the candidate is asked whether it is there.
  await settle(20_000);
  expect((await client.get(LeaseCandidate, 'a', { namespace })).spec.pingTime).toBeDefined();
  await settle(60 * 60_000);
  await expect(client.get(LeaseCandidate, 'a', { namespace })).rejects.toMatchObject({ reason: 'NotFound' });
  expect(errors.map(String).filter((error) => error !== 'Error: no available candidates')).toEqual([]);
  stop.abort();
  await running;
  await server.close();
});
