/** Conversions between the versions of a kind whose fields differ. */
import { expect, test } from 'vitest';
import type { KubeObject } from './resource.ts';
import { accept, served } from './testing/accept.ts';

const stored = (object: object) => accept(object as { apiVersion: string; kind: string }).stored as KubeObject & Record<string, unknown>;
/** What a client of an older version reads of what is stored. */
function asVersion(apiVersion: string, object: KubeObject): Record<string, unknown> {
  const version = served({ apiVersion, kind: object.kind })?.version;
  return { ...version?.fromStorage(structuredClone(object)) };
}

const reserved = 'pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match';
const budget = (version: string, selector: object) =>
  stored({ apiVersion: `policy/${version}`, kind: 'PodDisruptionBudget', metadata: { name: 'b', namespace: 'd' }, spec: { selector } });

test.each([
  ['v1', {}, {}],
  ['v1beta1', {}, { matchExpressions: [{ key: reserved, operator: 'Exists' }] }],
  ['v1beta1', { matchExpressions: [{ key: reserved, operator: 'DoesNotExist' }] }, {}],
  ['v1beta1', { matchLabels: { a: 'b', [reserved]: 'x' } }, { matchLabels: { a: 'b' } }],
  ['v1', { matchLabels: { a: 'b', [reserved]: 'x' } }, { matchLabels: { a: 'b' } }],
  ['v1', { matchExpressions: [{ key: reserved, operator: 'Exists' }] }, { matchExpressions: [{ key: reserved, operator: 'Exists' }] }],
])('a disruption budget of %s for %j selects %j', (version, selector, expected) => {
  expect(budget(version, selector)).toMatchObject({ spec: { selector: expected } });
});

test('a budget for all or no pods is so in both versions', () => {
  expect(asVersion('policy/v1beta1', budget('v1', {}))).toMatchObject({
    spec: { selector: { matchExpressions: [{ key: reserved, operator: 'DoesNotExist' }] } },
  });
  expect(asVersion('policy/v1beta1', budget('v1beta1', {}))).toMatchObject({ spec: { selector: {} } });
});

test('a backend of an old ingress may be a resource', () => {
  const resource = { kind: 'Bucket', name: 'b' };
  const paths = [
    { path: '/', backend: { resource } },
    { path: '/x', backend: { serviceName: 's', servicePort: 'http' } },
  ];
  const ingress = {
    apiVersion: 'extensions/v1beta1',
    kind: 'Ingress',
    metadata: { name: 'i', namespace: 'd' },
    spec: { rules: [{ http: { paths } }] },
  };
  expect(accept(ingress).wrong).toEqual([]);
  expect(stored(ingress)).toMatchObject({
    spec: { rules: [{ http: { paths: [{ backend: { resource } }, { backend: { service: { name: 's', port: { name: 'http' } } } }] } }] },
  });
});

test('the host of an old endpoint slice is its node', () => {
  const topology = { 'topology.kubernetes.io/zone': 'z', 'kubernetes.io/hostname': 'n', x: 'y' };
  const slice = stored({
    apiVersion: 'discovery.k8s.io/v1beta1',
    kind: 'EndpointSlice',
    metadata: { name: 's', namespace: 'd' },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.1'], nodeName: 'n', topology }],
    ports: [],
  });
  expect(slice).toMatchObject({ endpoints: [{ nodeName: 'n', zone: 'z', deprecatedTopology: { x: 'y' } }] });
  expect(asVersion('discovery.k8s.io/v1beta1', slice)).toMatchObject({ endpoints: [{ topology }] });
});

test.each([
  ['extensions/v1beta1', 'Deployment'],
  ['extensions/v1beta1', 'ReplicaSet'],
  ['extensions/v1beta1', 'DaemonSet'],
  ['apps/v1beta1', 'Deployment'],
])('what an %s %s selects could change', (apiVersion, kind) => {
  expect(served({ apiVersion, kind })?.version?.overrides?.validateUpdate).toBeDefined();
  expect(served({ apiVersion: 'apps/v1beta2', kind })?.version?.overrides?.validateUpdate).toBeUndefined();
});

test('the behavior of an autoscaler travels in an annotation of v1, in upstream’s spelling', () => {
  const scaler = {
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'h', namespace: 'd' },
    spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'x' } },
  };
  const behavior = {
    scaleUp: { stabilizationWindowSeconds: 3 },
    scaleDown: { policies: [{ type: 'Percent', value: 1, periodSeconds: 3 }] },
  };
  const v2 = stored({ ...scaler, apiVersion: 'autoscaling/v2', spec: { ...scaler.spec, behavior } });
  const v1 = asVersion('autoscaling/v1', v2) as { metadata: { annotations: Record<string, string> } };
  expect(JSON.parse(v1.metadata.annotations['autoscaling.alpha.kubernetes.io/behavior'] ?? '')).toMatchObject({
    ScaleUp: { StabilizationWindowSeconds: 3, SelectPolicy: 'Max', Tolerance: null },
    ScaleDown: { StabilizationWindowSeconds: null, Policies: [{ Type: 'Percent', Value: 1, PeriodSeconds: 3 }] },
  });
  expect(stored(v1).spec).toEqual(v2.spec);
});
