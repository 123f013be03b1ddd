import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigMap, defineKind, type KubeObject, Namespace, Node, schedulingV1alpha2 } from '../../api/index.ts';
import { seededRandom, systemClock, VirtualClock } from '../../time/index.ts';
import { ResourceTable } from '../registry/served-resource.ts';
import type { AdmissionPlugin, AdmissionRequest, Attributes } from '../request.ts';
import { type MemoryStorages, memoryStorages } from '../testing/memory-storages.ts';
import { RefusedError } from '../webhook/index.ts';
import { alwaysPullImages } from './always.ts';
import { certificateSigning, clusterTrustBundleAttest } from './certificates.ts';
import { type EventLimit, eventRateLimit } from './event-rate-limit.ts';
import { imagePolicyWebhook } from './image-policy.ts';
import { nodeDeclaredFeatureValidator } from './node-declared-feature-validator.ts';
import { ownerReferencesPermissionEnforcement } from './owner-references.ts';
import { podGroupWorkloadExists } from './pod-group-workload-exists.ts';
import { podNodeSelector } from './pod-node-selector.ts';
import { podResizeValidator } from './pod-resize-validator.ts';
import { podTolerationRestriction } from './pod-tolerations.ts';
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

test.each<[string, object, object, string[]]>([
  ['CPU of the guaranteed', { containers: [{ resources: { requests: { cpu: '2' } } }] }, {}, ['GuaranteedQoSPodCPUResize']],
  ['CPU written otherwise', { containers: [{ resources: { requests: { cpu: '1000m' } } }] }, {}, []],
  ['resources of the pod', { resources: { limits: { cpu: '4' } } }, {}, ['InPlacePodLevelResourcesVerticalScaling']],
  [
    'what the node declares',
    { resources: { limits: { cpu: '4' } } },
    { declaredFeatures: ['InPlacePodLevelResourcesVerticalScaling'] },
    [],
  ],
  [
    'init containers and all',
    { initContainers: [{ resources: { limits: { cpu: '9' } } }], containers: [{}] },
    {},
    ['GuaranteedQoSPodCPUResize', 'InPlacePodVerticalScalingInitContainers'],
  ],
])('a pod is resized only as its node has declared to know: %s', async (_what, changed, status, missing) => {
  await memory.put(Node, { metadata: { name: 'declares' }, spec: {}, status });
  const spec = { nodeName: 'declares', initContainers: [{}], containers: [{ resources: { requests: { cpu: '1' } } }] };
  const before = { metadata: { name: 'x' }, spec, status: { qosClass: 'Guaranteed' } };
  const resized = admit(nodeDeclaredFeatureValidator(context()), {
    operation: 'UPDATE',
    subresource: 'resize',
    object: { ...before, spec: { ...spec, ...changed } },
    oldObject: before,
  });
  const why = `pods "x" is forbidden: pod update requires features ${missing.join(', ')} which are not available on node "declares"`;
  if (missing.length === 0) await resized;
  else await expect(resized).rejects.toThrow(why);
});

test('a group of pods comes from a template that there is', async () => {
  const spec = { podGroupTemplates: [{ name: 't', schedulingPolicy: { basic: {} } }] };
  await memory.put(schedulingV1alpha2.Workload, { metadata: { name: 'w', namespace: 'ns' }, spec });
  const plugin = podGroupWorkloadExists({ ...context(), isEnabled: () => true });
  const made = (workloadName: string, podGroupTemplateName: string) => {
    const object = { metadata: { name: 'x' }, spec: { podGroupTemplateRef: { workload: { workloadName, podGroupTemplateName } } } };
    return admit(plugin, { group: 'scheduling.k8s.io', resource: 'podgroups', namespace: 'ns', object });
  };
  await made('w', 't');
  await expect(made('none', 't')).rejects.toThrow('PodGroup rejected: Workload "none" not found');
  await expect(made('w', 'none')).rejects.toThrow('PodGroup rejected: PodGroupTemplate "none" not found in Workload "w"');
});

