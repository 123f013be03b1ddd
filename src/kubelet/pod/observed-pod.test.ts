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
