import { afterEach, beforeEach, expect, test } from 'vitest';
import { CSIDriver, Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/index.ts';
import { createSigningRequest } from '../../pki/index.ts';
import { seededRandom, VirtualClock } from '../../time/index.ts';
import type { AdmissionRequest, Attributes } from '../request.ts';
import { type MemoryStorages, memoryStorages } from '../testing/memory-storages.ts';
import { nodeRestriction } from './node-restriction.ts';

let memory: MemoryStorages;
let granted: (attributes: Attributes) => boolean;
beforeEach(() => {
  memory = memoryStorages();
  granted = () => false;
});
afterEach(() => memory.close());

/** What n1 is told of a request; undefined where it may. */
async function refusal(request: object): Promise<string | undefined> {
  const plugin = nodeRestriction({
    storages: memory.storages,
    clock: new VirtualClock(),
    random: seededRandom(1),
    authorizer: { authorize: (attributes) => ({ decision: granted(attributes) ? 'allow' : 'noOpinion', reason: '' }) },
  });
  const all = {
    operation: 'CREATE',
    user: { name: 'system:node:n1', groups: ['system:nodes'] },
    group: '',
    version: 'v1',
    resource: 'pods',
    subresource: '',
    namespace: 'ns',
    name: 'x',
    ...request,
  } as unknown as AdmissionRequest; // what the plugin reads of one
  try {
    await plugin.admit?.(all);
    return undefined;
  } catch (error) {
    return (error as Error).message.replace(/^.* is forbidden: /, '');
  }
}

test('a node makes mirrors only: of its own, owned by it, that lead nowhere', async () => {
  const { metadata } = await memory.put(Node, { metadata: { name: 'n1' } });
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: metadata.uid, controller: true };
  const mirror = (spec: object, ownerReferences: object[] = [owner]) =>
    refusal({
      object: {
        metadata: { name: 'm', annotations: { 'kubernetes.io/config.mirror': 'x' }, ownerReferences },
        spec: { nodeName: 'n1', containers: [], ...spec },
      },
    });
  expect(await mirror({})).toBeUndefined();
  expect(await mirror({}, [])).toBe('node "n1" can only create pods with an owner reference set to itself');
  const references = async (spec: object) => /reference (\w+)$/.exec((await mirror(spec)) ?? '')?.[1];
  expect(await references({ serviceAccountName: 'a' })).toBe('serviceaccounts');
  expect(await references({ volumes: [{ name: 's', secret: { secretName: 's' } }] })).toBe('secrets');
  expect(await references({ volumes: [{ name: 'e', ephemeral: {} }] })).toBe('persistentvolumeclaims');
  expect(await references({ volumes: [{ name: 'b', projected: { sources: [{ clusterTrustBundle: { path: 'b' } }] } }] })).toBe(
    'clustertrustbundles',
  );
  expect(await references({ resourceClaims: [{ name: 'c', resourceClaimTemplateName: 't' }] })).toBe('resourceclaims');
});

test('a node asks for tokens of audiences that its pods need, or that it is granted', async () => {
  await memory.put(CSIDriver, { metadata: { name: 'd' }, spec: { tokenRequests: [{ audience: 'by-driver' }] } });
  const volumes = [
    { name: 'v', csi: { driver: 'd' } },
    { name: 't', projected: { sources: [{ serviceAccountToken: { audience: 'by-volume', path: 't' } }] } },
  ];
  const { metadata } = await memory.put(Pod, { metadata: { name: 'p', namespace: 'ns' }, spec: { nodeName: 'n1', volumes } });
  const token = (...audiences: string[]) => {
    const spec = { audiences, boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: metadata.uid } };
    return refusal({ resource: 'serviceaccounts', subresource: 'token', name: 'sa', object: { spec } });
  };
  expect(await token('by-volume')).toBeUndefined();
  expect(await token('by-driver')).toBeUndefined();
  expect(await token('by-volume', 'by-driver')).toBe('node may only request 0 or 1 audiences');
  expect(await token('other')).toBe(
    'audience "other" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience',
  );
  granted = ({ verb, resource, name }) => verb === 'request-serviceaccounts-token-audience' && resource === 'other' && name === 'sa';
  expect(await token('other')).toBeUndefined();
  expect(await token()).toMatch('audience "" not found');
});

