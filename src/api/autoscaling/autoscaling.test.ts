import { expect, it } from 'vitest';
import { accept, rejectUpdate } from '../testing/accept.ts';
import { autoscalerV1 } from './autoscaler-v1.ts';
import { autoscalerV2beta1, autoscalerV2beta2 } from './autoscaler-v2-betas.ts';

const scaler = (target: object, spec: object = {}) => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'h', namespace: 'default' },
  spec: { maxReplicas: 3, scaleTargetRef: { name: 'x', ...target }, ...spec },
});
const describing = (apiVersion: string) => ({
  metrics: [
    {
      type: 'Object',
      object: { describedObject: { apiVersion, kind: 'Service', name: 's' }, metric: { name: 'm' }, target: { type: 'Value', value: '1' } },
    },
  ],
});
const update = (next: object, prev: object) => rejectUpdate(next as never, prev as never);
const deployment = { kind: 'Deployment', apiVersion: 'apps/v1' };
const noGroup = (text: string) => [`spec.scaleTargetRef.apiVersion: Invalid value: "${text}": apiVersion must specify API group`];

it.each<[object, string[]]>([
  [deployment, []],
  [{ kind: 'Deployment' }, noGroup('')],
  [{ kind: 'Deployment', apiVersion: 'v1' }, noGroup('v1')],
  [{ kind: 'ReplicationController', apiVersion: 'v1' }, []],
  [
    { kind: 'ReplicationController', apiVersion: 'a/b/c' },
    ['spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'],
  ],
])('what is scaled is of a group, or a kind of the core: %j', (target, messages) => {
  expect(accept(scaler(target)).wrong).toEqual(messages);
});

it('an autoscaler may go on referring to what it did', () => {
  const old = scaler({ kind: 'Deployment' }, describing('a/b/c'));
  expect(update(scaler({ kind: 'Deployment' }, { ...describing('d/e/f'), maxReplicas: 5 }), old)).toEqual([]);
  expect(update(scaler({ kind: 'ReplicaSet' }), old)).toEqual(noGroup(''));
  expect(update(scaler(deployment, describing('d/e/f')), scaler(deployment, describing('v1')))).toEqual([
    'spec.metrics[0].object.describedObject.apiVersion: Invalid value: "d/e/f": unexpected GroupVersion string: d/e/f',
  ]);
});

it('an autoscaler that scales to zero may go on doing so', () => {
  const [none, one] = [0, 1].map((minReplicas) => scaler(deployment, { minReplicas, ...describing('v1') }));
  expect(update(none as object, none as object)).toEqual([]);
  expect(update(none as object, one as object)).toEqual(['spec.minReplicas: Invalid value: 0: must be greater than or equal to 1']);
});

it.each([
  ['metrics', '5'],
  ['metrics', '[5]'],
  ['metrics', '[{"type":"Resource","resource":5}]'],
  ['behavior', '{"ScaleUp":5}'],
  ['behavior', '{"ScaleUp":{"Policies":{}}}'],
  ['behavior', '['.repeat(100_000) + ']'.repeat(100_000)],
  ['conditions', '{}'],
  ['current-metrics', '["x"]'],
])('counts a v1 annotation %s that is none as absent: %.20s', (name, text) => {
  const spec = { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'web' } };
  const given = { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', spec, status: { currentReplicas: 1, desiredReplicas: 1 } };
  const annotations = { [`autoscaling.alpha.kubernetes.io/${name}`]: text };
  expect(autoscalerV1.toStorage({ ...given, metadata: { name: 'x', annotations } } as never)).toEqual(
    autoscalerV1.toStorage({ ...given, metadata: { name: 'x' } } as never),
  );
});

it('reads of a v1 annotation only what its type has', () => {
  const metrics = '[{"type":"Pods","other":1,"pods":{"metricName":"m","targetAverageValue":"1","more":2}}]';
  const { spec } = autoscalerV1.toStorage({
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'x', annotations: { 'autoscaling.alpha.kubernetes.io/metrics': metrics } },
    spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'web' } },
  } as never);
  expect(spec.metrics).toEqual([{ type: 'Pods', pods: { metric: { name: 'm' }, target: { type: 'AverageValue', averageValue: '1' } } }]);
});

