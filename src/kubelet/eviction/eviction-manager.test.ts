import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Pod } from '../../api/index.ts';
import { VirtualClock } from '../../time/index.ts';
import { effectiveConfiguration } from '../config.ts';
import { containerNameLabel, podUidLabel } from '../containers/labels.ts';
import type { KubeletContext } from '../context.ts';
import { noMetrics } from '../metrics/kubelet-metrics.ts';
import { kubeletPaths } from '../pod/paths.ts';
import type { PodWorker, TerminateOptions } from '../workers/worker-contract.ts';
import { evictionManager } from './eviction-manager.ts';
import type { Observations } from './thresholds.ts';

const Mi = 2 ** 20;

function pod(name: string, memory: string): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'work', uid: name, resourceVersion: '1', creationTimestamp: '' },
    spec: { containers: [{ name: 'c', resources: { requests: { memory } } }] },
  };
}

describe('an eviction manager', () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  let observed: Observations;
  let told: string[];
  let ended: Record<string, TerminateOptions | undefined>;
  let manager: ReturnType<typeof evictionManager>;
  let running: Promise<void>;
  let onReclaim = () => {};
  let end: AbortController;

  const usage: Record<string, number> = { modest: 50, greedy: 80 };
  const workers = [pod('modest', '100Mi'), pod('greedy', '10Mi')].map(
    (p) =>
      ({
        pod: p,
        get state() {
          return p.metadata.name in ended ? 'terminated' : 'syncing';
        },
        terminate(options?: TerminateOptions) {
          ended[p.metadata.name ?? ''] = options;
        },
      }) as PodWorker, // what an eviction manager asks of one
  );
  const free = (memory: number, disk: number): Observations =>
    new Map([
      ['memory.available', { available: memory * Mi, capacity: 1000 * Mi }],
      ['nodefs.available', { available: disk, capacity: 100 }],
    ]);
  const turn = async () => {
    await clock.advance(10_000);
    for (let i = 0; i < 20; i++) await clock.advance(0);
  };

  beforeEach(async () => {
    observed = free(500, 50);
    told = [];
    ended = {};
    onReclaim = () => {};
    end = new AbortController();
    const stats = workers.map(({ pod: { metadata } }) => ({
      attributes: { labels: { [podUidLabel]: metadata.uid ?? '', [containerNameLabel]: 'c' } },
      memory: { workingSetBytes: { value: (usage[metadata.name ?? ''] ?? 0) * Mi } },
    }));
    const context = {
      clock,
      config: effectiveConfiguration({
        evictionPressureTransitionPeriod: '30s',
        evictionSoft: { 'memory.available': '300Mi' },
        evictionSoftGracePeriod: { 'memory.available': '25s' },
        evictionMaxPodGracePeriod: 20,
      }),
      paths: kubeletPaths('/nonexistent', '/nonexistent/logs'),
      logger: pino({ level: 'silent' }),
      events: {
        pod: (about: Pod, _type: string, reason: string) => told.push(`${about.metadata.name} ${reason}`),
        node: (_type: string, reason: string, message: string) => told.push(`node ${reason}: ${message}`),
      },
      metrics: { ...noMetrics, evicted: (signal: string) => told.push(`counted ${signal}`) },
      runtime: { listContainerStats: async () => ({ stats }) },
    } as unknown as KubeletContext; // the parts that an eviction manager uses
    manager = evictionManager(context, {
      workers: () => workers,
      onChange: () => told.push('changed'),
      reclaimDisk: async () => {
        told.push('reclaimed');
        onReclaim();
      },
      observe: async () => observed,
    });
    running = manager.run(AbortSignal.any([stop.signal, end.signal]));
    await turn();
  });
  afterEach(async () => {
    end.abort();
    await running;
  });

  it('ends the pod furthest over its requests when memory is short, one a turn, and keeps the condition for a while', async () => {
    expect(told).toEqual([]);
    observed = free(50, 50);
    await turn();
    expect(told).toEqual([
      'changed',
      'node EvictionThresholdMet: Attempting to reclaim memory',
      'counted memory.available',
      'greedy Evicted',
    ]);
    expect(ended).toEqual({
      greedy: {
        graceSeconds: 0,
        disrupts: true,
        verdict: {
          reason: 'Evicted',
          message:
            'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container c was using 80Mi, request is 10Mi, has larger consumption of memory. ',
        },
      },
    });
    observed = free(500, 50);
    await turn();
    expect(manager.pressure().memory).toBe(true);
    for (let i = 0; i < 3; i++) await turn();
    expect(manager.pressure().memory).toBe(false);
    expect(Object.keys(ended)).toEqual(['greedy']);
  });

  it('ends pods gently where a soft threshold has been crossed for long enough', async () => {
    observed = free(200, 50);
    await turn();
    expect(manager.pressure().memory).toBe(true);
    await turn();
    observed = free(500, 50);
    await turn();
    observed = free(200, 50);
    for (let i = 0; i < 3; i++) await turn();
    // The time that it was above the threshold counts from the last time.
    expect(ended).toEqual({});
    await turn();
    expect(ended).toMatchObject({ greedy: { graceSeconds: 20, verdict: { reason: 'Evicted' } } });
  });

  it('reclaims what nobody uses before it ends pods for disk', async () => {
    observed = free(500, 5);
    onReclaim = () => {
      observed = free(500, 50);
    };
    await turn();
    expect(told).toEqual(['changed', 'reclaimed']);
    expect(manager.pressure().disk).toBe(true);
    observed = free(500, 5);
    onReclaim = () => {};
    await turn();
    // Disks are really looked at, which takes as long as it takes.
    await expect
      .poll(() => told.slice(2))
      .toEqual([
        'reclaimed',
        'node EvictionThresholdMet: Attempting to reclaim ephemeral-storage',
        'counted nodefs.available',
        'modest Evicted',
      ]);
  });
});
