import { afterEach, beforeEach, expect, test } from 'vitest';
import { DeviceClass, type KubeObject, matchesScopes, quotaUsage, ResourceQuota } from '../../api/index.ts';
import { seededRandom, VirtualClock } from '../../time/index.ts';
import type { AdmissionRequest } from '../request.ts';
import { type MemoryStorages, memoryStorages } from '../testing/memory-storages.ts';
import { type LimitedResource, resourceQuota } from './resource-quota.ts';

let memory: MemoryStorages;
beforeEach(() => {
  memory = memoryStorages();
});
afterEach(() => memory.close());

const quota = (name: string, hard: Record<string, string>, spec: object = {}) =>
  memory.put(ResourceQuota, {
    metadata: { name, namespace: 'ns' },
    spec: { hard, ...spec },
    status: { hard, used: Object.fromEntries(Object.keys(hard).map((key) => [key, '0'])) },
  });
const used = async (name: string) => (await memory.storages(ResourceQuota).get('ns', name))?.object.status?.used;

async function validate(object: object, request: object = {}, limited: LimitedResource[] = []): Promise<void> {
  const authorizer = { authorize: () => ({ decision: 'noOpinion', reason: '' }) as const };
  const plugin = resourceQuota({ storages: memory.storages, clock: new VirtualClock(), random: seededRandom(1), authorizer }, limited);
  const all = { operation: 'CREATE', group: '', resource: 'pods', subresource: '', namespace: 'ns', name: 'x', object, ...request };
  await plugin.validate?.(all as unknown as AdmissionRequest); // what the plugin reads of one
}
const pod = (spec: object = {}) => ({ metadata: { name: 'x' }, spec: { containers: [{ name: 'c' }], ...spec } }) as unknown as KubeObject;

test('where one quota has no room, none is charged', async () => {
  await quota('a', { pods: '5' });
  await quota('b', { pods: '0' });
  await expect(validate(pod())).rejects.toThrow('exceeded quota: b, requested: pods=1, used: pods=0, limited: pods=0');
  expect(await used('a')).toEqual({ pods: '0' });
});

test('what comes into the scope of a quota by an update is charged as a whole', async () => {
  await quota('ending', { pods: '1' }, { scopes: ['Terminating'] });
  await validate(pod({ activeDeadlineSeconds: 5 }), { operation: 'UPDATE', oldObject: pod() });
  expect(await used('ending')).toEqual({ pods: '1' });
  await validate(pod({ activeDeadlineSeconds: 4 }), { operation: 'UPDATE', oldObject: pod({ activeDeadlineSeconds: 5 }) });
  expect(await used('ending')).toEqual({ pods: '1' });
});

test('what is limited by default needs a quota that covers it', async () => {
  const byName: LimitedResource = { group: '', resource: 'pods', matchContains: ['requests.example.com'], matchScopes: [] };
  const scope = { scopeName: 'PriorityClass', operator: 'In', values: ['vip'] };
  const byScope: LimitedResource = { group: '', resource: 'pods', matchContains: [], matchScopes: [scope] };
  const gpus = pod({
    containers: [{ name: 'c', resources: { requests: { 'example.com/gpu': '1' }, limits: { 'example.com/gpu': '1' } } }],
  });
  await validate(pod(), {}, [byName, byScope]);
  await expect(validate(gpus, {}, [byName])).rejects.toThrow(
    'pods "x" is forbidden: insufficient quota to consume: requests.example.com/gpu',
  );
  await expect(validate(pod({ priorityClassName: 'vip' }), {}, [byScope])).rejects.toThrow(
    'insufficient quota to match these scopes: [{PriorityClass In [vip]}]',
  );
  await quota('gpus', { 'requests.example.com/gpu': '1' });
  await validate(gpus, {}, [byName]);
  await quota('vips', { pods: '1' }, { scopeSelector: { matchExpressions: [scope] } });
  await validate(pod({ priorityClassName: 'vip' }), {}, [byScope]);
  expect(await used('vips')).toEqual({ pods: '1' });
});

test('nothing is let in against a quota whose use has not been counted', async () => {
  const hard = { 'requests.cpu': '1', pods: '1', secrets: '1' };
  await memory.put(ResourceQuota, { metadata: { name: 'q', namespace: 'ns' }, spec: { hard }, status: { hard, used: { pods: '0' } } });
  const asking = pod({ containers: [{ name: 'c', resources: { requests: { cpu: '0' } } }] });
  await expect(validate(asking)).rejects.toThrow('pods "x" is forbidden: status unknown for quota: q, resources: pods,requests.cpu');
  await validate({ metadata: { name: 'x' } }, { resource: 'configmaps' });
});

