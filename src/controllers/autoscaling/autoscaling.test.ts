import { afterEach, describe, expect, test } from 'vitest';
import { Deployment, HorizontalPodAutoscaler, type HorizontalPodAutoscalerSpec, type MetricSpec, type Pod } from '../../api/index.ts';
import { startCluster, type TestCluster } from '../testing/cluster.ts';
import { evaluateMetric, MetricError } from './evaluate.ts';
import { horizontalPodAutoscalerController } from './index.ts';
import { limitReplicas, newMemory, remember } from './limits.ts';
import { createMetricsClient, type MetricsClient, type PodMetrics } from './metrics.ts';

const minute = 60_000;
const nowMs = Date.UTC(2026, 0, 1, 12);
const at = (ms: number) => new Date(ms).toISOString();

interface PodParts {
  /** Minutes since it started. */
  age?: number;
  ready?: boolean;
  phase?: string;
  cpu?: string;
}
const makePod = (name: string, { age = 60, ready = true, phase = 'Running', cpu = '1' }: PodParts = {}): Pod =>
  ({
    metadata: { name, namespace: 'work' },
    spec: { containers: [{ name: 'main', image: 'i', resources: { requests: { cpu } } }] },
    status: {
      phase,
      startTime: at(nowMs - age * minute),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: at(nowMs - age * minute) }],
    },
  }) as never;
const spec = (rest: Partial<HorizontalPodAutoscalerSpec> = {}): HorizontalPodAutoscaler =>
  ({
    metadata: { name: 'web', namespace: 'work' },
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 20, ...rest },
  }) as never;
const cpu = (target: object): MetricSpec => ({ type: 'Resource', resource: { name: 'cpu', target: { type: 'x', ...target } } });

/** What a metric calls for where pods use so many thousandths; undefined has no metric. */
async function evaluate(pods: [PodParts, number | undefined][], metric: MetricSpec, { whole = 0, replicas = pods.length } = {}) {
  const made = pods.map(([parts], i) => makePod(`p${i}`, parts));
  const metrics: PodMetrics = new Map(
    pods.flatMap(([, value], i) => (value === undefined ? [] : [[`p${i}`, { value, timestampMs: nowMs, windowMs: minute }] as const])),
  );
  const client: MetricsClient = {
    resource: async () => new Map(metrics),
    pods: async () => new Map(metrics),
    object: async () => whole,
    external: async () => [whole / 2, whole / 2],
  };
  const situation = { autoscaler: spec(), specReplicas: replicas, statusReplicas: replicas, pods: made, selector: 'a=b', nowMs };
  return evaluateMetric(client, situation, metric, async () => 'services', AbortSignal.any([]));
}