test.each<[string, string, object, string?, object?]>([
  ['fits', 'small', { cpu: '2', memory: '1Gi' }],
  [
    'wants more than its node has',
    'small',
    { cpu: '2500m', memory: '3Gi' },
    "node didn't have enough allocatable resources: cpu, requested: 2500, allocatable: 2000; memory, requested: 3221225472, allocatable: 2147483648",
    { causes: [{ reason: 'NodeCapacity' }] },
  ],
  [
    'runs elsewhere than on Linux',
    'windows',
    { cpu: '1' },
    'pod resize is only supported on linux nodes, node "windows" is "windows"',
    { causes: [{ reason: 'UnsupportedPlatform' }] },
  ],
  ['has no node any more', 'gone', { cpu: '1' }, 'node "gone" not found', {}],
])('a pod that %s is resized accordingly', async (_what, nodeName, requests, why, details = {}) => {
  await memory.put(Node, { metadata: { name: 'small' }, spec: {}, status: { allocatable: { cpu: '2', memory: '2Gi' } } });
  await memory.put(Node, { metadata: { name: 'windows', labels: { 'kubernetes.io/os': 'windows' } }, spec: {} });
  const before = { metadata: { name: 'x', generation: 1 }, spec: { nodeName, containers: [{}] } };
  const object = { metadata: { name: 'x', generation: 2 }, spec: { nodeName, containers: [{ resources: { requests } }] } };
  const resized = admit(podResizeValidator(context()), { operation: 'UPDATE', subresource: 'resize', object, oldObject: before });
  if (why === undefined) await resized;
  else await expect(resized).rejects.toMatchObject({ status: { message: `pods "x" is forbidden: ${why}`, details } });
});