it('carries what was measured in v1 as v1 has it, and back without a loss', () => {
  const describedObject = { kind: 'Service', name: 's', apiVersion: 'v1' };
  const selector = { matchLabels: { a: 'b' } };
  const currentMetrics = [
    { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 40, averageValue: '4m' } } },
    { type: 'ContainerResource', containerResource: { name: 'memory', container: 'c', current: { averageValue: '1Mi' } } },
    { type: 'Pods', pods: { metric: { name: 'p' }, current: { averageValue: '3' } } },
    { type: 'Object', object: { metric: { name: 'o', selector }, describedObject, current: { value: '7' } } },
    { type: 'Object', object: { metric: { name: 'o' }, describedObject, current: { averageValue: '7' } } },
    { type: 'External', external: { metric: { name: 'e', selector }, current: { averageValue: '2' } } },
    { type: 'External', external: { metric: { name: 'e' }, current: { value: '0' } } },
  ];
  const stored = { ...scaler(deployment), status: { desiredReplicas: 1, currentMetrics } };
  const served = autoscalerV1.fromStorage(stored as never);
  expect(served.metadata.annotations?.['autoscaling.alpha.kubernetes.io/current-metrics']).toBe(
    JSON.stringify([
      { type: 'Resource', resource: { name: 'cpu', currentAverageUtilization: 40, currentAverageValue: '4m' } },
      { type: 'ContainerResource', containerResource: { name: 'memory', currentAverageValue: '1Mi', container: 'c' } },
      { type: 'Pods', pods: { metricName: 'p', currentAverageValue: '3' } },
      { type: 'Object', object: { target: describedObject, metricName: 'o', currentValue: '7', selector } },
      { type: 'Object', object: { target: describedObject, metricName: 'o', currentValue: '0', averageValue: '7' } },
      { type: 'External', external: { metricName: 'e', metricSelector: selector, currentValue: '0', currentAverageValue: '2' } },
      { type: 'External', external: { metricName: 'e', currentValue: '0' } },
    ]),
  );
  expect(served.status?.currentCPUUtilizationPercentage).toBe(40);
  expect(autoscalerV1.toStorage(served as never).status).toEqual({ desiredReplicas: 1, currentMetrics });
});

it('serves the betas of v2 without a loss', () => {
  const selector = { matchLabels: { a: 'b' } };
  const describedObject = { kind: 'Service', name: 's', apiVersion: 'v1' };
  const metrics = [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
    { type: 'Pods', pods: { metric: { name: 'p', selector }, target: { type: 'AverageValue', averageValue: '3' } } },
    { type: 'Object', object: { describedObject, metric: { name: 'o' }, target: { type: 'Value', value: '7' } } },
    { type: 'External', external: { metric: { name: 'e' }, target: { type: 'AverageValue', averageValue: '2' } } },
  ];
  const scaleDown = { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] };
  const behavior = { scaleUp: { selectPolicy: 'Disabled', tolerance: '50m' }, scaleDown };
  const currentMetrics = [{ type: 'Pods', pods: { metric: { name: 'p' }, current: { averageValue: '3' } } }];
  const conditions = [{ type: 'AbleToScale', status: 'True' }];
  const {
    apiVersion: _,
    kind: __,
    ...stored
  } = {
    ...scaler(deployment, { metrics, behavior }),
    status: { currentReplicas: 2, desiredReplicas: 1, currentMetrics, conditions },
  };
  const first = autoscalerV2beta1.fromStorage(stored as never);
  expect(first.spec).toMatchObject({
    metrics: [
      { type: 'Resource', resource: { name: 'cpu', targetAverageUtilization: 70 } },
      { type: 'Pods', pods: { metricName: 'p', selector, targetAverageValue: '3' } },
      { type: 'Object', object: { target: describedObject, metricName: 'o', targetValue: '7' } },
      { type: 'External', external: { metricName: 'e', targetAverageValue: '2' } },
    ],
  });
  expect(first.spec).not.toHaveProperty('behavior');
  expect(first.status).toMatchObject({
    currentMetrics: [{ type: 'Pods', pods: { metricName: 'p', currentAverageValue: '3' } }],
    conditions,
  });
  expect(autoscalerV2beta1.toStorage(first as never)).toEqual(stored);
  const second = autoscalerV2beta2.fromStorage(stored as never);
  expect(second.spec).toMatchObject({ metrics, behavior: { scaleUp: { selectPolicy: 'Disabled' }, scaleDown } });
  expect(second.spec.behavior?.scaleUp).not.toHaveProperty('tolerance');
  expect(autoscalerV2beta2.toStorage(second as never)).toEqual(stored);
  // Who takes a direction away takes its tolerance with it.
  const { scaleUp: _up, ...down } = second.spec.behavior ?? {};
  expect(autoscalerV2beta2.toStorage({ ...second, spec: { ...second.spec, behavior: down } } as never).spec.behavior).toEqual({
    scaleDown,
  });
});

it('has no annotations for what v1 says in such', () => {
  const annotations = { 'autoscaling.alpha.kubernetes.io/metrics': '[]', 'autoscaling.alpha.kubernetes.io/behavior': 'abc', a: 'b' };
  const { stored } = accept({ ...scaler(deployment), metadata: { name: 'h', namespace: 'default', annotations } });
  expect(stored.metadata.annotations).toEqual({ a: 'b' });
});
