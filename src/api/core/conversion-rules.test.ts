/** What becomes of objects on the way into the store that no kind's own tests tell (upstream: pkg/apis/core/v1/conversion_test.go, defaults_test.go). */
import { expect, test } from 'vitest';
import { applyTableDefaults } from '../defaulting.ts';
import { structNode } from '../schema/table.ts';
import { accept, rejectUpdate } from '../testing/accept.ts';

const container = { name: 'c', image: 'i' };
const pod = (spec: object, metadata: object = {}) =>
  accept({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'd', ...metadata },
    spec: { containers: [container], ...spec },
  }).stored as unknown as { metadata: { annotations?: object }; spec: Record<string, unknown> };

test('a negative grace period is the shortest there is', () => {
  expect(pod({ terminationGracePeriodSeconds: -5 }).spec.terminationGracePeriodSeconds).toBe(1);
  expect(pod({ terminationGracePeriodSeconds: 0 }).spec.terminationGracePeriodSeconds).toBe(0);
});

test('annotations that stood for init containers are dropped', () => {
  const annotations = { 'pod.beta.kubernetes.io/init-containers': '[]', 'pod.alpha.kubernetes.io/init-container-statuses': '', a: 'b' };
  expect(pod({}, { annotations }).metadata.annotations).toEqual({ a: 'b' });
});

test('huge pages of the containers are those of a pod that says anything of itself', () => {
  const containers = [{ ...container, resources: { limits: { 'hugepages-2Mi': '4Mi', cpu: '1' } } }];
  expect(pod({ resources: { requests: { cpu: '2' } }, containers }).spec.resources).toEqual({
    limits: { 'hugepages-2Mi': '4Mi' },
    requests: { cpu: '2', 'hugepages-2Mi': '4Mi' },
  });
  expect(pod({ containers }).spec.resources).toBeUndefined();
});

test('the older of a node’s ranges wins', () => {
  const spec = (given: object) => accept({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, spec: given } as never).stored;
  expect(spec({ podCIDR: '10.0.0.0/24', podCIDRs: ['10.1.0.0/24', 'fd00::/64'] })).toMatchObject({
    spec: { podCIDR: '10.0.0.0/24', podCIDRs: ['10.0.0.0/24'] },
  });
  expect(spec({ podCIDRs: ['10.1.0.0/24'] })).toMatchObject({ spec: { podCIDR: '10.1.0.0/24' } });
});

test('amounts of resources are rounded up to thousandths, but for the overhead of a RuntimeClass', () => {
  const object = {
    spec: { overhead: { cpu: '100u' }, containers: [{ resources: { limits: { cpu: '1500u', memory: '1Gi', odd: '1e-6' } } }] },
  };
  applyTableDefaults(structNode('core.v1.Pod'), object);
  expect(object.spec).toEqual({
    overhead: { cpu: '1m' },
    containers: [{ resources: { limits: { cpu: '2m', memory: '1Gi', odd: '1e-3' } } }],
  });
  const runtimeClass = { overhead: { podFixed: { cpu: '100u' } } };
  applyTableDefaults(structNode('node.v1.RuntimeClass'), runtimeClass);
  expect(runtimeClass.overhead.podFixed.cpu).toBe('100u');
});

const wrongWith = (object: object) => accept(object as { apiVersion: string; kind: string }).wrong;

test.each([
  ['{', 'unexpected end of JSON input'],
  ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ['[]', 'json: cannot unmarshal array into Go value of type map[string]interface {}'],
])('what is wrong with a registry’s credentials %s is said in Go’s words', (text, words) => {
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's', namespace: 'd' }, type: 'kubernetes.io/dockercfg' };
  expect(wrongWith({ ...secret, data: { '.dockercfg': btoa(text) } })).toEqual([
    `data[.dockercfg]: Invalid value: "<secret contents redacted>": ${words}`,
  ]);
});

test.each([
  ['{"preferAvoidPods":[{"podSignature":{"podController":{"controller":true}}}]}', []],
  ['{"preferAvoidPods":[{}]}', ['metadata.annotations.scheduler.alpha.kubernetes.io/preferAvoidPods[0].PodSignature: Required value']],
  [
    '{"preferAvoidPods":[{"podSignature":{"podController":{"controller":false}}}]}',
    [
      'metadata.annotations.scheduler.alpha.kubernetes.io/preferAvoidPods[0].PodSignature.PodController.Controller: Invalid value: false: must point to a controller',
    ],
  ],
])('a node that would rather do without %s', (text, expected) => {
  const annotations = { 'scheduler.alpha.kubernetes.io/preferAvoidPods': text };
  expect(wrongWith({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n', annotations } })).toEqual(expected);
});

test('a claim that has a class of attributes can’t come to have none, one that was refused it may', () => {
  const claim = (className: string | undefined, current?: string) =>
    ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'c', namespace: 'd' },
      spec: { accessModes: ['ReadWriteOnce'], ...(className === undefined ? {} : { volumeAttributesClassName: className }) },
      status: { phase: 'Bound', ...(current ? { currentVolumeAttributesClassName: current } : {}) },
    }) as never; // as far as updates look at it
  expect(rejectUpdate(claim(undefined, 'gold'), claim('gold', 'gold'))).toEqual([
    'spec.volumeAttributesClassName: Forbidden: update to nil is forbidden when status.currentVolumeAttributesClassName is not nil',
  ]);
  expect(rejectUpdate(claim('', 'gold'), claim('gold', 'gold'))).toEqual([
    'spec.volumeAttributesClassName: Forbidden: update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil',
  ]);
  expect(rejectUpdate(claim(undefined), claim('gold'))).toEqual([]);
  expect(rejectUpdate(claim('gold'), claim(undefined))).toEqual([]);
});
