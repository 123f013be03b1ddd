/** RBAC on a whole server: who may what, who may give it to others, and what an upgrade makes of the default bindings. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ClusterRole, ClusterRoleBinding, Namespace, RoleBinding } from '../../src/api/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let server: TestApiServer;
const users = [
  'pod-reader',
  'job-writer',
  'job-writer-namespace',
  'nonescalating-rolebinding-writer',
  'any-rolebinding-writer',
  'any-rolebinding-writer-namespace',
  'limitrange-updater',
  'limitrange-patcher',
  'nobody',
];
const group = 'rbac.authorization.k8s.io';
const apiVersion = `${group}/v1`;

beforeAll(async () => {
  server = await startApiServer({
    authentication: { tokens: new Map(users.map((name) => [name, { name, uid: '', groups: [] }])) },
    server: { admissionPlugins: { disable: ['ServiceAccount'] } },
  });
  const rules = {
    'read-pods': { verbs: ['list', 'get', 'watch'], apiGroups: [''], resources: ['pods'] },
    'write-jobs': { verbs: ['*'], apiGroups: ['batch'], resources: ['*'] },
    'create-rolebindings': { verbs: ['create'], apiGroups: [group], resources: ['rolebindings'] },
    'bind-any-clusterrole': { verbs: ['bind'], apiGroups: [group], resources: ['clusterroles'] },
    'update-limitranges': { verbs: ['update'], apiGroups: [''], resources: ['limitranges'] },
    'patch-limitranges': { verbs: ['patch'], apiGroups: [''], resources: ['limitranges'] },
  };
  for (const [name, rule] of Object.entries(rules))
    await server.admin.create(ClusterRole, { apiVersion, kind: 'ClusterRole', metadata: { name }, rules: [rule] });
  for (const name of ['jobs', 'others'])
    await server.admin.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: {} });
  const parts = (role: string, names: string[]) => ({
    metadata: { name: role },
    roleRef: { apiGroup: group, kind: 'ClusterRole', name: role },
    subjects: names.map((name) => ({ apiGroup: group, kind: 'User', name })),
  });
  for (const [role, names] of [
    ['read-pods', ['pod-reader']],
    ['write-jobs', ['job-writer']],
    ['create-rolebindings', ['job-writer', 'nonescalating-rolebinding-writer', 'any-rolebinding-writer']],
    ['bind-any-clusterrole', ['any-rolebinding-writer']],
    ['update-limitranges', ['limitrange-updater']],
    ['patch-limitranges', ['limitrange-patcher']],
  ] as const)
    await server.admin.create(ClusterRoleBinding, { apiVersion, kind: 'ClusterRoleBinding', ...parts(role, [...names]) });
  for (const [role, names] of [
    ['write-jobs', ['job-writer-namespace']],
    ['create-rolebindings', ['job-writer-namespace', 'any-rolebinding-writer-namespace']],
    ['bind-any-clusterrole', ['any-rolebinding-writer-namespace']],
  ] as const)
    await server.admin.create(RoleBinding, { apiVersion, kind: 'RoleBinding', ...parts(role, [...names]) }, { namespace: 'jobs' });
});
afterAll(() => server?.close());

const as = async (user: string, method: string, path: string, body?: object, headers: Record<string, string> = {}) =>
  (
    await server.http(
      method,
      path,
      body && JSON.stringify(body),
      user === 'admin' ? headers : { ...headers, authorization: `Bearer ${user}` },
      user === 'admin' ? {} : { cert: undefined, key: undefined },
    )
  ).status;

it('lets users do what their roles say, in the namespaces for which they have them', async () => {
  const pods = '/api/v1/pods';
  expect(await as('nobody', 'GET', pods)).toBe(403);
  expect(await as('pod-reader', 'GET', pods)).toBe(200);
  expect(await as('pod-reader', 'GET', '/api/v1/namespaces/jobs/pods/a')).toBe(404);
  expect(await as('pod-reader', 'POST', '/api/v1/namespaces/jobs/pods', {})).toBe(403);
  const jobs = (namespace: string, name = '') => `/apis/batch/v1/namespaces/${namespace}/jobs${name}`;
  expect(await as('job-writer-namespace', 'GET', jobs('others'))).toBe(403);
  expect(await as('job-writer-namespace', 'GET', jobs('jobs'))).toBe(200);
  expect(await as('job-writer-namespace', 'GET', jobs('jobs', '/pi'))).toBe(404);
  expect(await as('job-writer', 'GET', jobs('others', '/pi'))).toBe(404);
});

it.each([
  ['nobody', 'jobs', 403],
  ['any-rolebinding-writer-namespace', 'others', 403],
  ['job-writer-namespace', 'others', 403],
  ['job-writer-namespace', 'jobs', 201],
  ['job-writer', 'others', 201],
  ['nonescalating-rolebinding-writer', 'jobs', 403],
  ['any-rolebinding-writer', 'jobs', 201],
  ['any-rolebinding-writer-namespace', 'jobs', 201],
])('%s gives others a role in %s: %i', async (user, namespace, expected) => {
  const path = `/apis/${apiVersion}/namespaces/${namespace}/rolebindings`;
  const binding = {
    apiVersion,
    kind: 'RoleBinding',
    metadata: { name: 'pi' },
    roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'write-jobs' },
    subjects: [{ apiGroup: group, kind: 'User', name: 'admin' }],
  };
  expect(await as(user, 'POST', path, binding)).toBe(expected);
  if (expected === 201) expect(await as('admin', 'DELETE', `${path}/pi`)).toBe(200);
});

it.each([
  ['limitrange-updater', 'PUT', '', {}],
  ['limitrange-patcher', 'PATCH', '?fieldManager=test', { 'content-type': 'application/apply-patch+yaml' }],
] as const)('%s makes nothing new by %s', async (user, method, query, headers) => {
  const path = `/api/v1/namespaces/others/limitranges/${method.toLowerCase()}${query}`;
  const limits = { apiVersion: 'v1', kind: 'LimitRange', metadata: { name: method.toLowerCase() } };
  const send = (who: string) => as(who, method, path, limits, headers);
  expect(await send(user)).toBe(403);
  expect(await send('admin')).toBe(201);
  expect(await send('admin')).toBe(200);
  expect(await send(user)).toBe(200);
});

it('hands on to a binding that is new what an administrator has made of the one it was part of', async () => {
  const autoupdate = 'rbac.authorization.kubernetes.io/autoupdate';
  const change = {
    metadata: { annotations: { [autoupdate]: 'false', mine: 'yes' } },
    subjects: [{ apiGroup: group, kind: 'Group', name: 'staff' }],
  };
  const discovery = await server.admin.patch(ClusterRoleBinding, 'system:discovery', 'merge', change);
  await server.admin.delete(ClusterRoleBinding, 'system:public-info-viewer');
  await server.server.bootstrap();
  expect(await server.admin.get(ClusterRoleBinding, 'system:discovery')).toEqual(discovery);
  const made = await server.admin.get(ClusterRoleBinding, 'system:public-info-viewer');
  expect(made).toMatchObject({ ...change, roleRef: { kind: 'ClusterRole', name: 'system:public-info-viewer' } });
});
