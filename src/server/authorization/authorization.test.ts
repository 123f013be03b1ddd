import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ClusterRole,
  ClusterRoleBinding,
  PersistentVolume,
  Pod,
  ResourceSlice,
  Role,
  RoleBinding,
  VolumeAttachment,
} from '../../api/index.ts';
import { createAuthorizerMetrics } from '../metrics/authorizer-metrics.ts';
import type { AdmissionRequest, Attributes, Authorizer, UserInfo } from '../request.ts';
import { type MemoryStorages, memoryStorages } from '../testing/memory-storages.ts';
import { abac, parseAbacPolicy } from './abac.ts';
import { bootstrapPolicy, createAuthorization, rbacEscalation } from './index.ts';
import { merged } from './policy/reconcile.ts';

let memory: MemoryStorages;
let stop: AbortController;
beforeEach(() => {
  memory = memoryStorages();
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await memory.close();
});

const user = (name: string, ...groups: string[]): UserInfo => ({ name, groups });
const ask = (who: UserInfo, verb: string, resource: string, more: Partial<Attributes> = {}): Attributes => {
  const [name = '', subresource = ''] = resource.split('/');
  return {
    user: who,
    verb,
    isResourceRequest: true,
    apiGroup: '',
    apiVersion: 'v1',
    namespace: 'ns',
    resource: name,
    subresource,
    name: '',
    path: '',
    ...more,
  };
};
const set = () =>
  createAuthorization({
    storages: memory.storages,
    metrics: createAuthorizerMetrics(new Registry()),
    signal: stop.signal,
    onError: (error) => {
      throw error;
    },
  });

async function seedPolicy() {
  const policy = bootstrapPolicy();
  for (const object of policy.clusterRoles) await memory.put(ClusterRole, object);
  for (const object of policy.clusterRoleBindings) await memory.put(ClusterRoleBinding, object);
  for (const object of policy.roles) await memory.put(Role, object);
  for (const object of policy.roleBindings) await memory.put(RoleBinding, object);
}

