import { afterAll, beforeAll, expect, test } from 'vitest';
import type { apiextensionsV1, CustomResourceDefinition } from '../../src/api/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { eventually } from '../support/wait.ts';

let api: TestApiServer;
beforeAll(async () => {
  api = await startApiServer();
});
afterAll(() => api.close());

type Version = apiextensionsV1.CustomResourceDefinitionVersion;
type Fields = Record<string, unknown>;

interface Answered {
  code: number;
  warning: string | undefined;
  text: string;
  message: string;
  status: Fields;
  spec: Fields;
  [field: string]: unknown;
}

async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answered> {
  const reply = await api.http(method, path, body === undefined ? undefined : JSON.stringify(body), headers);
  const isJson = reply.headers['content-type'] === 'application/json';
  return { text: reply.body, ...(isJson ? JSON.parse(reply.body) : {}), code: reply.status, warning: reply.headers.warning };
}

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const version = (name: string, more: Partial<Version> = {}, schema: object = anything): Version => ({
  name,
  served: true,
  storage: true,
  schema: { openAPIV3Schema: schema } as unknown as Version['schema'], // written as a client writes it
  ...more,
});

/** Defines things of a group of the test's own, in its default namespace; answers where they are. */
async function define(group: string, versions: Version[], more: Fields = {}, annotations: Record<string, string> = {}): Promise<string> {
  const created = await send('POST', definitions, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `things.${group}`, annotations },
    spec: { group, scope: 'Namespaced', names: { plural: 'things', kind: 'Thing' }, versions, ...more },
  });
  expect(created, created.message).toMatchObject({ code: 201 });
  const conditions = await eventually('conditions', async () => (await definitionOf(group)).status?.conditions?.length);
  expect(conditions).toBeGreaterThan(1);
  return `/apis/${group}/${versions[0]?.name}/namespaces/default/things`;
}

const definitionOf = async (group: string) => (await send('GET', `${definitions}/things.${group}`)) as unknown as CustomResourceDefinition; // asked for by its name

const thing = (apiVersion: string, more: Fields = {}) => ({ apiVersion, kind: 'Thing', metadata: { name: 'one' }, ...more });

test('definitions of protected groups say whether they are approved', async () => {
  await define('sigs.k8s.io', [version('v1')], {}, { 'api-approved.kubernetes.io': 'https://example.com/approved' });
  expect((await definitionOf('sigs.k8s.io')).status?.conditions).toContainEqual(
    expect.objectContaining({
      type: 'KubernetesAPIApprovalPolicyConformant',
      status: 'True',
      reason: 'ApprovedAnnotation',
      message: 'approved in https://example.com/approved',
    }),
  );
});