describe('a metric calls for replicas', () => {
  const half = cpu({ averageUtilization: 50 });
  const unready = { age: 1, ready: false };
  test.each<[string, [PodParts, number | undefined][], MetricSpec, number]>([
    [
      'in proportion to the use of requests',
      [
        [{}, 900],
        [{}, 900],
        [{}, 900],
      ],
      half,
      6,
    ],
    [
      'of less use fewer',
      [
        [{}, 100],
        [{}, 100],
        [{}, 100],
        [{}, 100],
      ],
      half,
      1,
    ],
    [
      'within the tolerance none',
      [
        [{}, 540],
        [{}, 540],
      ],
      half,
      2,
    ],
    [
      'a pod without a metric uses nothing when the target grows',
      [
        [{}, 900],
        [{}, undefined],
      ],
      half,
      2,
    ],
    [
      'and all it requests when it shrinks',
      [
        [{}, 100],
        [{}, 100],
        [{}, undefined],
      ],
      half,
      3,
    ],
    [
      'a pod that starts uses nothing when the target grows',
      [
        [{}, 900],
        [{}, 900],
        [unready, 900],
      ],
      half,
      4,
    ],
    [
      'failed ones count for nothing',
      [
        [{}, 900],
        [{ phase: 'Failed' }, 900],
      ],
      half,
      2,
    ],
    [
      'by use in the mean',
      [
        [{}, 300],
        [{}, 300],
      ],
      cpu({ averageValue: '100m' }),
      6,
    ],
    [
      'by a metric of pods',
      [
        [{}, 20_000],
        [{}, 20_000],
      ],
      { type: 'Pods', pods: { metric: { name: 'qps' }, target: { type: 'AverageValue', averageValue: '10' } } },
      4,
    ],
  ])('%s', async (_, pods, metric, replicas) => {
    expect((await evaluate(pods, metric)).replicas).toBe(replicas);
  });

  test('of an object, and from outside, by value and by share', async () => {
    const object = (target: object): MetricSpec => ({
      type: 'Object',
      object: { metric: { name: 'hits' }, describedObject: { kind: 'Service', name: 's' }, target: { type: 'x', ...target } },
    });
    const external = (target: object): MetricSpec => ({
      type: 'External',
      external: { metric: { name: 'q' }, target: { type: 'x', ...target } },
    });
    const pods: [PodParts, undefined][] = [
      [{}, undefined],
      [{}, undefined],
    ];
    expect(await evaluate(pods, object({ value: '10' }), { whole: 20_000 })).toMatchObject({
      replicas: 4,
      status: { object: { current: { value: '20' } } },
    });
    expect(await evaluate(pods, object({ averageValue: '5' }), { whole: 20_000 })).toMatchObject({ replicas: 4 });
    expect(await evaluate(pods, external({ value: '10' }), { whole: 20_000 })).toMatchObject({ replicas: 4 });
    expect(await evaluate([], external({ value: '10' }), { whole: 20_000, replicas: 0 })).toMatchObject({ replicas: 2 });
    expect(await evaluate(pods, external({ averageValue: '5' }), { whole: 20_000 })).toMatchObject({
      replicas: 4,
      status: { external: { current: { averageValue: '10' } } },
    });
  });

  test('what pods request must be known', async () => {
    const failing = evaluate([[{}, 100]], {
      type: 'Resource',
      resource: { name: 'memory', target: { type: 'x', averageUtilization: 50 } },
    });
    await expect(failing).rejects.toThrow(MetricError);
    await expect(failing).rejects.toMatchObject({
      reason: 'FailedGetResourceMetric',
      detail: 'failed to get memory utilization: missing request for memory in container main of Pod p0',
      message:
        'failed to get memory resource metric value: failed to get memory utilization: missing request for memory in container main of Pod p0',
    });
  });
});

test('reads the metrics APIs', async () => {
  const asked: string[] = [];
  const answers: Record<string, unknown> = {
    'metrics.k8s.io': {
      items: [
        {
          metadata: { name: 'p' },
          timestamp: '2026-01-01T12:00:00Z',
          window: '30s',
          containers: [
            { name: 'main', usage: { cpu: '250m', memory: '1Ki' } },
            { name: 'side', usage: { cpu: '1500000n' } },
          ],
        },
      ],
    },
    'custom.metrics.k8s.io': {
      items: [{ describedObject: { name: 'p' }, value: '7', timestamp: '2026-01-01T12:00:00Z', windowSeconds: 10 }],
    },
    'external.metrics.k8s.io': { items: [{ value: '1500m' }, { value: '2' }] },
  };
  const client = createMetricsClient({
    raw: async (_: string, path: string) => {
      asked.push(path);
      return answers[path.split('/')[2] ?? ''];
    },
  } as never);
  const { signal } = new AbortController();
  const sample = (value: number, windowMs: number) => new Map([['p', { value, timestampMs: nowMs, windowMs }]]);
  expect(await client.resource('cpu', 'work', 'a=b', undefined, signal)).toEqual(sample(252, 30_000));
  expect(await client.resource('cpu', 'work', 'a=b', 'main', signal)).toEqual(sample(250, 30_000));
  // What one of its containers does not tell, the pod does not.
  expect(await client.resource('memory', 'work', 'a=b', undefined, signal)).toEqual(new Map());
  const metric = { name: 'qps', selector: { matchLabels: { verb: 'get' } } };
  expect(await client.pods(metric, 'work', 'a=b', signal)).toEqual(sample(7000, 10_000));
  const ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'main' };
  expect(await client.object(metric, 'work', ingress, 'ingresses', signal)).toBe(7000);
  expect(await client.external(metric, 'work', signal)).toEqual([1500, 2000]);
  expect(asked.slice(3)).toEqual([
    '/apis/custom.metrics.k8s.io/v1beta2/namespaces/work/pods/*/qps?labelSelector=a%3Db&metricLabelSelector=verb%3Dget',
    '/apis/custom.metrics.k8s.io/v1beta2/namespaces/work/ingresses.networking.k8s.io/main/qps?metricLabelSelector=verb%3Dget',
    '/apis/external.metrics.k8s.io/v1beta1/namespaces/work/qps?labelSelector=verb%3Dget',
  ]);
});