describe('RBAC', () => {
  test('the default policy lets components do their work and nobody else', async () => {
    await seedPolicy();
    const { authorizer, synced } = set();
    await synced;
    const may = async (a: Attributes) => (await authorizer.authorize(a)).decision === 'allow';
    const cases: [Attributes, boolean][] = [
      [ask(user('root', 'system:masters'), 'delete', 'nodes'), true],
      [ask(user('system:kube-scheduler'), 'create', 'pods/binding'), true],
      [ask(user('system:kube-scheduler'), 'delete', 'nodes'), false],
      [ask(user('system:serviceaccount:kube-system:deployment-controller'), 'create', 'replicasets', { apiGroup: 'apps' }), true],
      [ask(user('system:serviceaccount:kube-system:deployment-controller'), 'create', 'pods'), false],
      [
        ask(user('x', 'system:authenticated'), 'create', 'selfsubjectaccessreviews', { apiGroup: 'authorization.k8s.io', namespace: '' }),
        true,
      ],
      [ask(user('x', 'system:authenticated'), 'get', '', { isResourceRequest: false, path: '/apis/apps/v1' }), true],
      [ask(user('system:anonymous', 'system:unauthenticated'), 'get', '', { isResourceRequest: false, path: '/version' }), true],
      [ask(user('system:anonymous', 'system:unauthenticated'), 'get', '', { isResourceRequest: false, path: '/metrics' }), false],
    ];
    for (const [a, expected] of cases) expect(await may(a), `${a.user.name} ${a.verb} ${a.resource}${a.path}`).toBe(expected);
  });

  test('roles and rules come and go with what feature gates add, sorted as upstream has them', () => {
    const rolesWith = (...gates: string[]) => {
      const policy = bootstrapPolicy((gate) => gates.includes(gate));
      const bound = policy.clusterRoleBindings.map(({ roleRef }) => roleRef.name);
      return { bound, rules: new Map(policy.clusterRoles.map((role) => [role.metadata.name, role.rules])) };
    };
    const none = rolesWith();
    const some = rolesWith('ClusterTrustBundle', 'DRADeviceTaints', 'ComponentFlagz');
    const trust = 'system:cluster-trust-bundle-discovery';
    expect([...some.rules.keys()].filter((name) => !none.rules.has(name))).toEqual([
      trust,
      'system:controller:device-taint-eviction-controller',
      'system:controller:kube-apiserver-serving-clustertrustbundle-publisher',
    ]);
    expect(some.bound.filter((name) => !none.bound.includes(name))).toHaveLength(3);
    expect(some.rules.get('system:monitoring')?.[0]?.nonResourceURLs).toContain('/flagz');
    expect(none.rules.get('system:monitoring')?.[0]?.nonResourceURLs).not.toContain('/flagz');
    expect(none.rules.get('system:monitoring')?.[1]).toEqual({ apiGroups: [''], resources: ['nodes/metrics'], verbs: ['get'] });
    expect(none.rules.get('system:controller:statefulset-controller')?.[7]).toEqual({
      apiGroups: [''],
      resources: ['persistentvolumeclaims'],
      verbs: ['delete', 'update'],
    });
    // What a controller's account may do beyond its own business is upstream's: no write of the objects that it only reads.
    expect(none.rules.get('system:controller:node-controller')?.map(({ resources }) => resources?.join())).toEqual([
      'nodes',
      'nodes/status',
      'pods/status',
      'pods',
      'events',
    ]);
  });

  test('events of both groups are read and written by those who see and edit a namespace, and written by nodes', () => {
    const roles = new Map(bootstrapPolicy(() => false).clusterRoles.map(({ metadata, rules }) => [metadata.name, rules ?? []]));
    const verbs = (role: string) =>
      roles
        .get(role)
        ?.filter(({ resources }) => resources?.includes('events'))
        .map((rule) => ({ groups: rule.apiGroups, verbs: rule.verbs }));
    const groups = ['', 'events.k8s.io'];
    expect(verbs('system:aggregate-to-view')).toEqual([{ groups, verbs: ['get', 'list', 'watch'] }]);
    expect(verbs('system:aggregate-to-edit')).toEqual([{ groups, verbs: ['create', 'delete', 'deletecollection', 'patch', 'update'] }]);
    expect(verbs('system:node')).toEqual([{ groups, verbs: ['create', 'patch', 'update'] }]);
  });

  test('a binding holds in its namespace from the moment it is written until it is deleted', async () => {
    await memory.put(Role, {
      metadata: { name: 'reader', namespace: 'ns' },
      rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods', '*/scale'], resourceNames: ['a'] }],
    });
    await memory.put(RoleBinding, {
      metadata: { name: 'b', namespace: 'ns' },
      roleRef: { kind: 'Role', name: 'reader', apiGroup: 'rbac.authorization.k8s.io' },
      subjects: [{ kind: 'ServiceAccount', name: 'sa' }],
    });
    const { rbac, synced } = set();
    await synced;
    const sa = user('system:serviceaccount:ns:sa');
    expect(rbac?.authorize(ask(sa, 'get', 'pods', { name: 'a' }))).toEqual({
      decision: 'allow',
      reason: 'RBAC: allowed by RoleBinding "b/ns" of Role "reader" to ServiceAccount "sa/ns"',
    });
    expect(rbac?.authorize(ask(sa, 'get', 'pods', { name: 'b' })).decision).toBe('noOpinion');
    expect(rbac?.authorize(ask(sa, 'get', 'pods', { name: 'a', namespace: 'other' })).decision).toBe('noOpinion');
    expect(rbac?.authorize(ask(sa, 'get', 'pods/log', { name: 'a' })).decision).toBe('noOpinion');
    await memory.storages(Role).delete('ns', 'reader', {});
    await expect
      .poll(() => rbac?.authorize(ask(sa, 'get', 'pods', { name: 'a' })).reason)
      .toBe('RBAC: role.rbac.authorization.k8s.io "reader" not found');
  });

  test('a binding counts once, by the first of its subjects that is the user', async () => {
    await memory.put(ClusterRole, { metadata: { name: 'r' }, rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }] });
    const roleRef = { kind: 'ClusterRole', name: 'r', apiGroup: 'rbac.authorization.k8s.io' };
    const subjects = [
      { kind: 'User', name: 'other' },
      { kind: 'Group', name: 'g' },
      { kind: 'User', name: 'u' },
    ];
    await memory.put(ClusterRoleBinding, { metadata: { name: 'b' }, roleRef, subjects });
    const { rbac, synced } = set();
    await synced;
    const reason = (who: UserInfo) => rbac?.authorize(ask(who, 'get', 'pods')).reason;
    expect(rbac?.rulesOf(user('u', 'g', 'g'), 'ns').rules).toHaveLength(1);
    expect(reason(user('u', 'g'))).toBe('RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to Group "g"');
    expect(reason(user('u'))).toBe('RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "u"');
  });

  test('nobody grants what they do not hold', async () => {
    await memory.put(ClusterRole, { metadata: { name: 'some' }, rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }] });
    await memory.put(ClusterRoleBinding, {
      metadata: { name: 'some' },
      roleRef: { kind: 'ClusterRole', name: 'some' },
      subjects: [{ kind: 'User', name: 'u' }],
    });
    const { authorizer, rbac, synced } = set();
    await synced;
    if (rbac === undefined) throw new Error('RBAC is on by default');
    const plugin = rbacEscalation(rbac, authorizer);
    const send = (who: UserInfo, request: Pick<AdmissionRequest, 'operation' | 'resource'> & { object: object; oldObject?: object }) =>
      plugin.validate?.({
        user: who,
        verb: request.operation.toLowerCase(),
        group: 'rbac.authorization.k8s.io',
        subresource: '',
        namespace: request.resource.startsWith('cluster') ? '' : 'ns',
        name: 'r',
        ...request,
      } as AdmissionRequest);
    const roleOf = (verbs: string[], metadata: object = {}) => ({
      metadata: { name: 'r', ...metadata },
      rules: [{ verbs, apiGroups: [''], resources: ['pods'] }],
    });
    const write = (who: UserInfo, verbs: string[]) => send(who, { operation: 'CREATE', resource: 'roles', object: roleOf(verbs) });
    await expect(write(user('u', 'g', 'h'), ['get'])).resolves.toBeUndefined();
    await expect(write(user('u', 'g', 'h'), ['get', 'delete', 'list'])).rejects.toThrow(
      'roles.rbac.authorization.k8s.io "r" is forbidden: user "u" (groups=["g" "h"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete" "list"]}',
    );
    // Deleting what grants more than one holds may need its finalizers and owners changed, but nothing else of it.
    const update = (metadata: object) =>
      send(user('u'), { operation: 'UPDATE', resource: 'roles', object: roleOf(['*'], metadata), oldObject: roleOf(['*']) });
    await expect(update({ finalizers: ['a/b'] })).resolves.toBeUndefined();
    await expect(update({ labels: { a: 'b' } })).rejects.toThrow('is attempting to grant RBAC permissions not currently held');
    const aggregating = { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] } };
    const clusterRole = { ...roleOf(['get']), ...aggregating };
    for (const change of [
      { operation: 'CREATE', object: clusterRole },
      { operation: 'UPDATE', object: roleOf(['get']), oldObject: clusterRole },
    ] as const)
      await expect(send(user('u'), { ...change, resource: 'clusterroles' })).rejects.toThrow(
        'clusterroles.rbac.authorization.k8s.io "r" is forbidden: must have cluster-admin privileges to use the aggregationRule',
      );
    const urls = { metadata: { name: 'r' }, rules: [{ verbs: ['get', 'put'], nonResourceURLs: ['/a'] }] };
    await expect(send(user('u'), { operation: 'CREATE', resource: 'clusterroles', object: urls })).rejects.toThrow(
      'not currently held:\n{NonResourceURLs:["/a"], Verbs:["get"]}\n{NonResourceURLs:["/a"], Verbs:["put"]}',
    );
    await expect(write(user('root', 'system:masters'), ['*'])).resolves.toBeUndefined();
  });
});

