/** What of a body is told, and where: fields that are unknown or repeated, in JSON, YAML and server-side apply, of typed and custom kinds. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { eventually } from '../support/wait.ts';

let api: TestApiServer;
const things = '/apis/things.example.com/v1/things';
beforeAll(async () => {
  api = await startApiServer();
  const item = { type: 'object', properties: { port: { type: 'integer' } } };
  const embedded = { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true };
  const spec = { type: 'object', properties: { known: { type: 'string' }, list: { type: 'array', items: item }, embedded } };
  const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties: { spec } } } };
  const names = { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' };
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'things.things.example.com' },
    spec: { group: 'things.example.com', scope: 'Cluster', names, versions: [version] },
  };
  await api.http('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', JSON.stringify(definition));
  await eventually('things are served', async () => (await api.http('GET', things)).status === 200);
});
afterAll(() => api?.close());

const told = (warnings: readonly string[]) => warnings.map((text) => `299 - ${JSON.stringify(text)}`).join(', ') || undefined;

const yaml = `apiVersion: v1
kind: Pod
metadata:
  name: x
  name: pod
  other: y
spec:
  unheard: 1
  hostname: a
  hostname: b
  containers:
  - name: c
    image: i
    strange: z
`;
const repeated = ['line 5: key "name" already set in map', 'line 10: key "hostname" already set in map'];
const unknown = ['metadata.other', 'spec.containers[0].strange', 'spec.unheard'].map((path) => `unknown field "${path}"`);

test('what YAML repeats is told line by line', async () => {
  const send = (validation: string) =>
    api.http('POST', `/api/v1/namespaces/default/pods?dryRun=All&fieldValidation=${validation}`, yaml, {
      'content-type': 'application/yaml',
    });
  expect((await send('Warn')).headers.warning).toBe(told([...repeated, ...unknown]));
  expect((await send('Ignore')).headers.warning).toBeUndefined();
  const lines = repeated.map((line) => `  ${line}`).join('\n');
  const { message } = JSON.parse((await send('Strict')).body);
  expect(message.slice(message.indexOf('strict'))).toBe(`strict decoding error: yaml: unmarshal errors:\n${lines}, ${unknown.join(', ')}`);
});

test('so is what an applied configuration repeats', async () => {
  const body =
    '{\n"apiVersion": "v1",\n"kind": "ConfigMap",\n"metadata": {"name": "twice"},\n"data": {"a": "1",\n"a": "2"},\n"immutable": true,\n"immutable": false,\n"data":\n{}\n}';
  const send = (validation: string) =>
    api.http('PATCH', `/api/v1/namespaces/default/configmaps/twice?dryRun=All&fieldManager=m&fieldValidation=${validation}`, body, {
      'content-type': 'application/apply-patch+yaml',
    });
  const lines = [
    'line 6: key "a" already set in map',
    'line 8: key "immutable" already set in map',
    'line 10: key "data" already set in map',
  ];
  expect((await send('')).headers.warning).toBe(told(lines));
  expect(JSON.parse((await send('Strict')).body).message).toBe(
    `error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n${lines.map((line) => `  ${line}`).join('\n')}`,
  );
});

test('what a schema does not know is told in order, and of metadata within last', async () => {
  const body = {
    apiVersion: 'things.example.com/v1',
    kind: 'Thing',
    metadata: { name: 'thing', other: 'x' },
    spec: {
      embedded: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', deep: 'y' } },
      unheard: 1,
      known: 'a',
      list: [{ port: 1, strange: 2 }],
    },
  };
  const paths = ['metadata.other', 'spec.list[0].strange', 'spec.unheard', 'spec.embedded.metadata.deep'];
  const { headers } = await api.http('POST', `${things}?dryRun=All`, JSON.stringify(body));
  expect(headers.warning).toBe(told(paths.map((path) => `unknown field "${path}"`)));
});

test.each([
  ['{', 400, /^error decoding YAML: error converting YAML to JSON: yaml: /],
  [
    '[]',
    400,
    'error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}',
  ],
  ['', 400, 'invalid object type: /, Kind='],
  [{ managedFields: [] }, 400, 'metadata.managedFields must be nil'],
  [{ labels: { a: 1 } }, 500, /: \.metadata\.labels\.a: expected string, got &value\.valueUnstructured\{Value:1\}$/],
  [{ labels: ['a', 'b'] }, 500, /: \.metadata\.labels: expected map, got &\{\[a b\]\}$/],
  [{ ownerReferences: 'a' }, 500, /: \.metadata\.ownerReferences: expected list, got &\{a\}$/],
  [{ generation: {} }, 500, /: \.metadata\.generation: expected numeric \(int or float\), got map\[string\]interface \{\}$/],
  [
    { name: { a: 1 } },
    500,
    /: \.metadata\.name: expected string, got &value\.valueUnstructured\{Value:map\[string\]interface \{\}\{"a":1\}\}$/,
  ],
  [{ finalizers: ['a/b', 'a/b'] }, 500, /: \.metadata\.finalizers: duplicate entries for key \[="a\/b"\]$/],
])('%j is not applied', async (sent, status, message) => {
  const body = typeof sent === 'string' ? sent : JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', ...sent } });
  const path = '/api/v1/namespaces/default/configmaps/x?fieldManager=m';
  const answer = await api.http('PATCH', path, body, { 'content-type': 'application/apply-patch+yaml' });
  expect(answer.status).toBe(status);
  expect(JSON.parse(answer.body).message).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
});