test('a pod learns its zone and region when it is bound, or made on a node, whatever it says itself', async () => {
  const labels = { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r', other: 'o' };
  await memory.put(Node, { metadata: { name: 'n', labels }, spec: {} });
  const plugin = podTopologyLabels(context());
  const binding = { metadata: { name: 'x' }, target: { kind: 'Node', name: 'n' } };
  expect(await admit(plugin, { subresource: 'binding', object: binding })).toMatchObject({
    metadata: { labels: { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r' } },
  });
  const own = { metadata: { name: 'x', labels: { 'topology.kubernetes.io/zone': 'mine' } }, spec: { nodeName: 'n' } };
  expect(await admit(plugin, { object: own })).toMatchObject({
    metadata: { labels: { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r' } },
  });
  const gateless = podTopologyLabels({ ...context(), isEnabled: () => false });
  expect((await admit(gateless, { object: own })).metadata).toBeUndefined();
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
  // The garbage collector changes who owns it.
  const owned = { ...bundle.object, metadata: { ownerReferences: [{ uid: 'a' }], resourceVersion: '2' } };
  await admit(plugin, { ...bundle, operation: 'UPDATE', oldObject: { ...bundle.object, metadata: {} }, object: owned });
});

test('conditions of a certificate are for its signer, too', async () => {
  const csr = (...conditions: object[]) => ({ spec: { signerName: 'example.com/s' }, status: { conditions } });
  const write = (before: object, object: object) =>
    admit(certificateSigning(context()), {
      operation: 'UPDATE',
      group: 'certificates.k8s.io',
      resource: 'certificatesigningrequests',
      subresource: 'status',
      oldObject: before,
      object,
    });
  await write(csr({ type: 'Approved' }), csr({ type: 'Approved' }));
  await expect(write(csr(), csr({ type: 'Mine' }))).rejects.toThrow('user not permitted to sign requests with signerName "example.com/s"');
});

test('images are pulled anew, those of volumes too, but for pods that have them already', async () => {
  const pod = (image: string, imagePullPolicy: string) => ({
    metadata: { name: 'x' },
    spec: { containers: [{ name: 'c', image, imagePullPolicy }], volumes: [{ name: 'v', image: { reference: 'r' } }] },
  });
  const always = { containers: [{ imagePullPolicy: 'Always' }], volumes: [{ image: { pullPolicy: 'Always' } }] };
  expect(await admit(alwaysPullImages, { object: pod('a', 'Never') })).toMatchObject({ spec: always });
  const update = { operation: 'UPDATE', oldObject: pod('a', 'Never') };
  expect(await admit(alwaysPullImages, { ...update, object: pod('a', 'Never') })).toEqual({});
  expect(await admit(alwaysPullImages, { ...update, object: pod('b', 'Never') })).toMatchObject({ spec: always });
  const object = pod('a', 'Never');
  expect(() => alwaysPullImages.validate?.({ object, name: 'x', group: '', resource: 'pods' } as unknown as AdmissionRequest)).toThrow(
    'pods "x" is forbidden: spec.containers[0].imagePullPolicy: Unsupported value: "Never": supported values: "Always"',
  );
});

test('each limit on events counts, and all that are reached are told', async () => {
  const limit = (type: EventLimit['type'], burst: number) => ({ type, qps: 1, burst });
  const plugin = eventRateLimit(context(), [limit('Server', 1), limit('Namespace', 2)]);
  const event = (namespace: string) => admit(plugin, { resource: 'events', object: {}, namespace });
  await event('a');
  await expect(event('a')).rejects.toThrow(/^limit reached on type Server for key $/);
  await expect(event('a')).rejects.toThrow('[limit reached on type Server for key , limit reached on type Namespace for key a]');
});

test('a namespace says what its pods tolerate, and what they may', async () => {
  const gpu = { key: 'gpu', operator: 'Exists', effect: 'NoSchedule' } as const;
  const spot = { key: 'spot', operator: 'Equal', value: 'yes', effect: 'NoExecute', tolerationSeconds: 60 } as const;
  const pressure = { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' };
  const plugin = podTolerationRestriction(context(), { default: [spot], whitelist: [{ operator: 'Exists' }] });
  let namespace = 'ns';
  let count = 0;
  /** From now on it is about a namespace with these annotations. */
  const annotate = async (annotations: Record<string, string>) => {
    namespace = `ns-${count++}`;
    await memory.put(Namespace, { metadata: { name: namespace, annotations }, spec: {} });
  };
  const pod = (tolerations?: object[], requests?: object) => ({
    namespace,
    object: { spec: { containers: [{ name: 'c', resources: { requests } }], ...(tolerations ? { tolerations } : {}) } },
  });
  const tolerated = async (request: object) => ((await admit(plugin, request)).spec as { tolerations?: object[] }).tolerations;

  await expect(admit(plugin, pod())).rejects.toThrow('namespace "ns" not found');
  await annotate({});
  expect(await tolerated(pod())).toEqual([spot]);
  expect(await tolerated(pod([gpu], { cpu: '1' }))).toEqual([gpu, spot, pressure]);
  // What covers another stands for it.
  expect(await tolerated(pod([{ operator: 'Exists' }], { cpu: '1' }))).toEqual([{ operator: 'Exists' }]);
  // Defaults are for new pods.
  expect(await tolerated({ ...pod([gpu]), operation: 'UPDATE' })).toEqual([gpu]);

  const key = 'scheduler.alpha.kubernetes.io/';
  await annotate({
    [`${key}defaultTolerations`]: '',
    [`${key}tolerationsWhitelist`]: JSON.stringify([{ ...spot, tolerationSeconds: 100 }]),
  });
  expect(await tolerated(pod([spot]))).toEqual([spot]);
  for (const tolerations of [[gpu], [{ ...spot, tolerationSeconds: 101 }], [{ ...spot, value: 'no' }]])
    await expect(admit(plugin, pod(tolerations))).rejects.toThrow(
      'pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist',
    );
  const strict = podTolerationRestriction(context(), { whitelist: [gpu] });
  await annotate({});
  await expect(admit(strict, pod([spot]))).rejects.toThrow('conflict with its cluster whitelist');
  await annotate({ [`${key}defaultTolerations`]: 'not json' });
  await expect(admit(plugin, pod())).rejects.toMatchObject({ code: 500 });
});

test('the cluster says which nodes pods of its namespaces may select', async () => {
  const plugin = podNodeSelector(context(), { clusterDefaultNodeSelector: 'env=test', strict: 'env=test,zone=a' });
  const pod = (nodeSelector?: Record<string, string>) => ({
    object: { metadata: { name: 'x' }, spec: nodeSelector ? { nodeSelector } : {} },
  });
  await memory.put(Namespace, { metadata: { name: 'ns' }, spec: {} });
  await memory.put(Namespace, { metadata: { name: 'strict' }, spec: {} });
  await memory.put(Namespace, { metadata: { name: 'constructor' }, spec: {} });
  expect(await admit(plugin, pod())).toMatchObject({ spec: { nodeSelector: { env: 'test' } } });
  await admit(plugin, { ...pod(), namespace: 'constructor' });
  await expect(admit(plugin, pod({ env: 'live' }))).rejects.toThrow(
    'pod node label selector conflicts with its namespace node label selector',
  );
  await admit(plugin, { ...pod({ zone: 'a' }), namespace: 'strict' });
  await expect(admit(plugin, { ...pod({ zone: 'b' }), namespace: 'strict' })).rejects.toThrow(
    'pod node label selector labels conflict with its namespace whitelist',
  );
});

test('images are asked about again when the answer is old, and after failures that may pass', async () => {
  const clock = new VirtualClock();
  const asked: unknown[] = [];
  const annotations: Record<string, string> = {};
  let answer: () => unknown = () => ({ status: { allowed: true, auditAnnotations: { seen: 'yes' } } });
  const webhook = {
    url: 'https://images.test/check',
    async post(body: string) {
      asked.push(JSON.parse(body).spec);
      return JSON.stringify(answer());
    },
  };
  const times = { allowTtlMs: 10_000, denyTtlMs: 0, retryBackoffMs: 0 };
  const plugin = imagePolicyWebhook({ ...context(), clock }, { webhook, ...times, defaultAllow: false });
  const pod = {
    object: {
      metadata: { name: 'x', annotations: { 'my.image-policy.k8s.io/ticket': '1', other: 'o' } },
      spec: { containers: [{ image: 'a' }], initContainers: [{ image: 'b' }], ephemeralContainers: [{ image: 'e' }] },
    },
    auditAnnotation: (key: string, value: string) => {
      annotations[key] = value;
    },
  };
  await admit(plugin, pod);
  await admit(plugin, pod);
  const common = { annotations: { 'my.image-policy.k8s.io/ticket': '1' }, namespace: 'ns' };
  expect(asked).toEqual([{ containers: [{ image: 'a' }, { image: 'b' }], ...common }]);
  expect(annotations).toEqual({ 'imagepolicywebhook.image-policy.k8s.io/seen': 'yes' });
  await clock.advance(10_001);
  answer = () => ({ status: { allowed: false, reason: 'bad image' } });
  await expect(admit(plugin, pod)).rejects.toThrow(
    'pods "x" is forbidden: image policy webhook backend denied one or more images: bad image',
  );
  answer = () => ({ status: { allowed: false } });
  await expect(admit(plugin, { ...pod, subresource: 'ephemeralcontainers', operation: 'UPDATE' })).rejects.toThrow(
    'one or more images rejected by webhook backend',
  );
  expect(asked.at(-1)).toEqual({ containers: [{ image: 'e' }], ...common });

  let failures = 0;
  answer = () => {
    failures++;
    throw new RefusedError(400, 'no');
  };
  await expect(admit(plugin, pod)).rejects.toThrow('pods "x" is forbidden: the server rejected our request for an unknown reason');
  expect(failures).toBe(1);
  answer = () => {
    failures++;
    throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  };
  const lenient = imagePolicyWebhook({ ...context(), clock: systemClock }, { webhook, ...times, defaultAllow: true });
  await admit(lenient, pod);
  expect(failures).toBe(6);
  expect(annotations['imagepolicywebhook.image-policy.k8s.io/failed-open']).toBe('true');
});
