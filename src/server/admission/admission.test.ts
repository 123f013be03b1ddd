import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type KubeObject,
  LimitRange,
  Namespace,
  Node,
  Pod,
  PriorityClass,
  ResourceQuota,
  RuntimeClass,
  ServiceAccount,
  StorageClass,
} from '../../api/index.ts';
import { createClient } from '../../client/index.ts';
import { seededRandom, VirtualClock } from '../../time/index.ts';
import { ResourceTable } from '../registry/served-resource.ts';
import type { AdmissionRequest } from '../request.ts';
import { type MemoryStorages, memoryStorages } from '../testing/memory-storages.ts';
import { createWebhookClient } from '../webhook/index.ts';
import { admissionOrder, claimStatusAccess, defaultAdmission } from './index.ts';

let memory: MemoryStorages;
beforeEach(async () => {
  memory = memoryStorages();
  await memory.put(Namespace, { metadata: { name: 'ns' }, spec: {}, status: { phase: 'Active' } });
  await memory.put(ServiceAccount, { metadata: { name: 'default', namespace: 'ns' }, imagePullSecrets: [{ name: 'reg' }] });
});
afterEach(() => memory.close());

interface Given {
  operation?: AdmissionRequest['operation'];
  resource?: string;
  group?: string;
  subresource?: string;
  name?: string;
  user?: AdmissionRequest['user'];
  object?: object;
  oldObject?: object;
  namespace?: string;
}

/** None of the default plugins makes objects. */
const noTransport = { request: notAsked, stream: notAsked, close: async () => {} };
function notAsked(): never {
  throw new Error('nobody asks for this');
}

/** Runs a request through the default plugins: all mutate, then all validate. */
async function admit(given: Given, only?: string[]): Promise<{ object: Record<string, never> & Pod; warnings: string[] }> {
  const plugins = defaultAdmission({
    client: createClient(noTransport),
    storages: memory.storages,
    clock: new VirtualClock(),
    random: seededRandom(1),
    authorizer: { authorize: () => ({ decision: 'noOpinion', reason: '' }) },
    table: new ResourceTable(),
    webhooks: createWebhookClient({ storages: memory.storages, clock: new VirtualClock(), random: seededRandom(1) }),
    signal: new AbortController().signal,
    onError: () => {},
    serves: () => false,
    disable: only === undefined ? [] : admissionOrder.filter((name) => !only.includes(name)),
  });
  const warnings: string[] = [];
  const metadata = (given.object as KubeObject | undefined)?.metadata;
  const request = {
    operation: 'CREATE',
    verb: (given.operation ?? 'CREATE').toLowerCase(),
    user: { name: 'u', groups: [] },
    group: '',
    version: 'v1',
    resource: 'pods',
    kind: 'Pod',
    subresource: '',
    namespace: 'ns',
    name: metadata?.name ?? '',
    options: {},
    dryRun: false,
    warn: (message: string) => warnings.push(message),
    auditAnnotation: () => {},
    kindGroup: given.group ?? '',
    kindVersion: 'v1',
    reinvocation: { wanted: false, isReinvocation: false },
    oldObject: undefined,
    ...given,
  } as AdmissionRequest;
  for (const plugin of plugins) if (plugin.handles(request)) await plugin.admit?.(request);
  for (const plugin of plugins) if (plugin.handles(request)) await plugin.validate?.(request);
  return { object: request.object as never, warnings };
}

const pod = (spec: object = {}, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'ns', ...metadata },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});