/** As it comes from the server. */
const role = (object: object) => object as Parameters<typeof merged>[0];

test('reconciling adds what defaults have gained and respects autoupdate=false', () => {
  const wanted = {
    apiVersion: '',
    kind: 'ClusterRole',
    metadata: { name: 'r', annotations: { a: '1' } },
    rules: [{ verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] }],
  };
  const known = {
    ...wanted,
    metadata: { name: 'r', annotations: { a: '2' } },
    rules: [{ verbs: ['get'], apiGroups: ['', 'x'], resources: ['pods'] }],
  };
  expect(merged(role(known), role(wanted))).toMatchObject({
    rules: [...known.rules, { verbs: ['list'], apiGroups: [''], resources: ['pods'] }],
    metadata: { annotations: { a: '2' } },
  });
  expect(merged(role(wanted), role(wanted))).toBeUndefined();
  expect(
    merged(
      role({ ...known, metadata: { name: 'r', annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' } } }),
      role(wanted),
    ),
  ).toBeUndefined();
});

describe('Node', () => {
  const node = user('system:node:n1', 'system:nodes');
  const pod = {
    metadata: { name: 'p', namespace: 'ns' },
    spec: {
      nodeName: 'n1',
      serviceAccountName: 'sa',
      containers: [{ name: 'c', image: 'i', envFrom: [{ configMapRef: { name: 'cm' } }] }],
      volumes: [
        { name: 's', secret: { secretName: 'sec' } },
        { name: 'v', persistentVolumeClaim: { claimName: 'pvc' } },
      ],
    },
  };

  test('a kubelet reads what its pods need, writes what is its own, and nothing else', async () => {
    await memory.put(Pod, pod);
    await memory.put(PersistentVolume, {
      metadata: { name: 'pv' },
      spec: {
        claimRef: { namespace: 'ns', name: 'pvc' },
        csi: { driver: 'd', volumeHandle: 'h', nodeStageSecretRef: { name: 'stage', namespace: 'x' } },
      },
    });
    await memory.put(ResourceSlice, { metadata: { name: 'mine' }, spec: { nodeName: 'n1', driver: 'd', pool: { name: 'p' } } });
    await memory.put(ResourceSlice, { metadata: { name: 'theirs' }, spec: { nodeName: 'n2', driver: 'd', pool: { name: 'p' } } });
    await memory.put(VolumeAttachment, { metadata: { name: 'va' }, spec: { nodeName: 'n1', attacher: 'd', source: {} } });
    const { authorizer, synced } = createAuthorization({
      storages: memory.storages,
      authorizers: [{ type: 'Node', name: 'node' }],
      metrics: createAuthorizerMetrics(new Registry()),
      signal: stop.signal,
      onError: (e) => {
        throw e;
      },
    });
    await synced;
    const cases: [string, string, string, Partial<Attributes>, boolean][] = [
      ['get', 'secrets', 'sec', {}, true],
      ['get', 'secrets', 'other', {}, false],
      ['list', 'secrets', '', {}, false],
      ['get', 'secrets', 'stage', { namespace: 'x' }, true],
      ['watch', 'configmaps', 'cm', {}, true],
      ['get', 'persistentvolumeclaims', 'pvc', {}, true],
      ['get', 'persistentvolumes', 'pv', { namespace: '' }, true],
      ['get', 'persistentvolumes', 'pv2', { namespace: '' }, false],
      ['get', 'volumeattachments', 'va', { apiGroup: 'storage.k8s.io', namespace: '' }, true],
      ['create', 'serviceaccounts/token', 'sa', {}, true],
      ['create', 'serviceaccounts/token', 'sb', {}, false],
      ['list', 'pods', '', { namespace: '', fieldSelector: 'spec.nodeName=n1' }, true],
      ['list', 'pods', '', { namespace: '' }, false],
      ['get', 'pods', 'p', {}, true],
      ['patch', 'pods/status', 'p', {}, true],
      ['get', 'nodes', 'n1', { namespace: '' }, true],
      ['get', 'nodes', 'n2', { namespace: '' }, false],
      ['watch', 'nodes', 'n1', { namespace: '' }, true],
      ['list', 'nodes', '', { namespace: '' }, false],
      ['delete', 'nodes', 'n1', { namespace: '' }, false],
      ['watch', 'pods', 'p', {}, true],
      ['watch', 'pods', 'other', {}, false],
      ['patch', 'pods', 'p', {}, false],
      ['delete', 'pods', 'p', {}, true],
      ['get', 'pods/log', 'p', {}, false],
      ['get', 'serviceaccounts', 'sa', {}, true],
      ['create', 'resourceslices', '', { apiGroup: 'resource.k8s.io', namespace: '' }, true],
      ['update', 'resourceslices', 'mine', { apiGroup: 'resource.k8s.io', namespace: '' }, true],
      ['update', 'resourceslices', 'theirs', { apiGroup: 'resource.k8s.io', namespace: '' }, false],
      ['list', 'resourceslices', '', { apiGroup: 'resource.k8s.io', namespace: '' }, false],
      ['deletecollection', 'resourceslices', '', { apiGroup: 'resource.k8s.io', namespace: '', fieldSelector: 'spec.nodeName=n1' }, true],
      ['create', 'nodes', '', { namespace: '' }, true],
      ['update', 'leases', 'n1', { apiGroup: 'coordination.k8s.io', namespace: 'kube-node-lease' }, true],
      ['update', 'leases', 'n2', { apiGroup: 'coordination.k8s.io', namespace: 'kube-node-lease' }, false],
      ['list', 'services', '', { namespace: '' }, true],
      ['delete', 'services', 's', {}, false],
    ];
    for (const [verb, resource, name, more, expected] of cases)
      expect(
        (await authorizer.authorize(ask(node, verb, resource, { name, ...more }))).decision === 'allow',
        `${verb} ${resource} ${name}`,
      ).toBe(expected);
    expect(await authorizer.authorize(ask(node, 'get', 'secrets', { name: 'other' }))).toMatchObject({
      reason: "no relationship found between node 'n1' and this object",
    });
    await memory.storages(Pod).delete('ns', 'p', {});
    await expect.poll(async () => (await authorizer.authorize(ask(node, 'get', 'secrets', { name: 'sec' }))).decision).toBe('noOpinion');
  });
});

describe('policies of a file', () => {
  const file = (...lines: string[]) => abac(parseAbacPolicy({ file: 'policy.jsonl', text: lines.join('\n') }));
  const policy = (spec: object) => JSON.stringify({ apiVersion: 'abac.authorization.kubernetes.io/v1beta1', kind: 'Policy', spec });
  const ask = async (authorizer: Authorizer, name: string, verb: string, what: Partial<Attributes>, groups = ['system:authenticated']) => {
    const nothing = { apiGroup: '', apiVersion: 'v1', namespace: '', resource: '', subresource: '', name: '', path: '' };
    const { decision } = await authorizer.authorize({ ...nothing, user: { name, groups }, verb, isResourceRequest: true, ...what });
    return decision === 'allow';
  };

  test('are those of v1beta1, and those of before', async () => {
    const old = file(
      '# comment',
      '',
      '{"readonly": true, "resource": "events"}',
      '{"user":"alice", "namespace": "projectCaribou"}',
      '{"user":"root"}',
    );
    const versioned = file(
      policy({ group: '*', readonly: true, resource: 'events', namespace: '*' }),
      policy({ user: 'alice', namespace: 'projectCaribou', resource: '*', apiGroup: '*' }),
      policy({ user: 'root', namespace: '*', resource: '*', apiGroup: '*', nonResourcePath: '*' }),
    );
    for (const authorizer of [old, versioned]) {
      expect(await ask(authorizer, 'chuck', 'get', { resource: 'events', namespace: 'ns1' })).toBe(true);
      expect(await ask(authorizer, 'chuck', 'update', { resource: 'events' })).toBe(false);
      expect(await ask(authorizer, 'chuck', 'get', { resource: 'pods' })).toBe(false);
      expect(await ask(authorizer, 'system:anonymous', 'get', { resource: 'events' }, ['system:unauthenticated'])).toBe(false);
      expect(await ask(authorizer, 'alice', 'update', { resource: 'foo', apiGroup: 'bar', namespace: 'projectCaribou' })).toBe(true);
      expect(await ask(authorizer, 'alice', 'get', { resource: 'pods', namespace: 'ns1' })).toBe(false);
      expect(await ask(authorizer, 'chuck', 'get', { isResourceRequest: false, path: '/' })).toBe(false);
      expect(await ask(authorizer, 'root', 'get', { isResourceRequest: false, path: '/' })).toBe(true);
    }
    const paths = file(policy({ user: 'p', nonResourcePath: '/custom*' }), policy({ user: 'p', group: 'g', nonResourcePath: '/g' }));
    expect(await ask(paths, 'p', 'get', { isResourceRequest: false, path: '/custom/x' })).toBe(true);
    expect(await ask(paths, 'p', 'get', { isResourceRequest: false, path: '/g' })).toBe(false);
    expect(await ask(paths, 'p', 'get', { resource: 'pods' })).toBe(false);
  });

  test('tell their rules, and what is wrong with a line', async () => {
    const user = { name: 'alice', groups: ['system:authenticated'] };
    expect(await file('{"user":"alice","readonly":true}', '{"user":"bob"}').rulesFor?.(user, 'ns')).toEqual({
      resourceRules: [{ verbs: ['get', 'list', 'watch'], apiGroups: ['*'], resources: ['*'], resourceNames: [] }],
      nonResourceRules: [{ verbs: ['get', 'list', 'watch'], nonResourceURLs: ['*'] }],
      incomplete: false,
    });
    expect(() => file('{}', '{')).toThrow('error reading policy file policy.jsonl, line 2: {: ');
    expect(() => file('{"kind":"Pod","apiVersion":"v1"}')).toThrow('no kind "Pod" is registered for version "v1"');
  });
});
