/** Who is recorded as the owner of what, by writes of every form: what upstream's own integration tests of server-side apply expect. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ManagedFieldsEntry } from '../../src/api/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let api: TestApiServer;
beforeAll(async () => {
  api = await startApiServer();
  await send('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
});
afterAll(() => api?.close());

interface Answer {
  message?: string;
  metadata: { resourceVersion: string; labels?: Record<string, string>; managedFields?: ManagedFieldsEntry[] };
}

interface Fields {
  [element: string]: Fields;
}

async function send(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<Answer> {
  const answer = await api.http(method, path, body === undefined ? undefined : JSON.stringify(body), { 'content-type': contentType });
  return JSON.parse(answer.body);
}
const apply = (path: string, manager: string, body: object) =>
  send('PATCH', `${path}?fieldManager=${manager}`, body, 'application/apply-patch+yaml');
const merge = (path: string, body: object) => send('PATCH', path, body, 'application/merge-patch+json');
const owners = ({ metadata }: Answer) =>
  (metadata.managedFields ?? []).map((m) => [m.manager, m.operation, ...(m.subresource ? [m.subresource] : [])].join(' '));

const all = '/api/v1/namespaces/default/configmaps';
const one = `${all}/one`;
const pods = '/api/v1/namespaces/default/pods';
const configMap = (metadata: object = {}, data: Record<string, string> = { key: 'value' }) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'one', labels: { a: 'b' }, ...metadata },
  data,
});
const pod = (name: string, labels: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { containers: [{ name: 'c', image: 'i' }] },
});

describe('an object whose managers are forgotten', () => {
  beforeEach(() => apply(one, 'first', configMap()));

  const patch = (type: string, body: unknown) => () => send('PATCH', one, body, `application/${type}+json`);
  const metadata = { managedFields: [{}] };
  test.each([
    ['a merge patch with an empty entry', patch('merge-patch', { metadata })],
    ['a merge patch with none', patch('merge-patch', { metadata: { managedFields: [] } })],
    ['a strategic merge patch', patch('strategic-merge-patch', { metadata })],
    ['a JSON patch', patch('json-patch', [{ op: 'replace', path: '/metadata/managedFields', value: [{}] }])],
    ['a PUT with an empty entry', () => send('PUT', one, configMap(metadata))],
    ['a PUT with none', () => send('PUT', one, configMap({ managedFields: [] }))],
  ])('by %s has none until somebody applies to it', async (_, forget) => {
    expect(owners(await forget())).toEqual([]);
    expect(owners(await merge(one, { data: { key: 'other' } }))).toEqual([]);
    expect(owners(await apply(one, 'second', configMap({}, { more: 'x' })))).toEqual(['second Apply', 'before-first-apply Update']);
    await send('DELETE', one);
  });

  test.each([
    ['no word of them', configMap()],
    ['null', configMap({ managedFields: null })],
    [
      'an entry without a version',
      configMap({ managedFields: [{ manager: 'x', operation: 'Apply', fieldsType: 'FieldsV1', fieldsV1: {} }] }),
    ],
    ['an entry without a type', configMap({ managedFields: [{ manager: 'x', operation: 'Apply', apiVersion: 'v1', fieldsV1: {} }] })],
    ['an entry with a name only', configMap({ managedFields: [{ manager: 'x' }] })],
    [
      'a key with more behind it',
      configMap({
        managedFields: [
          {
            manager: 'x',
            operation: 'Update',
            apiVersion: 'v1',
            fieldsType: 'FieldsV1',
            fieldsV1: { 'f:a': { 'k:{"b":"c"} {"d":"e"}': {} } },
          },
        ],
      }),
    ],
  ])('is not made so by a PUT with %s', async (_, body) => {
    expect(owners(await send('PUT', one, body))).toEqual(['first Apply']);
    await send('DELETE', one);
  });
});

test('a subresource does not change the managers of the object', async () => {
  await apply(`${pods}/sub`, 'first', pod('sub', { a: 'one' }));
  const entry = { manager: 'x', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: { 'f:spec': {} } };
  const status = (managedFields: object[], type: string) => ({
    metadata: { managedFields },
    status: { conditions: [{ type, status: 'True' }] },
  });
  expect(owners(await merge(`${pods}/sub/status?fieldManager=s`, status([entry], 'A')))).toEqual(['first Apply', 's Update status']);
  expect(owners(await merge(`${pods}/sub/status?fieldManager=s`, status([{}], 'B')))).toEqual(['first Apply', 's Update status']);
});

test('managers that are given the same name are one', async () => {
  await apply(`${pods}/renamed`, 'm1', pod('renamed', { a: 'one' }));
  const two = await apply(`${pods}/renamed`, 'm2', { apiVersion: 'v1', kind: 'Pod', metadata: { labels: { b: 'two' } } });
  const managedFields = two.metadata.managedFields?.map((entry) => ({ ...entry, manager: 'm' }));
  const renamed = await send('PUT', `${pods}/renamed`, { ...two, metadata: { ...two.metadata, managedFields } });
  expect(owners(renamed)).toEqual(['m Apply']);
  expect(renamed.metadata.managedFields?.[0]?.fieldsV1).toEqual({ 'f:metadata': { 'f:labels': { 'f:b': {} } } });
});

test('a status that is applied leaves nothing behind that a later PUT would be said to have changed', async () => {
  await apply(`${pods}/kept`, 'm', pod('kept', { a: 'one' }));
  const config = { apiVersion: 'v1', kind: 'Pod', metadata: { labels: { b: 'two' } } };
  const { metadata, ...rest } = await apply(`${pods}/kept/status`, 'm', config);
  const put = await send('PUT', `${pods}/kept`, { ...rest, metadata });
  expect(owners(put)).toEqual(['m Apply', 'm Apply status']);
  expect(put.metadata.resourceVersion).toBe(metadata.resourceVersion);
});

test('what is written otherwise but means the same is not written again', async () => {
  const statefulSet = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'same', creationTimestamp: null, resourceVersion: null },
    spec: {
      serviceName: 's',
      selector: { matchLabels: { a: 'b' } },
      template: {
        metadata: { annotations: {}, labels: { a: 'b' } },
        spec: { containers: [{ name: 'c', image: 'i', resources: { limits: { memory: '2048Mi' } } }] },
      },
      volumeClaimTemplates: [
        { metadata: { name: 'v' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
      ],
    },
  };
  const path = '/apis/apps/v1/namespaces/default/statefulsets/same';
  const first = await apply(path, 'm', statefulSet);
  // The clock of managers has seconds.
  await expect.poll(() => Math.floor(Date.now() / 1000)).not.toBe(Date.parse(first.metadata.managedFields?.[0]?.time ?? '') / 1000);
  const second = await apply(path, 'm', statefulSet);
  expect(second).toEqual(first);
});

test('ports are told in the order of their numbers', async () => {
  const service = (...ports: number[]) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'ports' },
    spec: { ports: ports.map((port) => ({ port, name: `p${port}`, targetPort: port + 1 })) },
  });
  const path = '/api/v1/namespaces/default/services/ports';
  const { metadata } = await apply(path, 'first', service(443, 8080, 80));
  const keys = JSON.stringify(metadata.managedFields?.[0]?.fieldsV1).match(/"k:.*?}"/g);
  expect(keys).toEqual([80, 443, 8080].map((port) => JSON.stringify(`k:{"port":${port},"protocol":"TCP"}`)));
  const key = (port: number) => `[port=${port},protocol="TCP"]`;
  const other = service(443, 80);
  const ports = other.spec.ports.map(({ port, name }) => ({ port, name: `${name}x`, targetPort: 1 }));
  const refused = await apply(path, 'second', { ...other, spec: { ports } });
  const fields = [80, 443].flatMap((port) => [`.spec.ports${key(port)}.name`, `.spec.ports${key(port)}.targetPort`]);
  expect(refused.message).toBe(`Apply failed with 4 conflicts: conflicts with "first":\n${fields.map((field) => `- ${field}`).join('\n')}`);
});

test("of items that repeat a key nobody owns parts, and what strategies add is nobody's but what they say of defaults", async () => {
  const path = '/apis/apps/v1/namespaces/default/daemonsets';
  const daemonSet = (...env: [string, string][]) => ({
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'twice' },
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: {
        metadata: { labels: { a: 'b' } },
        spec: { containers: [{ name: 'c', image: 'i', env: env.map(([name, value]) => ({ name, value })) }] },
      },
    },
  });
  const env = ({ metadata }: Answer, manager: string) => {
    const steps = ['f:spec', 'f:template', 'f:spec', 'f:containers', 'k:{"name":"c"}', 'f:env'];
    const found = metadata.managedFields?.find((entry) => entry.manager === manager)?.fieldsV1 as Fields | undefined;
    return steps.reduce((fields, step) => fields?.[step], found);
  };
  const created = await send('POST', `${path}?fieldManager=creator`, daemonSet(['A', '1'], ['B', '1'], ['B', '2']));
  const first = { '.': {}, 'k:{"name":"A"}': { '.': {}, 'f:name': {}, 'f:value': {} } };
  expect(env(created, 'creator')).toEqual({ ...first, 'k:{"name":"B"}': {} });
  expect(created.metadata.managedFields?.[0]?.fieldsV1).toMatchObject({
    'f:metadata': { 'f:annotations': { 'f:deprecated.daemonset.template.generation': {} } },
  });
  const changed = await send('PUT', `${path}/twice?fieldManager=updater`, daemonSet(['A', '1'], ['B', '1'], ['B', '3']));
  expect(env(changed, 'creator')).toEqual(first);
  expect(env(changed, 'updater')).toEqual({ 'k:{"name":"B"}': {} });
});

test('who names an owner twice that is there once changes nothing of it', async () => {
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'n', uid: '11111111-1111-1111-1111-111111111111' };
  const owned = (...ownerReferences: object[]) => configMap({ name: 'owned', ownerReferences });
  await send('POST', `${all}?fieldManager=creator`, owned(owner));
  expect(owners(await send('PUT', `${all}/owned?fieldManager=updater`, owned(owner, owner)))).toEqual(['creator Update']);
});

test('who removes the last finalizer is answered the object without it', async () => {
  await apply(one, 'm', configMap({ finalizers: ['a.b/c'] }));
  await send('DELETE', one);
  expect((await apply(one, 'm', configMap())).metadata).not.toHaveProperty('finalizers');
  expect((await send('GET', one)).message).toBe('configmaps "one" not found');
});

test('what names another object than the URL is refused before anything is applied', async () => {
  await apply(one, 'm', configMap());
  expect((await merge(one, { metadata: { namespace: 'other' } })).message).toBe(
    'the namespace of the provided object does not match the namespace sent on the request',
  );
  expect((await merge(one, { kind: 'Secret' })).message).toMatch(
    /^ "" is invalid: patch: Invalid value: .*: converting \(v1\.Secret\) to \(core\.ConfigMap\): unknown conversion$/,
  );
  const uid = '88e00824-7f0e-11e8-94a1-c8d3ffb15800';
  const conflict = (why: string) => `ConfigMap "one" is invalid: metadata.uid: Invalid value: "${uid}": ${why}`;
  expect((await apply(one, 'm', configMap({ uid }))).message).toBe(conflict('field is immutable'));
  await send('DELETE', one);
});

test('what a job is labelled with by itself is owned by nobody', async () => {
  const jobs = '/apis/batch/v1/namespaces/default/jobs';
  const spec = { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } };
  const { metadata } = await send('POST', jobs, { metadata: { name: 'one' }, spec });
  expect(metadata.labels).toMatchObject({ 'job-name': 'one' });
  const patched = await merge(`${jobs}/one?fieldManager=m`, { spec: { suspend: true } });
  const found = patched.metadata.managedFields?.find((entry) => entry.manager === 'm');
  expect(found?.fieldsV1).toEqual({ 'f:spec': { 'f:suspend': {} } });
});
