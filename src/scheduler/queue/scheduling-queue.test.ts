import { expect, test } from 'vitest';
import type { Pod } from '../../api/index.ts';
import { VirtualClock } from '../../time/index.ts';
import { clusterEvent, type EventRegistration } from '../framework/cluster-event.ts';
import { status } from '../framework/status.ts';
import { makeNode, makePod } from '../testing/test-cluster.ts';
import type { QueuedPod } from './queued-pod.ts';
import { SchedulingQueue } from './scheduling-queue.ts';

const nodeAdded = clusterEvent('Node', 'Add');
const podDeleted = clusterEvent('AssignedPod', 'Delete');

function setUp(registrations: Record<string, readonly EventRegistration[]> = { Fit: [{ resource: 'Node', actions: ['Add'] }] }) {
  const clock = new VirtualClock();
  const queue = new SchedulingQueue({
    clock,
    before: (a, b) => b.info.priority - a.info.priority < 0 || (a.info.priority === b.info.priority && a.timestampMs < b.timestampMs),
    gate: (pod) => (pod.spec.schedulingGates?.length ? status('SchedulingGates', 'UnschedulableAndUnresolvable') : undefined),
    registrations: new Map(Object.entries(registrations)),
  });
  /** Takes the next pod and gives it back, rejected. */
  const failNext = (...plugins: string[]): void => {
    const queued = queue.tryPop();
    if (!queued) throw new Error('no pod is ready');
    queued.unschedulablePlugins = new Set(plugins);
    queue.returnUnschedulable(queued);
  };
  return { clock, queue, failNext };
}

const nameOf = (queued: QueuedPod | undefined) => queued?.info.pod.metadata.name;
const withPriority = (name: string, priority: number): Pod => makePod(name, { spec: { priority } });
const key = (name: string) => `default/${name}`;

test('pods come by priority, then in the order of their arrival', async () => {
  const { queue, clock } = setUp();
  for (const pod of [withPriority('a', 0), withPriority('b', 0), withPriority('c', 10)]) {
    queue.add(pod);
    await clock.advance(1);
  }
  expect([1, 2, 3].map(() => nameOf(queue.tryPop()))).toEqual(['c', 'a', 'b']);
});

test('a taker that waits gets the next pod at once', async () => {
  const { queue } = setUp();
  const next = queue.pop();
  queue.add(makePod('a'));
  expect(nameOf(await next)).toBe('a');
});

test('a rejected pod waits for an event that its plugin asked for, and then out of turn when nothing else is there', () => {
  const { queue, failNext } = setUp();
  queue.add(makePod('a'));
  failNext('Fit');
  queue.move(podDeleted, makePod('other'), undefined);
  expect(queue.whereIs(key('a'))).toBe('unschedulable');
  queue.move(nodeAdded, undefined, makeNode('n'));
  expect(queue.whereIs(key('a'))).toBe('backoff');
  expect(nameOf(queue.tryPop())).toBe('a');
});

test('a hint can turn an event down', () => {
  const { queue, failNext } = setUp({
    Fit: [{ resource: 'Node', actions: ['Add'], hint: (_pod, _previous, node) => node?.metadata.name === 'large' }],
  });
  queue.add(makePod('a'));
  failNext('Fit');
  queue.move(nodeAdded, undefined, makeNode('small'));
  expect(queue.whereIs(key('a'))).toBe('unschedulable');
  queue.move(nodeAdded, undefined, makeNode('large'));
  expect(queue.whereIs(key('a'))).toBe('backoff');
});

test('an event during the attempt counts when the pod comes back', () => {
  const { queue } = setUp();
  queue.add(makePod('a'));
  const queued = queue.tryPop();
  queue.move(nodeAdded, undefined, makeNode('n'));
  if (!queued) throw new Error('no pod');
  queued.unschedulablePlugins = new Set(['Fit']);
  queue.returnUnschedulable(queued);
  expect(queue.whereIs(key('a'))).toBe('backoff');
});

test('after an error a pod backs off, twice as long each time, ten seconds at most', async () => {
  const { queue, failNext, clock } = setUp();
  queue.add(makePod('a'));
  for (const seconds of [1, 2, 4, 8, 10, 10]) {
    failNext();
    await clock.advance(seconds * 1000 - 1);
    expect(queue.tryPop()).toBeUndefined();
    await clock.advance(1);
    expect(queue.whereIs(key('a'))).toBe('active');
  }
});

test('a pod that no event has helped is tried again after five minutes', async () => {
  const { queue, failNext, clock } = setUp();
  queue.add(makePod('a'));
  failNext('Fit');
  await clock.advance(299_999);
  expect(queue.whereIs(key('a'))).toBe('unschedulable');
  await clock.advance(1);
  expect(queue.whereIs(key('a'))).toBe('active');
});

test('a gated pod stays out until its gates are gone', async () => {
  const gates: readonly EventRegistration[] = [{ resource: 'TargetPod', actions: ['UpdatePodSchedulingGatesEliminated'] }];
  const { queue, clock } = setUp({ SchedulingGates: gates });
  const gated = makePod('a', { spec: { schedulingGates: [{ name: 'example.com/wait' }] } });
  queue.add(gated);
  expect(queue.sizes).toEqual({ active: 0, backoff: 0, unschedulable: 0, gated: 1 });
  await clock.advance(600_000);
  expect(queue.whereIs(key('a'))).toBe('gated');
  queue.update(makePod('a'), gated, [clusterEvent('TargetPod', 'UpdatePodSchedulingGatesEliminated')]);
  expect(queue.whereIs(key('a'))).toBe('active');
});

test('a deleted pod is in no queue, and leaves no timer when the queue closes', () => {
  const { queue, failNext, clock } = setUp();
  queue.add(makePod('a'));
  failNext('Fit');
  queue.delete(makePod('a'));
  expect(queue.whereIs(key('a'))).toBeUndefined();
  queue.close();
  expect(clock.pending).toBe(0);
});