describe('limits', () => {
  const stable = spec();
  test('up at most twofold, down after five minutes', () => {
    const memory = newMemory();
    expect(limitReplicas(stable, memory, 3, 12, nowMs)).toMatchObject({ replicas: 6, limit: { limited: true, reason: 'ScaleUpLimit' } });
    expect(limitReplicas(stable, memory, 6, 2, nowMs + minute)).toMatchObject({ replicas: 12, able: { reason: 'ScaleDownStabilized' } });
    expect(limitReplicas(stable, memory, 12, 2, nowMs + 7 * minute)).toMatchObject({
      replicas: 2,
      able: { reason: 'ReadyForNewScale' },
      limit: { limited: false, reason: 'DesiredWithinRange' },
    });
    expect(limitReplicas(stable, newMemory(), 19, 40, nowMs)).toMatchObject({
      replicas: 20,
      limit: { limited: true, reason: 'TooManyReplicas' },
    });
    expect(limitReplicas(spec({ minReplicas: 3 }), newMemory(), 5, 1, nowMs)).toMatchObject({
      replicas: 3,
      limit: { reason: 'TooFewReplicas' },
    });
  });

  test('by behavior: policies by period, windows each way', () => {
    const behavior = {
      scaleUp: { stabilizationWindowSeconds: 60, policies: [{ type: 'Pods', value: 2, periodSeconds: 60 }] },
      scaleDown: {
        stabilizationWindowSeconds: 0,
        selectPolicy: 'Min',
        policies: [
          { type: 'Percent', value: 50, periodSeconds: 60 },
          { type: 'Pods', value: 1, periodSeconds: 60 },
        ],
      },
    };
    const hpa = spec({ behavior });
    const memory = newMemory();
    expect(limitReplicas(hpa, memory, 4, 10, nowMs)).toMatchObject({ replicas: 6, limit: { reason: 'ScaleUpLimit' } });
    remember(memory, behavior, 4, 6, nowMs);
    expect(limitReplicas(hpa, memory, 6, 10, nowMs + 30_000)).toMatchObject({ replicas: 6, limit: { limited: true } });
    expect(limitReplicas(hpa, memory, 6, 10, nowMs + 61_000)).toMatchObject({ replicas: 8 });
    expect(limitReplicas(hpa, memory, 8, 2, nowMs + 200_000)).toMatchObject({ replicas: 7, limit: { reason: 'ScaleDownLimit' } });
    expect(limitReplicas(hpa, memory, 7, 10, nowMs + 201_000)).toMatchObject({ replicas: 7, able: { reason: 'ScaleUpStabilized' } });
  });
});

describe('the controller', () => {
  let c: TestCluster;
  afterEach(() => c.stop());
  const conditions = async () =>
    (await c.get(HorizontalPodAutoscaler, 'web')).status?.conditions?.map((x) => `${x.type}=${x.status} ${x.reason}: ${x.message}`);

  test('brings the target within its bounds, and says why it cannot do more', async () => {
    c = await startCluster([horizontalPodAutoscalerController]);
    const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
    await c.create(HorizontalPodAutoscaler, { metadata: { name: 'web' }, spec: { scaleTargetRef, minReplicas: 2, maxReplicas: 5 } });
    await c.settle();
    expect(await conditions()).toEqual([
      `AbleToScale=False FailedGetScale: the HPA controller was unable to get the target's current scale: deployments.apps "web" not found`,
    ]);
    const labels = { app: 'web' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'i' }] } };
    await c.create(Deployment, { metadata: { name: 'web' }, spec: { replicas: 9, selector: { matchLabels: labels }, template } });
    await c.settle(15_000);
    expect((await c.get(Deployment, 'web')).spec.replicas).toBe(5);
    expect(await c.events()).toContain('SuccessfulRescale: New size: 5; reason: Current number of replicas above Spec.MaxReplicas');
    await c.settle(15_000);
    const why =
      'failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)';
    expect((await conditions())?.[1]).toContain(
      `ScalingActive=False FailedGetResourceMetric: the HPA was unable to compute the replica count: ${why}`,
    );
    const failed = (await c.events()).find((e) => e.startsWith('FailedComputeMetricsReplicas'));
    expect(failed).toContain(`invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: ${why}`);
    await c.update(Deployment, 'web', (d) => ({ ...d, spec: { ...d.spec, replicas: 0 } }));
    await c.settle(15_000);
    expect(await conditions()).toContain(
      'ScalingActive=False ScalingDisabled: scaling is disabled since the replica count of the target is zero',
    );
  });
});
