import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServiceAccount } from '../../src/api/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let api: TestApiServer;
beforeAll(async () => {
  api = await startApiServer();
});
afterAll(() => api.close());

/** Sends one patch of a namespace, without storing it. */
async function patched(type: string, body: string, fieldValidation: string) {
  const path = `/api/v1/namespaces/default?dryRun=All&fieldValidation=${fieldValidation}`;
  const reply = await api.http('PATCH', path, body, { 'content-type': `application/${type}+json` });
  return { message: String(JSON.parse(reply.body).message ?? ''), warning: reply.headers.warning };
}

const repeated = '{"metadata":{"labels":{"x":"1","x":"2"}},"spec":{"unheard":"of"}}';
const operations = '[{"op":"add","path":"/spec/finalizers","path":"/spec/unheard","value":"of","who":"me"}]';

test.each([
  ['merge-patch', repeated, ['duplicate field "metadata.labels.x"', 'unknown field "spec.unheard"']],
  ['strategic-merge-patch', repeated, ['duplicate field "metadata.labels.x"', 'unknown field "spec.unheard"']],
  [
    'json-patch',
    operations,
    ['json patch unknown field "[0].who"', 'json patch duplicate field "[0].path"', 'unknown field "spec.unheard"'],
  ],
])('what a %s repeats and what is unknown is refused or told', async (type, body, problems) => {
  const { message } = await patched(type, body, 'Strict');
  expect(message.slice(message.indexOf('strict'))).toBe(`strict decoding error: ${problems.join(', ')}`);
  const texts = problems.map((problem) => `299 - ${JSON.stringify(problem)}`);
  expect((await patched(type, body, 'Warn')).warning).toBe(texts.join(', '));
  expect((await patched(type, body, 'Ignore')).warning).toBeUndefined();
});

test.each([
  ['merge-patch', '[]', 'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}'],
  ['json-patch', '{}', 'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp'],
  ['json-patch', '[1]', 'error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp'],
  ['json-patch', '[{"op":1}]', 'error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string'],
  ['strategic-merge-patch', '{', 'unexpected end of JSON input'],
  ['strategic-merge-patch', '{"spec":{"$patch":"x"}}', 'unknown patch type: x in map: map[$patch:x]'],
])('a %s of %s is none', async (type, body, message) => {
  expect((await patched(type, body, '')).message).toBe(message);
});

test('a strategic merge goes into the type that there is, whatever kind it names; a merge has to name it', async () => {
  const body = '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"labels":{"x":"1"}}}';
  const path = '/api/v1/namespaces/default?dryRun=All';
  const sent = (type: string) => api.http('PATCH', path, body, { 'content-type': `application/${type}+json` });
  const merged = await sent('strategic-merge-patch');
  expect(JSON.parse(merged.body)).toMatchObject({ apiVersion: 'v1', kind: 'Namespace', metadata: { labels: { x: '1' } } });
  expect((await sent('merge-patch')).status).toBe(422);
});

test('of very many repetitions the first hundred are told', async () => {
  const many = (item: string) => `[${Array.from({ length: 9000 }, () => item).join(',')}]`;
  const test = '{"op":"test","path":"/metadata/name","path":"/metadata/name","value":"default"}';
  const { warning = '' } = await patched('json-patch', many(test), 'Warn');
  expect(String(warning).split('json patch duplicate field')).toHaveLength(101);
  expect((await patched('json-patch', `[${'{"op":"x","op":"x"},'.repeat(150_000)}{}]`, 'Warn')).message).toBe(
    'Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 150001',
  );
});

test('an object that its owners would make too large is stored without them; server-side apply is refused', async () => {
  const keys = Array.from({ length: 9999 }, (_, i) => [
    `a-key-that-is-as-long-as-it-takes-to-make-of-its-owners-what-a-store-does-not-take-${i}`,
    'A',
  ]);
  const data = Object.fromEntries(keys);
  const all = '/api/v1/namespaces/default/configmaps';
  const created = await api.http('POST', all, JSON.stringify({ metadata: { name: 'created' }, data }));
  expect(created.status).toBe(201);
  await api.http('POST', all, JSON.stringify({ metadata: { name: 'changed' } }));
  const body = JSON.stringify({ metadata: { name: 'changed' }, data });
  const merged = await api.http('PATCH', `${all}/changed`, body, { 'content-type': 'application/merge-patch+json' });
  expect(merged.status).toBe(200);
  for (const { body } of [created, merged]) expect(JSON.parse(body).metadata).not.toHaveProperty('managedFields');
  const config = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'created' } });
  const applied = await api.http('PATCH', `${all}/created?fieldManager=a`, config, { 'content-type': 'application/apply-patch+yaml' });
  const { code, message, reason } = JSON.parse(applied.body);
  expect([code, message, reason]).toEqual([500, 'etcdserver: request is too large', undefined]);
});

test('the core group may be written with its slash', async () => {
  const configMap = (name: string) => JSON.stringify({ apiVersion: '/v1', kind: 'ConfigMap', metadata: { name } });
  const path = '/api/v1/namespaces/default/configmaps';
  const as = (type: string) => ({ 'content-type': `application/${type}` });
  const replies = [
    await api.http('POST', path, configMap('slash')),
    await api.http('PATCH', `${path}/slash`, configMap('slash'), as('merge-patch+json')),
    await api.http('PATCH', `${path}/applied?fieldManager=me`, configMap('applied'), as('apply-patch+yaml')),
  ];
  expect(replies.map(({ status, body }) => [status, JSON.parse(body).apiVersion])).toEqual([201, 200, 201].map((code) => [code, 'v1']));
});

test('what the status of a pod says of its deletion does not count', async () => {
  const spec = { containers: [{ name: 'c', image: 'i' }] };
  const pods = '/api/v1/namespaces/default/pods';
  await api.admin.create(ServiceAccount, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'default' } });
  expect((await api.http('POST', pods, JSON.stringify({ metadata: { name: 'dying' }, spec }))).status).toBe(201);
  const patch = JSON.stringify({ metadata: { deletionTimestamp: '2020-01-01T00:00:00Z' }, status: { message: 'seen' } });
  const sent = (path: string) => api.http('PATCH', `${pods}/dying${path}`, patch, { 'content-type': 'application/merge-patch+json' });
  expect((await sent('')).status).toBe(422);
  const { status, body } = await sent('/status');
  expect(status, body).toBe(200);
  expect(JSON.parse(body).metadata.deletionTimestamp).toBeUndefined();
});
