import { expect, it } from 'vitest';
import { accept, rejectUpdate } from '../testing/accept.ts';

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
