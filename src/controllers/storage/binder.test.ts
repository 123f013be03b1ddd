import { afterEach, beforeEach, expect, test } from 'vitest';
import { PersistentVolume, PersistentVolumeClaim, StorageClass, VolumeAttributesClass } from '../../api/index.ts';
import { startCluster, type TestCluster } from '../testing/cluster.ts';
import { attributesClassProtectionController } from './attributes-class-protection.ts';
import { persistentVolumeBinder } from './binder.ts';
import { claimProtectionController, volumeProtectionController } from './protection.ts';

let c: TestCluster;
beforeEach(async () => {
  c = await startCluster([
    persistentVolumeBinder,
    claimProtectionController,
    volumeProtectionController,
    attributesClassProtectionController,
  ]);
});
afterEach(() => c.stop());

const volume = (name: string, storage: string, spec: object = {}) =>
  c.create(PersistentVolume, {
    metadata: { name },
    spec: { capacity: { storage }, accessModes: ['ReadWriteOnce'], hostPath: { path: `/${name}` }, ...spec } as never,
  });
const claim = (storage: string, spec: object = {}) =>
  c.create(PersistentVolumeClaim, {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, storageClassName: '', ...spec } as never,
  });
const phase = async (name: string) => (await c.get(PersistentVolume, name)).status?.phase;

test('a claim is bound to the smallest volume that will do, which is released when it goes', async () => {
  await volume('large', '10Gi');
  await volume('small', '2Gi');
  await volume('tiny', '1Gi');
  await claim('2Gi');
  await c.settle();
  const bound = await c.get(PersistentVolumeClaim, 'data');
  expect(bound).toMatchObject({
    metadata: { annotations: { 'pv.kubernetes.io/bind-completed': 'yes', 'pv.kubernetes.io/bound-by-controller': 'yes' } },
    spec: { volumeName: 'small' },
    status: { phase: 'Bound', capacity: { storage: '2Gi' }, accessModes: ['ReadWriteOnce'] },
  });
  expect((await c.get(PersistentVolume, 'small')).spec?.claimRef).toMatchObject({
    name: 'data',
    namespace: 'work',
    uid: bound.metadata.uid,
  });
  expect(await phase('small')).toBe('Bound');
  expect(await phase('large')).toBe('Available');
  await c.client.delete(PersistentVolumeClaim, 'data', { namespace: 'work' });
  await c.settle();
  expect(await c.find(PersistentVolumeClaim, 'data')).toBeUndefined();
  expect(await phase('small')).toBe('Released');
});

test('a claim without a volume waits, says why, and is bound when one comes', async () => {
  await claim('1Gi');
  await c.settle();
  expect((await c.get(PersistentVolumeClaim, 'data')).status?.phase).toBe('Pending');
  expect(await c.events()).toContain('FailedBinding: no persistent volumes available for this claim and no storage class is set');
  await volume('late', '1Gi');
  await c.settle();
  expect((await c.get(PersistentVolumeClaim, 'data')).status?.phase).toBe('Bound');
});

test('a class that waits for its first consumer is bound when a node is chosen', async () => {
  await c.create(StorageClass, {
    metadata: { name: 'local' },
    provisioner: 'kubernetes.io/no-provisioner',
    volumeBindingMode: 'WaitForFirstConsumer',
  });
  await volume('v', '1Gi', { storageClassName: 'local' });
  await claim('1Gi', { storageClassName: 'local' });
  await c.node('n');
  await c.settle();
  expect(await c.events()).toContain('WaitForFirstConsumer: waiting for first consumer to be created before binding');
  expect(await phase('v')).toBe('Available');
  await c.client.patch(
    PersistentVolumeClaim,
    'data',
    'merge',
    { metadata: { annotations: { 'volume.kubernetes.io/selected-node': 'n' } } },
    { namespace: 'work' },
  );
  await c.settle();
  expect(await phase('v')).toBe('Bound');
});

