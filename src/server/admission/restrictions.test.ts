import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigMap, defineKind, type KubeObject, Namespace, Node } from '../../api/index.ts';
import { seededRandom, VirtualClock } from '../../time/index.ts';
import { ResourceTable } from '../registry/served-resource.ts';
import type { AdmissionPlugin, AdmissionRequest, Attributes } from '../request.ts';
import { type MemoryStorages, memoryStorages } from '../testing/memory-storages.ts';
import { clusterTrustBundleAttest } from './certificates.ts';
import { ownerReferencesPermissionEnforcement } from './owner-references.ts';
import { podTopologyLabels } from './pod-topology-labels.ts';
import { denyServiceExternalIps, extendedResourceToleration, limitPodHardAntiAffinityTopology, namespaceExists } from './restrictions.ts';

let memory: MemoryStorages;
/** What the authorizer lets through. */
let allows: (attributes: Attributes) => boolean;
beforeEach(() => {
  memory = memoryStorages();
  allows = () => false;
});
afterEach(() => memory.close());

const context = () => ({
  storages: memory.storages,
  clock: new VirtualClock(),
  random: seededRandom(1),
  authorizer: {
    authorize: (attributes: Attributes) => ({ decision: allows(attributes) ? ('allow' as const) : ('noOpinion' as const), reason: '' }),
  },
});

/** Answers the object as it was admitted. */
async function admit(plugin: AdmissionPlugin, request: object): Promise<Record<string, unknown>> {
  const all = {
    operation: 'CREATE',
    user: { name: 'u', groups: [] },
    group: '',
    version: 'v1',
    resource: 'pods',
    subresource: '',
    namespace: 'ns',
    name: 'x',
    ...request,
  } as unknown as AdmissionRequest; // what the plugins read of one
  if (!plugin.handles(all)) return {};
  await plugin.admit?.(all);
  await plugin.validate?.(all);
  return all.object as KubeObject & Record<string, unknown>;
}

test('a pod learns its zone and region when it is bound, or made on a node, and keeps what it says itself', async () => {
  const labels = { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r', other: 'o' };
  await memory.put(Node, { metadata: { name: 'n', labels }, spec: {} });
  const plugin = podTopologyLabels(context());
  const binding = { metadata: { name: 'x' }, target: { kind: 'Node', name: 'n' } };
  expect(await admit(plugin, { subresource: 'binding', object: binding })).toMatchObject({
    metadata: { labels: { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r' } },
  });
  const own = { metadata: { name: 'x', labels: { 'topology.kubernetes.io/zone': 'mine' } }, spec: { nodeName: 'n' } };
  expect(await admit(plugin, { object: own })).toMatchObject({
    metadata: { labels: { 'topology.kubernetes.io/zone': 'mine', 'topology.kubernetes.io/region': 'r' } },
  });
  const unbound = { metadata: { name: 'x' }, spec: {} };
  expect(await admit(plugin, { object: unbound })).toEqual(unbound);
  const nowhere = { metadata: { name: 'x' }, spec: { nodeName: 'gone' } };
  expect(await admit(plugin, { object: nowhere })).toEqual(nowhere);
});

test('owners are set by who may delete the object, and hold up those whose finalizers they may change', async () => {
  const table = new ResourceTable();
  table.add(defineKind<ConfigMap>({ resource: ConfigMap }) as never, undefined); // kinds are the table's own business
  const plugin = ownerReferencesPermissionEnforcement({ ...context(), table });
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: 'u' };
  const owned = (...ownerReferences: object[]) => ({ object: { metadata: { name: 'x', ownerReferences } } });
  await admit(plugin, owned());
  await expect(admit(plugin, owned(owner))).rejects.toThrow(
    'pods "x" is forbidden: cannot set an ownerRef on a resource you can\'t delete: , <nil>',
  );
  allows = ({ verb, resource }) => verb === 'delete' && resource === 'pods';
  await admit(plugin, owned(owner));
  const blocking = { ...owner, blockOwnerDeletion: true };
  await expect(admit(plugin, owned(blocking))).rejects.toThrow(
    "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>",
  );
  await expect(admit(plugin, owned({ ...blocking, kind: 'Thing' }))).rejects.toThrow(
    'cannot find RESTMapping for APIVersion v1 Kind Thing: no matches for kind "Thing" in version "v1"',
  );
  // What was blocked before is nobody's doing now.
  const { object } = owned(blocking);
  const labelled = { metadata: { ...object.metadata, labels: { a: 'b' } } };
  allows = () => false;
  await admit(plugin, { operation: 'UPDATE', object: labelled, oldObject: object });
  allows = ({ verb, subresource, name }) => verb === 'delete' || (verb === 'update' && subresource === 'finalizers' && name === 'o');
  await admit(plugin, owned(blocking));
});

test('what a cluster does not want of pods and Services is refused', async () => {
  const service = (externalIPs: string[]) => ({ metadata: { name: 'x' }, spec: { externalIPs } });
  const external = { resource: 'services', object: service(['192.0.2.1']) };
  await expect(admit(denyServiceExternalIps, external)).rejects.toThrow('Use of external IPs is denied by admission control');
  const kept = { ...external, operation: 'UPDATE', oldObject: service(['192.0.2.1', '192.0.2.2']) };
  await admit(denyServiceExternalIps, kept);

  const apart = (topologyKey: string) => ({
    object: { spec: { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey }] } } } },
  });
  await admit(limitPodHardAntiAffinityTopology, apart('kubernetes.io/hostname'));
  await expect(admit(limitPodHardAntiAffinityTopology, apart('zone'))).rejects.toThrow(
    'affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone but only key kubernetes.io/hostname is allowed',
  );

  const requests = { cpu: '1', 'example.com/gpu': '1' };
  const tolerations = [{ key: 'example.com/gpu', operator: 'Exists' }];
  const pod = () => ({ object: { spec: { containers: [{ resources: { requests } }] } } });
  expect(await admit(extendedResourceToleration, pod())).toMatchObject({ spec: { tolerations } });

  await expect(admit(namespaceExists(context()), { object: {} })).rejects.toThrow('namespaces "ns" not found');
  await memory.put(Namespace, { metadata: { name: 'ns' }, spec: {} });
  await admit(namespaceExists(context()), { object: {} });
});

test('anchors of a signer are published by who may attest for it', async () => {
  const plugin = clusterTrustBundleAttest(context());
  const bundle = {
    group: 'certificates.k8s.io',
    resource: 'clustertrustbundles',
    namespace: '',
    object: { spec: { signerName: 'example.com/s' } },
  };
  await expect(admit(plugin, bundle)).rejects.toThrow('user not permitted to attest for signerName "example.com/s"');
  allows = ({ verb, resource, name }) => verb === 'attest' && resource === 'signers' && name === 'example.com/*';
  await admit(plugin, bundle);
  allows = () => false;
  await admit(plugin, { ...bundle, object: { spec: {} } });
});
