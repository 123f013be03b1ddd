/** Who may create what is not there yet by a PATCH or a PUT. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let api: TestApiServer;
beforeAll(async () => {
  api = await startApiServer();
});
afterAll(() => api?.close());

const roles = '/apis/rbac.authorization.k8s.io/v1';
async function grant(verb: string, apiGroup: string, resource: string): Promise<void> {
  const name = `may-${verb}-${resource}`;
  const rules = [{ verbs: [verb], apiGroups: [apiGroup], resources: [resource] }];
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name };
  const subjects = [{ kind: 'User', name: 'panda', apiGroup: 'rbac.authorization.k8s.io' }];
  await api.http('POST', `${roles}/clusterroles`, JSON.stringify({ metadata: { name }, rules }));
  await api.http('POST', `${roles}/namespaces/default/rolebindings`, JSON.stringify({ metadata: { name }, subjects, roleRef }));
}

test.each([
  ['apply', 'PATCH', 'patch', '', 'v1', 'ConfigMap', 'configmaps', 'application/apply-patch+yaml'],
  ['a PUT', 'PUT', 'update', 'coordination.k8s.io', 'coordination.k8s.io/v1', 'Lease', 'leases', 'application/json'],
])('who may %s may not create by it', async (_, method, verb, group, apiVersion, kind, plural, type) => {
  const path = `${group ? '/apis' : '/api'}/${apiVersion}/namespaces/default/${plural}/one?fieldManager=m`;
  // A version of what was there once is no hindrance.
  const body = JSON.stringify({ apiVersion, kind, metadata: { name: 'one', namespace: 'default', resourceVersion: '7' } });
  const send = async () => {
    const answer = await api.http(method, path, body, { 'content-type': type, 'impersonate-user': 'panda' });
    const { message } = JSON.parse(answer.body);
    return { status: answer.status, message };
  };
  const refused = (what: string) => {
    const resource = `${plural}${group ? `.${group}` : ''}`;
    const where = `resource "${plural}" in API group "${group}" in the namespace "default"`;
    return { status: 403, message: `${resource} "one" is forbidden: User "panda" cannot ${what} ${where}` };
  };
  expect(await send()).toEqual(refused(verb));
  await grant(verb, group, plural);
  await expect.poll(send).toEqual(refused('create'));
  await grant('create', group, plural);
  await expect.poll(send).toMatchObject({ status: 201 });
});
