import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Endpoint, EndpointSlice, Endpoints, Pod, Service } from '../../api/index.ts';
import { startCluster, type TestCluster } from '../testing/cluster.ts';
import { endpointsController } from './endpoint.ts';
import { endpointSliceController } from './endpoint-slice.ts';
import { endpointSliceMirroringController } from './mirroring.ts';
import { planSlices } from './slice-plan.ts';

let c: TestCluster;
beforeEach(async () => {
  c = await startCluster([endpointsController, endpointSliceController, endpointSliceMirroringController]);
  await c.node('node', { labels: { 'topology.kubernetes.io/zone': 'north' } });
});
afterEach(() => c.stop());

const service = (spec: object = {}) =>
  c.create(Service, {
    metadata: { name: 'web', labels: { team: 'a' } },
    spec: {
      selector: { app: 'web' },
      clusterIP: '10.96.0.9',
      clusterIPs: ['10.96.0.9'],
      ipFamilies: ['IPv4'],
      ports: [{ port: 80, targetPort: 8080 }],
      ...spec,
    } as never,
  });
const slices = () => c.list(EndpointSlice);
const addresses = (slice: EndpointSlice | undefined) => (slice?.endpoints ?? []).map((e) => e.addresses[0]);

test('ready pods are in the slice and in the Endpoints, with all that proxies ask for', async () => {
  await service();
  await c.settle();
  expect((await slices())[0]).toMatchObject({ endpoints: [], ports: [] });
  await c.runPod('a', { ip: '10.0.0.1' });
  await c.settle();
  const [slice, ...more] = await slices();
  expect(more).toEqual([]);
  expect(slice).toMatchObject({
    metadata: {
      generateName: 'web-',
      labels: {
        team: 'a',
        'kubernetes.io/service-name': 'web',
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
      ownerReferences: [{ kind: 'Service', name: 'web', controller: true, blockOwnerDeletion: true }],
    },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    endpoints: [
      {
        addresses: ['10.0.0.1'],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: 'node',
        zone: 'north',
        targetRef: { kind: 'Pod', name: 'a', namespace: 'work' },
      },
    ],
  });
  expect(await c.get(Endpoints, 'web')).toMatchObject({
    metadata: { labels: { team: 'a', 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' } },
    subsets: [{ addresses: [{ ip: '10.0.0.1', nodeName: 'node', targetRef: { name: 'a' } }], ports: [{ port: 8080, protocol: 'TCP' }] }],
  });
});

test('a pod that is not ready stays in the slice and out of traffic; one that is going serves on', async () => {
  await service();
  await c.runPod('a', { ip: '10.0.0.1', ready: false });
  await c.runPod('b', { ip: '10.0.0.2' });
  await c.settle();
  await c.client.delete(Pod, 'b', { namespace: 'work' });
  await c.settle();
  const byAddress = new Map((await slices())[0]?.endpoints?.map((e) => [e.addresses[0], e.conditions]));
  expect(byAddress.get('10.0.0.1')).toEqual({ ready: false, serving: false, terminating: false });
  expect(byAddress.get('10.0.0.2')).toEqual({ ready: false, serving: true, terminating: true });
  expect((await c.get(Endpoints, 'web')).subsets).toMatchObject([{ notReadyAddresses: [{ ip: '10.0.0.1' }] }]);
  await c.removePod('b');
  await c.settle();
  expect(addresses((await slices())[0])).toEqual(['10.0.0.1']);
});

test('a headless service without ports, with named pods and addresses before they are ready', async () => {
  await service({ clusterIP: 'None', clusterIPs: ['None'], ports: [], publishNotReadyAddresses: true });
  await c.runPod('db-0', { ready: false, spec: { hostname: 'db-0', subdomain: 'web' } });
  await c.settle();
  expect((await slices())[0]).toMatchObject({
    metadata: { labels: { 'service.kubernetes.io/headless': '' } },
    endpoints: [{ hostname: 'db-0', conditions: { ready: true, serving: false, terminating: false } }],
  });
  expect((await c.get(Endpoints, 'web')).subsets).toMatchObject([{ addresses: [{ hostname: 'db-0' }] }]);
});

test('nothing is written when nothing changed, and what others change is put right', async () => {
  await service();
  await c.runPod('a');
  await c.settle();
  const [before] = await slices();
  await c.client.patch(Pod, 'a', 'merge', { metadata: { annotations: { seen: 'yes' } } }, { namespace: 'work' });
  await c.settle(60_000);
  expect((await slices())[0]?.metadata.resourceVersion).toBe(before?.metadata.resourceVersion);
  await c.client.delete(EndpointSlice, before?.metadata.name ?? '', { namespace: 'work' });
  await c.settle();
  expect(addresses((await slices())[0])).toEqual(['10.0.0.9']);
});

test('Endpoints go with their service; those that somebody wrote by hand are mirrored', async () => {
  await service();
  await c.settle();
  await c.client.delete(Service, 'web', { namespace: 'work' });
  await c.settle();
  expect(await c.find(Endpoints, 'web')).toBeUndefined();
  await c.create(Service, { metadata: { name: 'ext' }, spec: { ports: [{ port: 80 }] } as never });
  await c.create(Endpoints, {
    metadata: { name: 'ext' },
    subsets: [{ addresses: [{ ip: '192.0.2.7' }], ports: [{ port: 81, protocol: 'TCP' }] }],
  });
  await c.settle();
  const mirrored = (await slices()).filter((s) => s.metadata.labels?.['kubernetes.io/service-name'] === 'ext');
  expect(mirrored).toMatchObject([
    {
      metadata: { labels: { 'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io' } },
      endpoints: [{ addresses: ['192.0.2.7'], conditions: { ready: true } }],
      ports: [{ port: 81 }],
    },
  ]);
  const annotate = async (annotations: Record<string, string | null>) => {
    await c.client.patch(Endpoints, 'ext', 'merge', { metadata: { annotations } }, { namespace: 'work' });
    await c.settle();
    return (await slices()).find((s) => s.metadata.labels?.['kubernetes.io/service-name'] === 'ext')?.metadata.annotations;
  };
  // All but the time of the last change is mirrored, and what goes there goes here.
  expect(await annotate({ a: 'b', 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z' })).toEqual({ a: 'b' });
  expect(await annotate({ a: null })).toBeUndefined();
  await c.client.delete(Endpoints, 'ext', { namespace: 'work' });
  await c.settle();
  expect((await slices()).filter((s) => s.metadata.labels?.['kubernetes.io/service-name'] === 'ext')).toEqual([]);
});

test('slices are filled up to their limit, and few are written', () => {
  const at = (n: number, ready = true): Endpoint => ({ addresses: [`10.0.0.${n}`], conditions: { ready } });
  const ports = [{ name: '', port: 80, protocol: 'TCP' as const }];
  const slice = (name: string, ...endpoints: Endpoint[]) =>
    ({ metadata: { name }, addressType: 'IPv4', ports, endpoints }) as unknown as EndpointSlice;
  const full = slice('full', at(1), at(2), at(3));
  const half = slice('half', at(4));
  const one = planSlices([full, half], [{ ports, endpoints: [1, 2, 3, 4, 5].map((n) => at(n)) }], 3);
  expect(one).toMatchObject({ create: [], remove: [], keep: [{ metadata: { name: 'full' } }] });
  expect(one.update.map((u) => [u.slice.metadata.name, u.content.endpoints.length])).toEqual([['half', 2]]);
  const many = planSlices([full, half], [{ ports, endpoints: [1, 2, 3, 4, 5, 6, 7, 8].map((n) => at(n)) }], 3);
  expect([many.create.map((x) => x.endpoints.length), many.update.map((u) => u.content.endpoints.length)]).toEqual([[3], [2]]);
  const flip = planSlices([full, half], [{ ports, endpoints: [at(1), at(2, false), at(3), at(4)] }], 3);
  expect(flip.update.map((u) => u.slice.metadata.name)).toEqual(['full']);
});
