import { describe, expect, it } from 'vitest';
import type { Pod } from '../../api/index.ts';
import { exceededStorage, hasStorageLimits } from './local-storage.ts';
import { evictionMessage, pressureOf, rankPods, refusedUnderPressure, shortages } from './thresholds.ts';

const Mi = 2 ** 20;
const pod = (name: string, priority: number, request?: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'ns', uid: name, resourceVersion: '1', creationTimestamp: '' },
  spec: { priority, containers: [{ name: 'c', ...(request ? { resources: { requests: { memory: request } } } : {}) }] },
});

describe('eviction', () => {
  it('is due when less is free than an amount or a share', () => {
    const observed = new Map([
      ['memory.available', { available: 50 * Mi, capacity: 1000 * Mi }],
      ['nodefs.available', { available: 20, capacity: 100 }],
    ]);
    const list = shortages({ 'memory.available': '100Mi', 'nodefs.available': '10%' }, observed);
    expect(list).toEqual([{ signal: 'memory.available', threshold: 100 * Mi, available: 50 * Mi }]);
    expect(pressureOf(list)).toEqual({ memory: true, disk: false, pid: false });
  });

  it('takes those over their requests first, the unimportant before the important, and never critical ones', () => {
    const usage: Record<string, number> = { within: 90 * Mi, over: 20 * Mi, important: 500 * Mi, critical: 900 * Mi };
    const pods = [pod('within', 0, '100Mi'), pod('important', 10), pod('over', 0, '10Mi'), pod('critical', 2_000_000_000)];
    expect(rankPods(pods, 'memory', (p) => usage[p.metadata.name] ?? 0).map((p) => p.metadata.name)).toEqual([
      'over',
      'important',
      'within',
    ]);
  });

  it('says why, and keeps new best-effort pods out meanwhile', () => {
    const shortage = { signal: 'memory.available', threshold: 100 * Mi, available: 50 * Mi };
    expect(evictionMessage(pod('a', 0, '10Mi'), shortage, { bytes: 20 * Mi, containers: new Map([['c', 20 * Mi]]) })).toBe(
      'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container c was using 20Mi, request is 10Mi, has larger consumption of memory. ',
    );
    const pressure = { memory: true, disk: false, pid: false };
    expect(refusedUnderPressure(pod('a', 0), pressure)).toEqual({
      reason: 'Evicted',
      message: 'Pod was rejected: The node had condition: [MemoryPressure]. ',
    });
    expect(refusedUnderPressure(pod('b', 0, '10Mi'), pressure)).toBeUndefined();
  });

  it('finds the first limit of disk that a pod exceeds: of a volume, of the pod, of a container', () => {
    const limited: Pod = {
      ...pod('a', 0),
      spec: {
        volumes: [
          { name: 'v', emptyDir: { sizeLimit: '5Mi' } },
          { name: 'm', emptyDir: { medium: 'Memory' } },
        ],
        containers: [
          { name: 'c', resources: { limits: { 'ephemeral-storage': '10Mi' } } },
          { name: 'd', resources: { limits: { 'ephemeral-storage': '20Mi' } } },
        ],
      },
    };
    const exceeded = (volumes: Record<string, number>, containers: Record<string, number>) =>
      exceededStorage(limited, {
        emptyDirs: new Map(Object.entries(volumes)),
        containers: new Map(Object.entries(containers).map(([name, bytes]) => [name, { layer: bytes - 1, logs: 1 }])),
      })?.message;
    expect(hasStorageLimits(limited)).toBe(true);
    expect(hasStorageLimits(pod('b', 0, '1Mi'))).toBe(false);
    expect(exceeded({ v: 5 * Mi, m: 100 * Mi }, { c: 10 * Mi, d: 15 * Mi })).toBeUndefined();
    expect(exceeded({ v: 6 * Mi }, { c: 11 * Mi })).toBe('Usage of EmptyDir volume "v" exceeds the limit "5Mi". ');
    expect(exceeded({ v: 5 * Mi }, { c: 9 * Mi, d: 19 * Mi })).toBe(
      'Pod ephemeral local storage usage exceeds the total limit of containers 30Mi. ',
    );
    expect(exceeded({}, { c: 11 * Mi })).toBe('Container c exceeded its local ephemeral storage limit "10Mi". ');
  });
});
