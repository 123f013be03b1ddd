/** What becomes of objects on the way into the store that no kind's own tests tell (upstream: pkg/apis/core/v1/conversion_test.go, defaults_test.go). */
import { expect, test } from 'vitest';
import { applyTableDefaults } from '../defaulting.ts';
import { haveSameOptionalStructs } from '../schema/optional-structs.ts';
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

test('a claim that an earlier release has stored may be updated by who sends what has come later', () => {
  const claim = (spec: object) => ({ metadata: { name: 'c', namespace: 'n' }, spec: { resources: {}, ...spec } }) as never; // as far as updates look at it
  const dataSource = { kind: 'PersistentVolumeClaim', name: 'foo' };
  const now = claim({ volumeMode: 'Filesystem', dataSource, dataSourceRef: dataSource });
  expect(rejectUpdate(now, claim({ dataSource }))).not.toEqual(expect.arrayContaining([expect.stringContaining('immutable')]));
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

const clusterWide = (apiVersion: string, kind: string, fields: object) =>
  accept({ apiVersion, kind, metadata: { name: 'mine' }, ...fields });
test('a PriorityClass that is there is not asked again what it says', () => {
  const { stored } = clusterWide('scheduling.k8s.io/v1', 'PriorityClass', { value: 5 });
  expect(rejectUpdate({ ...stored, ...{ description: 'other' } }, stored, { whole: true })).toEqual([]);
});

test('a RuntimeClass has each toleration once, and no overhead of what nobody knows', () => {
  const toleration = { key: 'k', operator: 'Exists', effect: 'NoExecute' };
  const tolerations = [toleration, { ...toleration, tolerationSeconds: 5 }, { ...toleration, key: 'no key!' }];
  const { wrong } = clusterWide('node.k8s.io/v1', 'RuntimeClass', {
    handler: 'h',
    overhead: { podFixed: { 'my.org': '1' } },
    scheduling: { tolerations },
  });
  expect(wrong).toEqual([
    'overhead.limits[my.org]: Invalid value: "my.org": must be a standard resource type or fully qualified',
    'overhead.limits[my.org]: Invalid value: "my.org": must be a standard resource for containers',
    expect.stringContaining('scheduling.tolerations[2].key: Invalid value: "no key!": '),
    expect.stringContaining('scheduling.tolerations[1]: Duplicate value: '),
  ]);
});

test('what is no image’s name has no tag that would be pulled always', () => {
  const policies = ['a', 'a:latest', 'a:1', 'Host:5000/a/b', '/a//b', 'Upper', 'a@sha256:00'].map((image) => {
    const [{ imagePullPolicy } = { imagePullPolicy: '' }] = pod({ containers: [{ name: 'c', image }] }).spec.containers as {
      imagePullPolicy: string;
    }[];
    return imagePullPolicy;
  });
  expect(policies).toEqual(['Always', 'Always', 'IfNotPresent', 'Always', 'IfNotPresent', 'IfNotPresent', 'IfNotPresent']);
});

test.each<[string, object, object, boolean]>([
  ['policy.v1.PodDisruptionBudgetSpec', {}, { selector: {} }, false],
  ['policy.v1.PodDisruptionBudgetSpec', { selector: {} }, { selector: { matchLabels: {} } }, true],
  [
    'networking.v1.NetworkPolicySpec',
    { ingress: [{ from: [{ podSelector: {} }] }] },
    { ingress: [{ from: [{ podSelector: {}, namespaceSelector: {} }] }] },
    false,
  ],
  ['core.v1.PodTemplateSpec', { metadata: {}, spec: { containers: [{ resources: {} }] } }, { spec: { containers: [{}] } }, true],
])('of %s an optional struct that is empty is not none: %j, %j', (type, a, b, same) => {
  expect(haveSameOptionalStructs(structNode(type), a, b)).toBe(same);
});