test('the volumes that need a token are found through their claims, and through drivers that took over in-tree plugins', async () => {
  const driver = (name: string) => memory.put(CSIDriver, { metadata: { name }, spec: { tokenRequests: [{ audience: 'a' }] } });
  let pods = 0;
  const token = async (volume: object) => {
    const name = `p${++pods}`;
    const spec = { nodeName: 'n1', volumes: [{ name: 'v', ...volume }] };
    const { metadata } = await memory.put(Pod, { metadata: { name, namespace: 'ns' }, spec });
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid: metadata.uid };
    const object = { spec: { audiences: ['a'], boundObjectRef } };
    return refusal({ resource: 'serviceaccounts', subresource: 'token', name: 'sa', object });
  };
  const claimed = () => token({ persistentVolumeClaim: { claimName: 'c' } });
  const template = { spec: {} };
  const inTree = () => token({ awsElasticBlockStore: { volumeID: 'x' } });
  expect(await claimed()).toBe('error validating audience "a": persistentvolumeclaim "c" not found');
  await memory.put(PersistentVolumeClaim, { metadata: { name: 'c', namespace: 'ns' }, spec: { volumeName: 'v' } });
  expect(await claimed()).toBe('error validating audience "a": persistentvolume "v" not found');
  await memory.put(PersistentVolume, { metadata: { name: 'v' }, spec: { gcePersistentDisk: { pdName: 'x' } } });
  expect(await claimed()).toBe('error validating audience "a": csidriver.storage.k8s.io "pd.csi.storage.gke.io" not found');
  await driver('pd.csi.storage.gke.io');
  expect(await claimed()).toBeUndefined();
  expect(await token({ ephemeral: { volumeClaimTemplate: template } })).toBe(
    'error validating audience "a": persistentvolumeclaim "p5-v" not found',
  );
  expect(await inTree()).toBe('error validating audience "a": csidriver.storage.k8s.io "ebs.csi.aws.com" not found');
  await driver('ebs.csi.aws.com');
  expect(await inTree()).toBeUndefined();
});

test('a node writes slices, certificate requests and the status of claims for itself only', async () => {
  const slice = (nodeName: string) => ({ spec: { nodeName } });
  const onSlices = { group: 'resource.k8s.io', resource: 'resourceslices' };
  expect(await refusal({ ...onSlices, object: slice('n1') })).toBeUndefined();
  expect(await refusal({ ...onSlices, object: slice('n2') })).toBe(
    'can only create ResourceSlice with the same NodeName as the requesting node',
  );
  expect(await refusal({ ...onSlices, operation: 'DELETE', oldObject: slice('n2') })).toMatch('can only delete ResourceSlice');

  const request = async (commonName: string) => btoa((await createSigningRequest({ commonName })).request);
  const csr = async (commonName: string, signerName = 'kubernetes.io/kubelet-serving') => {
    const object = { spec: { signerName, request: await request(commonName) } };
    return refusal({ group: 'certificates.k8s.io', resource: 'certificatesigningrequests', object });
  };
  expect(await csr('system:node:n1')).toBeUndefined();
  expect(await csr('system:node:n2')).toBe('can only create a node CSR with CN=system:node:n1');
  expect(await csr('system:node:n2', 'example.com/s')).toBeUndefined();

  const claim = (status: object) => ({ metadata: { name: 'c' }, spec: {}, status });
  const onClaim = {
    resource: 'persistentvolumeclaims',
    subresource: 'status',
    operation: 'UPDATE',
    oldObject: claim({ phase: 'Pending' }),
  };
  expect(await refusal({ ...onClaim, object: claim({ phase: 'Pending', capacity: { storage: '1G' } }) })).toBeUndefined();
  expect(await refusal({ ...onClaim, object: claim({ phase: 'Bound' }) })).toMatch('is not allowed to update fields other than');
});