test('a definition of what the server has anyway changes nothing, and goes again', async () => {
  const overlap = async (plural: string, group: string, kind: string) => {
    const schema = { openAPIV3Schema: { type: 'object', required: ['probe'], properties: { probe: { type: 'boolean' } } } };
    const names = { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List` };
    const metadata = { name: `${plural}.${group}`, annotations: { 'api-approved.kubernetes.io': 'unapproved, testing only' } };
    const spec = { group, scope: 'Cluster', names, versions: [{ name: 'v1', served: true, storage: true, schema }] };
    expect((await send('POST', definitions, { metadata, spec })).code).toBe(201);
    const at = `${definitions}/${metadata.name}`;
    await eventually('Established', async () =>
      ((await send('GET', at)).status?.conditions as { type: string; status: string }[] | undefined)?.some(
        ({ type, status }) => type === 'Established' && status === 'True',
      ),
    );
    return at;
  };
  const ofDefinitions = await overlap('customresourcedefinitions', 'apiextensions.k8s.io', 'CustomResourceDefinition');
  const ofServices = await overlap('apiservices', 'apiregistration.k8s.io', 'APIService');
  // In versions with kinds of the server's own no others are served.
  const ofBars = await overlap('bars', 'apiextensions.k8s.io', 'Bar');
  const { resources } = await send('GET', '/apis/apiextensions.k8s.io/v1');
  expect((resources as { name: string }[]).map(({ name }) => name)).toEqual([
    'customresourcedefinitions',
    'customresourcedefinitions/status',
  ]);
  expect((await send('GET', '/apis/apiextensions.k8s.io/v1/bars')).code).toBe(404);
  // Built-in validation, and a place in the store that the end of the definition does not touch.
  const services = '/apis/apiregistration.k8s.io/v1/apiservices';
  const spec = { group: 'kept.example', version: 'v1', groupPriorityMinimum: 100, versionPriority: 100 };
  expect(await send('POST', services, { metadata: { name: 'v1.kept.example' }, spec })).toMatchObject({ code: 201 });
  for (const at of [ofDefinitions, ofServices, ofBars]) {
    expect((await send('DELETE', at)).code).toBe(200);
    await eventually('gone', async () => (await send('GET', at)).code === 404);
  }
  expect((await send('DELETE', `${services}/v1.kept.example`)).code).toBe(200);
  // A definition whose type has the name of one of the server's is told of by another name.
  const namesake = await overlap('things', 'apiextensions.apis.pkg.apiextensions-apiserver.k8s.io', 'CustomResourceDefinition');
  const document = (await send('GET', '/openapi/v2')).definitions as Record<string, { required?: string[] }>;
  const name = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition';
  expect([document[name]?.required, document[`${name}_v2`]?.required]).toEqual([['spec'], ['probe']]);
  await send('DELETE', namesake);
});

test('a definition whose conversion webhook has no certificates to trust is not established, nor can an established one become so', async () => {
  const conversion = (caBundle?: string) => ({
    strategy: 'Webhook',
    webhook: { clientConfig: { caBundle, service: { namespace: 'default', name: 'none' } }, conversionReviewVersions: ['v1'] },
  });
  await define('bundle.example.com', [version('v1')], { conversion: conversion('Cg==') });
  expect((await definitionOf('bundle.example.com')).status?.conditions).toContainEqual(
    expect.objectContaining({ type: 'Established', status: 'False', reason: 'InvalidCABundle' }),
  );
  await define('none.example.com', [version('v1')], { conversion: conversion() });
  const merge = { 'content-type': 'application/merge-patch+json' };
  const spoilt = await send('PATCH', `${definitions}/things.none.example.com`, { spec: { conversion: conversion('Cg==') } }, merge);
  expect(spoilt.message).toContain('spec.conversion.webhookClientConfig.caBundle: Invalid value');
});

test("a resource whose group begins as one of the server's, and whose kind is named alike, is nobody's but its own", async () => {
  const names = { plural: 'things', kind: 'StatefulSet' };
  const path = await define('apps.example.com', [version('v1beta1')], { names });
  const set = { apiVersion: 'apps.example.com/v1beta1', kind: 'StatefulSet', metadata: { name: 'one' }, spec: { replicas: 'many' } };
  expect(await send('POST', path, set)).toMatchObject({ code: 201, spec: set.spec });
  const strategic = { 'content-type': 'application/strategic-merge-patch+json' };
  expect(await send('PATCH', `${path}/one`, { spec: { any: 1 } }, strategic)).toMatchObject({ code: 415 });
  const protobuf = 'application/vnd.kubernetes.protobuf';
  expect(await send('GET', `${path}/one`, undefined, { accept: protobuf })).toMatchObject({ code: 406 });
  expect(await send('GET', `${path}/one`, undefined, { accept: `${protobuf}, application/json` })).toMatchObject({ spec: set.spec });
});

test('users of a deprecated version are told of the best one after it', async () => {
  const versions = [version('v1alpha1', { storage: false, deprecated: true }), version('v1beta1', { storage: false }), version('v1beta2')];
  const path = await define('old.example.com', versions);
  expect((await send('GET', path)).warning).toBe('299 - "old.example.com/v1alpha1 Thing is deprecated; use old.example.com/v1beta2 Thing"');
});

test('bodies say what they are, and below which paths they are', async () => {
  const path = await define('said.example.com', [version('v1')]);
  const answers: [unknown, number, string][] = [
    [{}, 400, "Object 'Kind' is missing in 'unstructured object has no kind'"],
    [{ kind: 'Thing' }, 400, "Object 'apiVersion' is missing in 'unstructured object has no version'"],
    [
      { ...thing('said.example.com/v1'), kind: 'Other' },
      422,
      'Other.said.example.com "one" is invalid: kind: Invalid value: "Other": must be Thing',
    ],
  ];
  for (const [body, code, message] of answers) expect(await send('POST', path, body)).toMatchObject({ code, message });
  for (const [method, at] of [
    ['POST', ''],
    ['DELETE', ''],
    ['GET', '/one'],
  ] as const)
    expect(await send(method, `/apis/said.example.com/v1/things${at}`, thing('said.example.com/v1'))).toMatchObject({
      code: 404,
      text: '404 page not found\n',
    });
  expect((await send('GET', '/apis/said.example.com/v1/things')).code).toBe(200);
  const watch = await send('GET', `${path}?watch=true`, undefined, { accept: 'application/yaml' });
  expect(watch).toMatchObject({ code: 406, text: expect.stringMatching(/^apiVersion: v1\ncode: 406\nkind: Status\n/) });
  const finalizers = ['example.com/x', 'a.b'];
  expect(await send('POST', path, { ...thing('said.example.com/v1'), metadata: { name: 'two', finalizers } })).toMatchObject({
    code: 201,
    warning: expect.stringContaining('prefer a domain-qualified finalizer name including a path (/)'),
  });
});

test('what is read has the defaults of the version it is stored in, and a status is validated by itself', async () => {
  const schema = (field: string) => {
    const properties = { [field]: { type: 'string', default: field }, both: { type: 'integer', maximum: 10 } };
    return { type: 'object', properties: { spec: { type: 'object', properties }, status: { type: 'object', properties } } };
  };
  const scale = { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' };
  const subresources = { status: {}, scale };
  const path = await define('read.example.com', [
    version('v1', { storage: false, subresources }, schema('a')),
    version('v2', { served: false, subresources }, { ...anything, ...schema('a') }),
  ]);
  const created = await send('POST', path, thing('read.example.com/v1', { spec: { both: 1 } }));
  expect(created.spec).toEqual({ a: 'a', both: 1 });
  const { resources } = (await send('GET', '/apis/read.example.com/v1')) as unknown as { resources: { name: string }[] };
  expect(resources.map(({ name }) => name)).toEqual(['things', 'things/status', 'things/scale']);
  const { text: _text, code: _code, warning: _warning, ...object } = created;
  const refused = await send('PUT', `${path}/one/status`, { ...object, status: { both: 11 } });
  expect(refused.message).toBe(
    'Thing.read.example.com "one" is invalid: status.both: Invalid value: 11: both in body should be less than or equal to 10',
  );
  // Who applies a status comes to own nothing that a status does not bring along.
  const labelled = { apiVersion: 'read.example.com/v1', kind: 'Thing', metadata: { name: 'one', labels: { a: 'b' } }, status: { both: 1 } };
  const apply = { 'content-type': 'application/apply-patch+yaml' };
  const applied = await send('PATCH', `${path}/one/status?fieldManager=m&force=true`, labelled, apply);
  const { managedFields } = applied.metadata as { managedFields: { manager: string; fieldsV1: object }[] };
  expect(managedFields.find(({ manager }) => manager === 'm')?.fieldsV1).toEqual({ 'f:status': { 'f:both': {} } });
  // But the status of a definition brings along all of its metadata.
  const definition = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.read.example.com';
  const merge = { 'content-type': 'application/merge-patch+json' };
  const { metadata } = await send('PATCH', `${definition}/status`, { metadata: { labels: { a: 'b' } } }, merge);
  expect(metadata).toMatchObject({ labels: { a: 'b' } });
  const strategic = { 'content-type': 'application/strategic-merge-patch+json' };
  expect((await send('PATCH', `${path}/one/scale`, {}, strategic)).code).toBe(415);
});

test('scales and objects within objects are such as they could be by themselves', async () => {
  const embedded = { 'x-kubernetes-embedded-resource': true, ...anything };
  const schema = {
    ...anything,
    properties: {
      inner: {
        ...embedded,
        properties: { kind: { type: 'string' }, metadata: { type: 'object', default: { name: 'given', unheard: 'of' } } },
      },
      ruled: { type: 'object', properties: { n: { type: 'integer' } }, 'x-kubernetes-validations': [{ rule: 'self.n > 1' }] },
    },
  };
  const scale = { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' };
  const path = await define('within.example.com', [version('v1', { subresources: { scale } }, schema)]);
  const post = (more: Fields) => send('POST', path, thing('within.example.com/v1', more));
  expect((await post({ spec: { replicas: 2 ** 31 } })).message).toContain(
    '.spec.replicas: Invalid value: 2147483648: should be less than or equal to 2147483647',
  );
  expect((await post({ inner: { apiVersion: 'v1', kind: '%', metadata: { name: '..' } } })).message).toMatch(
    /inner.kind: Invalid value: "%": may have mixed case.*inner.metadata.name: Invalid value: "..": may not be '..'/,
  );
  expect(await post({ inner: { apiVersion: 'v1', kind: 'A', metadata: { name: 1 } } })).toMatchObject({
    code: 400,
    message: expect.stringContaining('inner.metadata: Invalid value: {"name":1}: json: cannot unmarshal number'),
  });
  expect((await post({ ruled: { n: 'x' } })).message).toContain('some validation rules were not checked because the object was invalid');
  expect((await post({ inner: { apiVersion: 'v1', kind: 'A' } })).inner).toEqual({
    apiVersion: 'v1',
    kind: 'A',
    metadata: { name: 'given' },
  });
});

test('YAML that nests without end is refused at once', async () => {
  const path = await define('deep.example.com', [version('v1')]);
  for (const text of ['['.repeat(1_000_000), '- '.repeat(1_000_000), '? '.repeat(1_000_000)]) {
    const reply = await api.http('POST', path, `values: ${text}`, { 'content-type': 'application/yaml' });
    expect(reply).toMatchObject({ status: 400, body: expect.stringContaining('exceeded max depth of 10000') });
  }
});

test('fields that objects are selected by and lists are published as they are named, and documents are kept by their hash', async () => {
  const schema = { type: 'object', properties: { spec: { type: 'object', properties: { color: { type: 'string' } } } } };
  const names = { plural: 'things', kind: 'Thing', listKind: 'Things' };
  const chosen = version('v1', { selectableFields: [{ jsonPath: '.spec.color' }] }, schema);
  const path = await define('chosen.example.com', [chosen], { names });
  const fields = { 'x-kubernetes-selectable-fields': [{ fieldPath: 'spec.color' }] };
  expect(await send('GET', path)).toMatchObject({ kind: 'Things', apiVersion: 'chosen.example.com/v1', items: [] });
  const { definitions: v2 } = await send('GET', '/openapi/v2');
  expect((v2 as Fields)['com.example.chosen.v1.Things']).toMatchObject({ description: 'Things is a list of Thing' });
  expect((v2 as Fields)['com.example.chosen.v1.Thing']).toMatchObject(fields);
  const at = '/openapi/v3/apis/chosen.example.com/v1';
  const { components } = (await send('GET', at)) as unknown as { components: { schemas: Fields } };
  expect(components.schemas['com.example.chosen.v1.Thing']).toMatchObject(fields);
  const { headers, status } = await api.http('GET', `${at}?hash=stale`);
  expect(status).toBe(301);
  const kept = await api.http('GET', String(headers.location));
  expect(kept.headers).toMatchObject({ 'cache-control': 'public, immutable', expires: expect.stringMatching(/ GMT$/) });
});

test('of a definition that is being deleted nothing new is created, by whichever verb', async () => {
  const path = await define('ending.example.com', [version('v1')]);
  const held = { ...thing('ending.example.com/v1'), metadata: { name: 'held', finalizers: ['example.com/held'] } };
  await send('POST', path, held);
  await send('DELETE', `${definitions}/things.ending.example.com`);
  const terminating = async () => (await definitionOf('ending.example.com')).status?.conditions?.some(({ type }) => type === 'Terminating');
  await eventually('terminating', terminating);
  const refused = { code: 403, message: expect.stringContaining('create not allowed while custom resource definition is terminating') };
  await eventually('refused', async () => (await send('POST', `${path}?dryRun=All`, thing('ending.example.com/v1'))).code === 403);
  expect(await send('POST', path, thing('ending.example.com/v1'))).toMatchObject(refused);
  const apply = { 'content-type': 'application/apply-patch+yaml' };
  expect(await send('PATCH', `${path}/one?fieldManager=a`, thing('ending.example.com/v1'), apply)).toMatchObject(refused);
  const merge = { 'content-type': 'application/merge-patch+json' };
  expect(await send('PATCH', `${path}/held`, { metadata: { finalizers: null } }, merge)).toMatchObject({ code: 200 });
  await eventually('gone', async () => (await send('GET', `${definitions}/things.ending.example.com`)).code === 404);
});

test('metadata that is none, written by somebody past the server, is read without what is wrong with it', async () => {
  const path = await define('corrupt.example.com', [
    version('v1', {}, { ...anything, properties: { inner: { ...anything, 'x-kubernetes-embedded-resource': true } } }),
  ]);
  const metadata = { name: 'one', namespace: 'default', unheard: 42, annotations: { a: 42 }, labels: { a: 'not valid' } };
  const inner = { apiVersion: 'v1', kind: 'Pod', metadata: { annotations: { a: 42 }, labels: { a: 'not valid' } } };
  const value = Buffer.from(JSON.stringify({ ...thing('corrupt.example.com/v1'), metadata, inner }));
  await api.store.commit([], [{ put: '/registry/corrupt.example.com/things/default/one', value }]);
  const read = await eventually('read', async () => {
    const answer = await send('GET', `${path}/one`);
    return answer.code === 200 && answer;
  });
  const labels = { a: 'not valid' };
  expect(read).toMatchObject({ metadata: { labels, generation: 1 }, inner: { metadata: { labels } } });
  for (const known of [read.metadata, (read.inner as Fields).metadata]) expect(known).not.toHaveProperty('annotations');
  expect(read.metadata).not.toHaveProperty('unheard');
  expect((await send('DELETE', `${path}/one`)).code).toBe(200);
});

const looseSchema = { openAPIV3Schema: { type: 'object', properties: { a: {} } } };
test.each([
  ['v1', { preserveUnknownFields: true, versions: [{ name: 'v1', served: true, storage: true, schema: looseSchema }] }],
  ['v1beta1', { validation: looseSchema, versions: [{ name: 'v1', served: true, storage: true }] }],
])('a definition of %s that was stored before schemas had to be structural says so until they are', async (apiVersion, fields) => {
  const group = `loose.${apiVersion}.example.com`;
  const names = { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' };
  const spec = { group, scope: 'Namespaced', names, conversion: { strategy: 'None' }, ...fields };
  const value = {
    kind: 'CustomResourceDefinition',
    apiVersion: `apiextensions.k8s.io/${apiVersion}`,
    metadata: { name: `things.${group}`, uid: `u-${apiVersion}`, generation: 1, creationTimestamp: '2019-01-01T00:00:00Z' },
    spec,
    status: { acceptedNames: names, storedVersions: ['v1'], conditions: [] },
  };
  const put = `/registry/apiextensions.k8s.io/customresourcedefinitions/things.${group}`;
  await api.store.commit([], [{ put, value: Buffer.from(JSON.stringify(value)) }]);
  const said = async () => (await definitionOf(group)).status?.conditions?.find(({ type }) => type === 'NonStructuralSchema');
  expect(await eventually('a condition', said)).toMatchObject({
    status: 'True',
    reason: 'Violations',
    message:
      '[spec.preserveUnknownFields: Invalid value: true: must be false, spec.versions[0].schema.openAPIV3Schema.properties[a].type: Required value: must not be empty for specified object fields]',
  });
  const path = `/apis/${group}/v1/namespaces/default/things`;
  await eventually('served', async () => (await send('GET', path)).code === 200);
  expect(await send('POST', path, thing(`${group}/v1`, { a: 1, b: { c: 2 } }))).toMatchObject({ code: 201, a: 1, b: { c: 2 } });
  const merge = { 'content-type': 'application/merge-patch+json' };
  const versions = [version('v1', {}, { type: 'object', properties: { a: { type: 'string' } } })];
  const mended = await send('PATCH', `${definitions}/things.${group}`, { spec: { preserveUnknownFields: false, versions } }, merge);
  expect(mended, mended.message).toMatchObject({ code: 200 });
  await eventually('no condition', async () => (await said()) === undefined);
});

test('a stored value that is no object costs requests for it, and those for all, but not those for others', async () => {
  const path = await define('junk.example.com', [version('v1')]);
  await send('POST', path, thing('junk.example.com/v1'));
  await api.store.commit([], [{ put: '/registry/junk.example.com/things/default/junk', value: Buffer.from('{nope') }]);
  const refused = { code: 500, message: expect.stringContaining('unable to decode /registry/junk.example.com/things/default/junk: ') };
  await eventually('refused', async () => (await send('GET', path)).code === 500);
  for (const at of [path, `${path}/junk`]) expect(await send('GET', at)).toMatchObject(refused);
  expect(await send('GET', `${path}/one`)).toMatchObject({ code: 200 });
  expect(await send('POST', path, { ...thing('junk.example.com/v1'), metadata: { name: 'two' } })).toMatchObject({ code: 201 });
});
