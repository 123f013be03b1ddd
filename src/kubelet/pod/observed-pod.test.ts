import { expect, it } from 'vitest';
import { hollowRuntime } from '../../runtime/hollow/index.ts';
import { seededRandom, VirtualClock } from '../../time/index.ts';
import { podObserver } from './observed-pod.ts';

it('keeps nothing of containers that the runtime has removed, however often a pod restarts them', () => {
  const observer = podObserver(hollowRuntime({ clock: new VirtualClock(), random: seededRandom(1) }));
  observer.learn('one', 'uid');
  observer.learn('two', 'uid');
  observer.removed('one');
  expect([observer.podOf('one'), observer.podOf('two')]).toEqual([undefined, 'uid']);
});

it('asks again of a container that ended, when it is heard of later why', async () => {
  const runtime = hollowRuntime({ clock: new VirtualClock(), random: seededRandom(1) });
  let reason = 'Error';
  const observer = podObserver({
    ...runtime,
    listContainers: async () => ({ containers: [{ id: 'one' }] }),
    containerStatus: async () => ({ status: { id: 'one', state: 'CONTAINER_EXITED', exitCode: 137, reason } }),
  });
  const seen = async () => (await observer.observe('uid'))?.containers[0]?.reason;
  expect(await seen()).toBe('Error');
  reason = 'OOMKilled';
  expect(await seen()).toBe('Error');
  observer.changed('one');
  expect(await seen()).toBe('OOMKilled');
});