test('a pod that says what it wants as a whole need not say it of each container', async () => {
  await quota('q', { 'requests.cpu': '1', 'limits.memory': '1Gi' });
  await validate(pod({ resources: { requests: { cpu: '500m' } } }));
  expect(await used('q')).toEqual({ 'requests.cpu': '500m', 'limits.memory': '0' });
});

test('storage is counted in whole bytes, and where it has come to be, room or not', async () => {
  await quota('q', { 'requests.storage': '2' });
  const claim = (storage: string, allocated?: string) => ({
    metadata: { name: 'x' },
    spec: { resources: { requests: { storage } } },
    ...(allocated ? { status: { allocatedResources: { storage: allocated } } } : {}),
  });
  await validate(claim('1500m'), { resource: 'persistentvolumeclaims' });
  expect(await used('q')).toEqual({ 'requests.storage': '2' });
  const status = { resource: 'persistentvolumeclaims', subresource: 'status', operation: 'UPDATE' };
  await validate(claim('1500m', '5'), { ...status, oldObject: claim('1500m') });
  expect(await used('q')).toEqual({ 'requests.storage': '5' });
});

test('a pod that is overdue counts as an object only, and one that asks as a whole is no best effort', async () => {
  const gone = { deletionTimestamp: '2020-01-01T00:00:00Z', deletionGracePeriodSeconds: 30 };
  const [asked, resource] = [pod({ resources: { requests: { cpu: '1' } } }), { group: '', plural: 'pods' }];
  const at = (text: string) => Object.keys(quotaUsage(resource, { ...asked, metadata: { ...asked.metadata, ...gone } }, Date.parse(text)));
  expect(at('2020-01-01T00:00:31Z')).toEqual(['count/pods']);
  expect(at('2020-01-01T00:00:30Z')).toContain('pods');
  const scope = [{ scopeName: 'BestEffort', operator: 'Exists' }];
  expect([asked, pod()].map((each) => matchesScopes(scope, resource, each))).toEqual([false, true]);
});

test("a claim's devices count by each name that they can be asked for", async () => {
  const implicit = 'requests.deviceclass.resource.kubernetes.io/gpu';
  await memory.put(DeviceClass, { metadata: { name: 'gpu' }, spec: { extendedResourceName: 'example.com/gpu' } });
  await quota('q', { 'gpu.deviceclass.resource.k8s.io/devices': '3', [implicit]: '3', 'requests.example.com/gpu': '3' });
  const exactly = { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 2 };
  const claim = { metadata: { name: 'x' }, spec: { devices: { requests: [{ name: 'r', exactly }] } } };
  const claims = { group: 'resource.k8s.io', resource: 'resourceclaims' };
  await validate(claim, claims);
  expect(await used('q')).toEqual({ 'gpu.deviceclass.resource.k8s.io/devices': '2', [implicit]: '2', 'requests.example.com/gpu': '2' });
  await expect(validate(claim, claims)).rejects.toThrow('exceeded quota: q');
  await validate(pod({ containers: [{ name: 'c', resources: { requests: { 'example.com/gpu': '1' } } }] }));
  expect(await used('q')).toMatchObject({ 'requests.example.com/gpu': '3' });
});

test('a pod being resized counts with the greater of what it has and what it wants, and one that can not be with what it has', () => {
  const requests = (cpu: string) => ({ requests: { cpu } });
  const resizing = (wants: string, has: string, ...conditions: object[]) => ({
    ...pod({ containers: [{ name: 'c', resources: requests(wants) }] }),
    status: { conditions, containerStatuses: [{ name: 'c', resources: requests(has) }] },
  });
  const cpu = (of: KubeObject) => quotaUsage({ group: '', plural: 'pods' }, of, 0)['requests.cpu']?.nano;
  const infeasible = { type: 'PodResizePending', status: 'True', reason: 'Infeasible' };
  expect([resizing('1', '2'), resizing('2', '1'), resizing('2', '1', infeasible)].map(cpu)).toEqual([
    2_000_000_000n,
    2_000_000_000n,
    1_000_000_000n,
  ]);
});