test('a pod gets its account, token volume, pull secrets, tolerations and priority', async () => {
  const { object } = await admit({ object: pod() });
  const { spec } = object;
  const volume = spec?.volumes?.[0];
  expect(volume?.name).toMatch(/^kube-api-access-[a-z0-9]{5}$/);
  expect(volume?.projected?.sources?.[0]).toEqual({ serviceAccountToken: { expirationSeconds: 3607, path: 'token' } });
  expect(spec?.containers[0]?.volumeMounts).toEqual([
    { name: volume?.name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
  ]);
  expect(spec).toMatchObject({
    serviceAccountName: 'default',
    serviceAccount: 'default',
    imagePullSecrets: [{ name: 'reg' }],
    priority: 0,
    preemptionPolicy: 'PreemptLowerPriority',
  });
  expect(spec?.tolerations?.map((t) => `${t.key} ${t.effect} ${t.tolerationSeconds}`)).toEqual([
    'node.kubernetes.io/not-ready NoExecute 300',
    'node.kubernetes.io/unreachable NoExecute 300',
  ]);
});

describe('refusals', () => {
  const kubelet = { name: 'system:node:n1', groups: ['system:nodes'] };
  const node = (labels: object = {}) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', labels }, spec: {} });
  test.each<[string, Given, string]>([
    ['a namespace that is not there', { namespace: 'nope', object: pod() }, 'namespaces "nope" not found'],
    [
      'a service account that is not there',
      { object: pod({ serviceAccountName: 'x' }) },
      'pods "p" is forbidden: error looking up service account ns/x: serviceaccount "x" not found',
    ],
    [
      'a priority class that is not there',
      { object: pod({ priorityClassName: 'x' }) },
      'pods "p" is forbidden: no PriorityClass with name x was found',
    ],
    [
      'deleting kube-public',
      { operation: 'DELETE', resource: 'namespaces', namespace: '', name: 'kube-public' },
      'namespaces "kube-public" is forbidden: this namespace may not be deleted',
    ],
    [
      'deleting default',
      { operation: 'DELETE', resource: 'namespaces', namespace: '', name: 'default' },
      'namespaces "default" is forbidden: this namespace may not be deleted',
    ],
    [
      'another node',
      { resource: 'nodes', namespace: '', user: { ...kubelet, name: 'system:node:n2' }, object: node() },
      'nodes "n1" is forbidden: node "n2" is not allowed to modify node "n1"',
    ],
    [
      'a label of the cluster',
      { resource: 'nodes', namespace: '', user: kubelet, object: node({ 'node-restriction.kubernetes.io/x': '1' }) },
      'nodes "n1" is forbidden: node "n1" is not allowed to set the following labels: node-restriction.kubernetes.io/x',
    ],
    ['a pod of a kubelet that is no mirror', { user: kubelet, object: pod() }, 'node "n1" can only create mirror pods'],
  ])('%s', async (_, given, message) => {
    await expect(admit(given)).rejects.toThrow(message);
  });

  test('a namespace that is being deleted takes nothing new', async () => {
    await memory.put(Namespace, { metadata: { name: 'going' }, spec: {}, status: { phase: 'Terminating' } });
    await expect(admit({ namespace: 'going', object: pod() })).rejects.toMatchObject({
      message: 'pods "p" is forbidden: unable to create new content in namespace going because it is being terminated',
      status: {
        details: {
          causes: [{ reason: 'NamespaceTerminating', message: 'namespace going is being terminated', field: 'metadata.namespace' }],
        },
      },
    });
  });
});

test('priority comes from the class', async () => {
  await memory.put(PriorityClass, { metadata: { name: 'high' }, value: 1000, preemptionPolicy: 'Never' });
  await memory.put(PriorityClass, { metadata: { name: 'usual' }, value: 7, globalDefault: true });
  expect((await admit({ object: pod({ priorityClassName: 'high' }) })).object.spec).toMatchObject({
    priority: 1000,
    preemptionPolicy: 'Never',
  });
  expect((await admit({ object: pod() })).object.spec).toMatchObject({ priority: 7, priorityClassName: 'usual' });
});

test('limit ranges default and bound', async () => {
  await memory.put(LimitRange, {
    metadata: { name: 'l', namespace: 'ns' },
    spec: {
      limits: [{ type: 'Container', default: { cpu: '500m' }, defaultRequest: { cpu: '100m' }, max: { cpu: '1' }, min: { cpu: '50m' } }],
    },
  });
  const { object } = await admit({ object: pod() });
  expect(object.spec?.containers[0]?.resources).toEqual({ limits: { cpu: '500m' }, requests: { cpu: '100m' } });
  expect(object.metadata.annotations).toEqual({
    'kubernetes.io/limit-ranger': 'LimitRanger plugin set: cpu request for container c; cpu limit for container c',
  });
  await expect(
    admit({ object: pod({ containers: [{ name: 'c', resources: { limits: { cpu: '2' }, requests: { cpu: '10m' } } }] }) }),
  ).rejects.toThrow(
    'pods "p" is forbidden: [minimum cpu usage per Container is 50m, but request is 10m, maximum cpu usage per Container is 1, but limit is 2]',
  );
  // One thing is said once, of the first range that has anything against it; overhead is not the user's.
  await memory.put(LimitRange, { metadata: { name: 'm', namespace: 'ns' }, spec: { limits: [{ type: 'Pod', max: { cpu: '1' } }] } });
  const containers = (cpu: string) => ['a', 'b'].map((name) => ({ name, resources: { requests: { cpu }, limits: { cpu } } }));
  await expect(admit({ object: pod({ containers: containers('2') }) }, ['LimitRanger'])).rejects.toThrow(
    'pods "p" is forbidden: maximum cpu usage per Container is 1, but limit is 2',
  );
  await expect(admit({ object: pod({ containers: containers('600m') }) }, ['LimitRanger'])).rejects.toThrow(
    'pods "p" is forbidden: maximum cpu usage per Pod is 1, but limit is 1200m',
  );
  await admit({ object: pod({ containers: containers('500m'), overhead: { cpu: '1' } }) }, ['LimitRanger']);
});

test('quotas are charged at once and never exceeded, also by requests at the same moment', async () => {
  await memory.put(ResourceQuota, {
    metadata: { name: 'q', namespace: 'ns' },
    spec: { hard: { pods: '2' } },
    status: { hard: { pods: '2' }, used: { pods: '0' } },
  });
  const results = await Promise.allSettled(['a', 'b', 'c', 'd'].map((name) => admit({ object: pod({}, { name }) }, ['ResourceQuota'])));
  expect(results.filter((r) => r.status === 'fulfilled')).toHaveLength(2);
  await expect(admit({ object: pod() })).rejects.toThrow(
    'pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2',
  );
  await memory.put(ResourceQuota, {
    metadata: { name: 'cpu', namespace: 'ns' },
    status: { hard: { 'limits.cpu': '2' }, used: { 'limits.cpu': '0' } },
  });
  await memory.storages(ResourceQuota).delete('ns', 'q', {});
  await expect
    .poll(() => admit({ object: pod() }).catch((e: Error) => e.message))
    .toBe('pods "p" is forbidden: failed quota: cpu: must specify limits.cpu for: c');
});

test('a claim gets the default class and its finalizer', async () => {
  await memory.put(StorageClass, {
    metadata: { name: 'std', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: 'x',
  });
  const { object } = await admit({ resource: 'persistentvolumeclaims', object: { metadata: { name: 'c', namespace: 'ns' }, spec: {} } });
  expect(object).toMatchObject({ spec: { storageClassName: 'std' }, metadata: { finalizers: ['kubernetes.io/pvc-protection'] } });
});

test('pod security refuses by the enforce label and warns by the warn label', async () => {
  await memory.put(Namespace, {
    metadata: {
      name: 'strict',
      labels: { 'pod-security.kubernetes.io/enforce': 'baseline', 'pod-security.kubernetes.io/warn': 'restricted' },
    },
    spec: {},
  });
  const bad = pod({ hostNetwork: true, containers: [{ name: 'c', securityContext: { privileged: true } }] });
  await expect(admit({ namespace: 'strict', object: bad }, ['PodSecurity'])).rejects.toThrow(
    'pods "p" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true), privileged (container "c" must not set securityContext.privileged=true)',
  );
  expect((await admit({ namespace: 'strict', object: pod() }, ['PodSecurity'])).warnings).toEqual([
    'would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
  ]);
});

test('a kubelet requests tokens for its own pods only, and taints are not its business', async () => {
  const kubelet = { name: 'system:node:n1', groups: ['system:nodes'] };
  const live = await memory.put(Pod, pod({ nodeName: 'n2' }));
  const ref = { kind: 'Pod', apiVersion: 'v1', name: 'p', uid: live.metadata.uid };
  const token = {
    user: kubelet,
    resource: 'serviceaccounts',
    subresource: 'token',
    name: 'default',
    object: { metadata: {}, spec: { boundObjectRef: ref } },
  };
  await expect(admit(token)).rejects.toThrow('node requested token bound to a pod scheduled on a different node');
  const before = await memory.put(Node, { metadata: { name: 'n1' }, spec: {} });
  const after = { ...before, spec: { taints: [{ key: 'x', effect: 'NoSchedule' }] } };
  await expect(
    admit({ operation: 'UPDATE', resource: 'nodes', namespace: '', user: kubelet, name: 'n1', object: after, oldObject: before }),
  ).rejects.toThrow('nodes "n1" is forbidden: node "n1" is not allowed to modify taints');
});

test('a runtime class adds its tolerations to those that the pod has, without what others cover, and its overhead', async () => {
  const toleration = { key: 'vm', operator: 'Exists', effect: 'NoSchedule' };
  const put = (name: string, more: object) => memory.put(RuntimeClass, { metadata: { name }, handler: 'kata', ...more });
  await put('vm', { scheduling: { tolerations: [toleration], nodeSelector: { vm: 'yes' } } });
  await put('any', { scheduling: { tolerations: [toleration, { operator: 'Exists' }] } });
  const own = { effect: 'NoSchedule', operator: 'Exists', key: 'vm' };
  const admitted = async (spec: object) => (await admit({ object: pod(spec) }, ['RuntimeClass'])).object.spec;
  expect((await admitted({ runtimeClassName: 'vm', tolerations: [own] })).tolerations).toEqual([own]);
  expect((await admitted({ runtimeClassName: 'any', tolerations: [own] })).tolerations).toEqual([{ operator: 'Exists' }]);
  await expect(admitted({ runtimeClassName: 'vm', nodeSelector: { vm: 'no' } })).rejects.toThrow(
    'pods "p" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no',
  );
  await expect(admitted({ runtimeClassName: 'vm', overhead: { cpu: '1' } })).rejects.toThrow(
    'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead',
  );
});

test.each<[told: string, spec: object, subresource?: string]>([
  ['volume with secret.secretName="s"', { volumes: [{ name: 'v', secret: { secretName: 's' } }] }],
  [
    'init container i with envVar e referencing secret.secretName="s"',
    { initContainers: [{ name: 'i', env: [{ name: 'e', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] }] },
  ],
  ['container c with envFrom referencing secret.secretName="s"', { containers: [{ name: 'c', envFrom: [{ secretRef: { name: 's' } }] }] }],
  ['imagePullSecrets[1].name="s"', { imagePullSecrets: [{ name: 'reg' }, { name: 's' }] }],
  [
    'ephemeral container d with envFrom referencing secret.secretName="s"',
    { ephemeralContainers: [{ name: 'd', envFrom: [{ secretRef: { name: 's' } }] }] },
    'ephemeralcontainers',
  ],
])('an account keeps its pods from secrets that it does not list: %s', async (told, spec, subresource) => {
  const annotations = { 'kubernetes.io/enforce-mountable-secrets': 'T' };
  const named = { secrets: [{ name: 'mine' }], imagePullSecrets: [{ name: 'reg' }] };
  await memory.put(ServiceAccount, { metadata: { name: 'strict', namespace: 'ns', annotations }, ...named });
  const given = { object: pod({ serviceAccountName: 'strict', ...spec }), ...(subresource ? { subresource, operation: 'UPDATE' } : {}) };
  const what = told.startsWith('imagePull') ? 'imagePullSecret' : 'secret';
  await expect(admit(given as Given, ['ServiceAccount'])).rejects.toThrow(
    `pods "p" is forbidden: ${told} is not allowed because service account strict does not reference that ${what}`,
  );
});

test('one priority class is the default', async () => {
  const put = (name: string, value: number) => memory.put(PriorityClass, { metadata: { name }, value, globalDefault: true });
  const first = await put('first', 1);
  const write = (name: string, more: object = {}) =>
    admit({
      group: 'scheduling.k8s.io',
      resource: 'priorityclasses',
      namespace: '',
      object: { metadata: { name }, globalDefault: true },
      ...more,
    });
  const refused = 'is forbidden: PriorityClass first is already marked as default. Only one default can exist';
  await expect(write('second')).rejects.toThrow(`priorityclasses.scheduling.k8s.io "second" ${refused}`);
  await expect(write('first')).rejects.toThrow(`priorityclasses.scheduling.k8s.io "first" ${refused}`);
  await write('first', { operation: 'UPDATE', oldObject: first });
});

describe("a claim's status is written", () => {
  const onNode = (...names: string[]) => ({
    nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: names }] }] },
  });
  const device = (driver: string, name = 'd', more: object = {}) => ({ driver, pool: 'p', device: name, ...more });
  const driver = {
    name: 'system:serviceaccount:kube-system:driver',
    groups: [],
    extra: { 'authentication.kubernetes.io/node-name': ['n'] },
  };
  const binding = `status: Forbidden: changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="update" permission: resourceclaims.resource.k8s.io is forbidden: User "system:serviceaccount:kube-system:driver" cannot update resource "resourceclaims/binding" in API group "resource.k8s.io" at the cluster scope: so`;
  const refused = (verbs: string, first: string, name = 'a') =>
    `status.devices: Forbidden: changing status.devices requires resource="resourceclaims/driver", verb="[${verbs}]" permission: resourceclaims.resource.k8s.io "${name}" is forbidden: User "system:serviceaccount:kube-system:driver" cannot ${first} resource "resourceclaims/driver" in API group "resource.k8s.io" in the namespace "ns": so`;
  const both = 'associated-node:update arbitrary-node:update';
  const anywhere = 'arbitrary-node:update';

  test.each<[told: string, next: object, prev: object, allowed: string[], wrong: string[]]>([
    ['without leave where nothing changes', { devices: [device('a')] }, { devices: [device('a')] }, [], []],
    ['by the scheduler: allocation', { allocation: onNode('n') }, {}, [], [binding]],
    ['by the scheduler: consumers', { reservedFor: [{ name: 'p' }] }, {}, ['update binding '], []],
    [
      'by a driver of its node',
      { allocation: onNode('n'), devices: [device('a')] },
      { allocation: onNode('n') },
      ['associated-node:update driver a'],
      [],
    ],
    [
      'by a driver of any node',
      { allocation: onNode('n'), devices: [device('a')] },
      { allocation: onNode('n') },
      ['arbitrary-node:update driver a'],
      [],
    ],
    [
      'by no other',
      { allocation: onNode('n'), devices: [] },
      { allocation: onNode('n'), devices: [device('a')] },
      [],
      [refused(both, 'associated-node:update')],
    ],
    [
      'by no driver of another node',
      { allocation: onNode('m'), devices: [device('a', 'd', { conditions: [{ type: 'Ready' }] })] },
      { allocation: onNode('m'), devices: [device('a')] },
      ['associated-node:update driver a'],
      [refused(anywhere, anywhere)],
    ],
    [
      'by each driver for itself, where several nodes will do from anywhere only',
      { allocation: onNode('n', 'm'), devices: [device('a'), device('b'), device('c')] },
      { allocation: onNode('n', 'm'), devices: [device('c')] },
      ['arbitrary-node:update driver a'],
      [refused(anywhere, anywhere, 'b')],
    ],
    [
      'by who gives devices back, whose states the server drops',
      {},
      { allocation: { devices: { results: [device('a')] } }, devices: [device('a')] },
      ['update binding '],
      [],
    ],
    [
      'for administrators in namespaces that say so',
      { allocation: { devices: { results: [device('a', 'd', { adminAccess: true })] } } },
      {},
      ['update binding '],
      [
        'status.allocation.devices.results[0].adminAccess: Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace',
      ],
    ],
  ])('%s', async (_told, next, prev, allowed, wrong) => {
    const plugin = claimStatusAccess({
      authorizer: {
        authorize: ({ verb, subresource, name }) =>
          allowed.includes(`${verb} ${subresource} ${name}`) ? { decision: 'allow', reason: '' } : { decision: 'noOpinion', reason: 'so' },
      },
      storages: memory.storages,
      isGranular: true,
    });
    const request = { ...{ operation: 'UPDATE', verb: 'update', user: driver, group: 'resource.k8s.io' }, resource: 'resourceclaims' };
    const written = {
      ...request,
      subresource: 'status',
      namespace: 'ns',
      name: 'c',
      object: { status: next },
      oldObject: { status: prev },
    };
    const answer = Promise.resolve(plugin.validate?.(written as unknown as AdmissionRequest)).then(() => '');
    const text = wrong.length > 1 ? `[${wrong.join(', ')}]` : wrong[0];
    if (text === undefined) expect(await answer).toBe('');
    else await expect(answer).rejects.toThrow(`ResourceClaim.resource.k8s.io "c" is invalid: ${text}`);
  });
});
