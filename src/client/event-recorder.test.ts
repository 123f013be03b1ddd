import { expect, test } from 'vitest';
import { Event, errors, Pod } from '../api/index.ts';
import { seededRandom, VirtualClock } from '../time/index.ts';
import { createClient } from './create-client.ts';
import { createEventBroadcaster } from './event-recorder.ts';
import { createMemoryApi } from './testing/memory-api.ts';

async function setUp() {
  const clock = new VirtualClock();
  const api = createMemoryApi(clock, [Event, Pod]);
  const client = createClient(api);
  const pod = await client.create(Pod, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'work' },
    spec: { containers: [] },
  });
  const broadcaster = createEventBroadcaster({ client, clock, random: seededRandom(1) });
  const recorder = broadcaster.recorder('kubelet', 'node-1');
  const events = async () => (await client.list(Event, { namespace: 'work' })).items;
  return { clock, api, client, pod, broadcaster, recorder, events };
}

test('an event names its object, its source and its time', async () => {
  const { recorder, broadcaster, pod, events } = await setUp();
  recorder.event(pod, 'Normal', 'Pulled', 'Container image already present');
  await broadcaster.flush();
  expect((await events())[0]).toMatchObject({
    involvedObject: { kind: 'Pod', namespace: 'work', name: 'p', uid: pod.metadata.uid, apiVersion: 'v1' },
    reason: 'Pulled',
    type: 'Normal',
    count: 1,
    source: { component: 'kubelet', host: 'node-1' },
    reportingComponent: 'kubelet',
    firstTimestamp: '2026-01-01T00:00:00Z',
  });
});

test('the same event again raises the count of the first', async () => {
  const { recorder, broadcaster, pod, events, clock } = await setUp();
  for (let i = 0; i < 3; i++) {
    recorder.event(pod, 'Warning', 'BackOff', 'Back-off restarting failed container');
    await broadcaster.flush();
    await clock.advance(10_000);
  }
  const all = await events();
  expect(all).toHaveLength(1);
  expect(all[0]).toMatchObject({ count: 3, firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:20Z' });
});

test('many events that differ in the message alone become one', async () => {
  const { recorder, broadcaster, pod, events } = await setUp();
  for (let i = 0; i < 15; i++) recorder.event(pod, 'Normal', 'Said', `message ${i}`);
  await broadcaster.flush();
  const all = await events();
  expect(all).toHaveLength(10);
  expect(all.at(-1)).toMatchObject({ count: 6, message: '(combined from similar events): message 14' });
});

test('a source gets 25 events of one object, then one every five minutes', async () => {
  const { recorder, broadcaster, pod, events, clock } = await setUp();
  for (let i = 0; i < 40; i++) recorder.event(pod, 'Normal', 'Again', 'same');
  await broadcaster.flush();
  expect((await events())[0]?.count).toBe(25);
  await clock.advance(300_000);
  recorder.event(pod, 'Normal', 'Again', 'same');
  await broadcaster.flush();
  expect((await events())[0]?.count).toBe(26);
});

test('waits for a server that is away', async () => {
  const { recorder, broadcaster, pod, events, clock, api } = await setUp();
  api.intercept = () => {
    throw errors.serviceUnavailable('away');
  };
  recorder.event(pod, 'Normal', 'Late', 'but there');
  await clock.advance(15_000);
  api.intercept = undefined;
  await clock.advance(15_000);
  await broadcaster.flush();
  expect(await events()).toHaveLength(1);
});

test('names of events are unique and in their order', async () => {
  const { recorder, broadcaster, pod, events } = await setUp();
  const reasons = Array.from({ length: 20 }, (_, i) => `Reason${i}`);
  for (const reason of reasons) recorder.event(pod, 'Normal', reason, reason);
  await broadcaster.flush();
  const byName = (await events()).sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  expect(byName.map(({ reason }) => reason)).toEqual(reasons);
});