test('a claim that a pod uses stays until the pod is gone', async () => {
  await volume('v', '1Gi');
  await claim('1Gi');
  await c.runPod('p', { spec: { volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'data' } }] } });
  await c.settle();
  await c.client.delete(PersistentVolumeClaim, 'data', { namespace: 'work' });
  await c.client.delete(PersistentVolume, 'v');
  await c.settle();
  expect(await c.find(PersistentVolumeClaim, 'data')).toBeDefined();
  await c.removePod('p');
  await c.settle();
  expect(await c.find(PersistentVolumeClaim, 'data')).toBeUndefined();
  expect(await c.find(PersistentVolume, 'v')).toBeUndefined();
});

test('an attributes class that a claim names stays until the claim is gone', async () => {
  await c.create(VolumeAttributesClass, { metadata: { name: 'gold' }, driverName: 'd.example.com', parameters: { iops: '1' } });
  await claim('1Gi', { volumeAttributesClassName: 'gold' });
  await c.settle();
  await c.client.delete(VolumeAttributesClass, 'gold');
  await c.settle();
  expect(await c.find(VolumeAttributesClass, 'gold')).toBeDefined();
  await c.client.delete(PersistentVolumeClaim, 'data', { namespace: 'work' });
  await c.settle();
  expect(await c.find(VolumeAttributesClass, 'gold')).toBeUndefined();
});

test.each([
  ['/data', 'host_path deleter only supports /tmp/.+ but received provided /data'],
  [undefined, 'error getting deleter volume plugin for volume "pv": no deletable volume plugin matched'],
])('a released volume that is to be deleted and cannot be has failed: %s', async (path, message) => {
  await volume('pv', '1Gi', {
    persistentVolumeReclaimPolicy: 'Delete',
    ...(path ? { hostPath: { path } } : { hostPath: undefined, nfs: { server: 'a', path: '/' } }),
  });
  await claim('1Gi');
  await c.settle();
  expect(await phase('pv')).toBe('Bound');
  await c.client.delete(PersistentVolumeClaim, 'data', { namespace: 'work' });
  await c.settle();
  expect((await c.get(PersistentVolume, 'pv')).status).toMatchObject({ phase: 'Failed', message });
  expect(await c.events()).toContain(`VolumeFailedDelete: ${message}`);
});

test('a claim that names no class gets the default one when it comes, one that asks for none does not', async () => {
  const make = (name: string, spec: object) =>
    c.create(PersistentVolumeClaim, {
      metadata: { name },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec } as never,
    });
  await make('any', {});
  await make('none', { storageClassName: '' });
  await c.settle();
  await c.create(StorageClass, {
    metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: 'example.com/p',
  });
  await c.settle();
  expect((await c.get(PersistentVolumeClaim, 'any')).spec?.storageClassName).toBe('standard');
  expect((await c.get(PersistentVolumeClaim, 'none')).spec?.storageClassName).toBe('');
});

test.each<[{ storage?: string; [field: string]: unknown }, string]>([
  [{ storage: '1Gi' }, 'VolumeMismatch: Cannot bind to requested volume "pv": requested PV is too small'],
  [{ storageClassName: 'fast' }, 'VolumeMismatch: Cannot bind to requested volume "pv": storageClassName does not match'],
  [{ accessModes: ['ReadOnlyMany'] }, 'VolumeMismatch: Cannot bind to requested volume "pv": incompatible accessMode'],
  [{ claimRef: { namespace: 'work', name: 'other', uid: 'other' } }, 'FailedBinding: volume "pv" already bound to a different claim.'],
])('a claim is not bound to a volume of its choice that will not do: %j', async ({ storage = '2Gi', ...rest }, event) => {
  await volume('pv', storage, rest);
  await claim('2Gi', { volumeName: 'pv' });
  await c.settle();
  expect((await c.get(PersistentVolumeClaim, 'data')).status?.phase).toBe('Pending');
  expect(await c.events()).toContain(event);
});
