/** Bodies nested as deep as upstream takes them, and deeper, in every encoding and every kind of patch, at a cluster's own process. */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCbor, encodeProtobuf, kindNode } from '../../src/api/index.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';

let cluster: TestCluster;
let agent: Agent;

interface Reply {
  status: number;
  body: string;
}

const pem = (file: string) => readFileSync(join(cluster.dataDir, 'pki', file), 'utf8');

function http(method: string, path: string, body?: string | Uint8Array, type = 'application/json', accept = 'application/json') {
  const { port } = new URL(url);
  return new Promise<Reply>((resolve, reject) => {
    const headers = { accept, ...(body === undefined ? {} : { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) }) };
    const sent = request({ host: '127.0.0.1', port, method, path, agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    sent.on('error', (error) => reject(new Error(`${method} ${path} as ${accept}: ${error.message}`)));
    sent.end(body);
  });
}
let url = '';

/** A Deep's spec is the third level: `levels` are all there are in the object. */
const objects = (levels: number, leaf: string) => `${'{"a":'.repeat(levels - 2)}${leaf}${'}'.repeat(levels - 2)}`;
const arrays = (levels: number, leaf: string) => `${'['.repeat(levels - 2)}${leaf}${']'.repeat(levels - 2)}`;
const deep = (name: string, x: string, metadata = '') =>
  `{"apiVersion":"e.io/v1","kind":"Deep","metadata":{"name":"${name}"${metadata}},"spec":{"x":${x}}}`;

const all = '/apis/e.io/v1/namespaces/default/deeps';
const mergePatch = 'application/merge-patch+json';
const jsonPatch = 'application/json-patch+json';
const applyPatch = 'application/apply-patch+yaml';
const strategicPatch = 'application/strategic-merge-patch+json';
const protobuf = 'application/vnd.kubernetes.protobuf';

beforeAll(async () => {
  cluster = await startCluster('--runtime', 'hollow', '--nodes', '0', '--apiserver-arg', 'feature-gates=CBORServingAndStorage=true');
  url = /server: (\S+)/.exec(await cluster.kubectl('config', 'view', '--minify'))?.[1] ?? '';
  agent = new Agent({ keepAlive: true, ca: pem('ca.crt'), cert: pem('admin.crt'), key: pem('admin.key') });
  const schema = {
    type: 'object',
    properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
  };
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'deeps.e.io' },
    spec: {
      group: 'e.io',
      scope: 'Namespaced',
      names: { plural: 'deeps', kind: 'Deep' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  };
  await http('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', JSON.stringify(definition));
  await cluster.kubectl('wait', '--for=condition=Established', 'crd/deeps.e.io');
});
afterAll(async () => {
  agent?.destroy();
  await cluster?.down();
});

describe.each([
  ['objects', objects],
  ['arrays', arrays],
] as const)('%s', (shape, nested) => {
  it.each([1001, 9999])('%i levels are created, read, changed and deleted', async (levels) => {
    const name = `${shape}-${levels}`;
    const path = `${all}/${name}`;
    const x = nested(levels, '1');
    // As text: this process has no stack for it.
    const keeps = async (value: string) => (await http('GET', path)).body.includes(`"spec":{"x":${value}}`);
    expect((await http('POST', `${all}?fieldValidation=Strict`, deep(name, x))).status).toBe(201);
    expect(await keeps(x)).toBe(true);
    expect((await http('GET', path, undefined, undefined, 'application/cbor')).status).toBe(200);
    const yaml = await http('GET', path, undefined, undefined, 'application/yaml');
    expect(yaml.status).toBe(200);
    expect(yaml.body.length).toBeLessThan(20 * x.length + 20_000);
    expect((await http('GET', path, undefined, undefined, 'application/json;as=Table;v=v1;g=meta.k8s.io')).status).toBe(200);
    const [, resourceVersion] = /"resourceVersion":"(\d+)"/.exec((await http('GET', path)).body) ?? [];
    // The long integer is what a second reader of JSON is for.
    const changes: [string, string, string, string][] = [
      [
        'PUT',
        'application/json',
        '12345678901234567',
        deep(name, nested(levels, '12345678901234567'), `,"resourceVersion":"${resourceVersion}"`),
      ],
      ['PATCH', mergePatch, '2', `{"spec":{"x":${nested(levels, '2')}}}`],
      ['PATCH', jsonPatch, '3', `[{"op":"replace","path":"/spec/x","value":${nested(levels - 1, '3')}}]`],
    ];
    for (const [method, type, leaf, body] of changes) {
      expect([type, (await http(method, path, body, type)).status]).toEqual([type, 200]);
      expect(await keeps(nested(type === jsonPatch ? levels - 1 : levels, leaf))).toBe(true);
    }
    const apply = (leaf: string, query: string) => http('PATCH', `${path}?${query}`, deep(name, nested(levels, leaf)), applyPatch);
    expect((await apply('4', 'fieldManager=one&force=true')).status).toBe(200);
    expect(await keeps(nested(levels, '4'))).toBe(true);
    expect((await apply('5', 'fieldManager=two')).status).toBe(409);
    expect((await http('PATCH', `${path}?fieldManager=one&force=true`, deep(name, '{}'), applyPatch)).status).toBe(200);
    expect((await http('POST', all, deep(`${name}-yaml`, x), 'application/yaml')).status).toBe(201);
    expect((await http('DELETE', path)).status).toBe(200);
  });

  it('10001 levels are refused', async () => {
    const name = `${shape}-10001`;
    const x = nested(10_001, '1');
    const because = async (reply: Promise<Reply>) => {
      const { code, message } = JSON.parse((await reply).body);
      return `${code} ${message}`;
    };
    expect(await because(http('POST', all, deep(name, x)))).toMatch(
      /^400 the object provided is unrecognized \(must be of type Deep\): couldn't get version\/kind; json parse error: exceeded max depth \(/,
    );
    expect(await because(http('POST', all, deep(name, x), 'application/yaml'))).toContain('yaml: exceeded max depth of 10000');
    expect(await because(http('PATCH', `${all}/${name}?fieldManager=one`, deep(name, x), applyPatch))).toContain(
      'exceeded max depth of 10000',
    );
    expect((await http('POST', all, deep(name, '{}'))).status).toBe(201);
    for (const [type, body] of [
      [mergePatch, `{"spec":{"x":${x}}}`],
      [jsonPatch, `[{"op":"add","path":"/spec/x","value":${x}}]`],
    ] as const)
      expect([type, await because(http('PATCH', `${all}/${name}`, body, type))]).toEqual([
        type,
        expect.stringContaining('exceeded max depth'),
      ]);
    // Nor does a patch put together what could not be sent.
    const half = `[{"op":"add","path":"/spec/x","value":${nested(6000, '1')}},{"op":"copy","from":"/spec/x","path":"/spec/x${(shape === 'objects' ? '/a' : '/0').repeat(5998)}"}]`;
    expect(await because(http('PATCH', `${all}/${name}`, half, jsonPatch))).toBe(
      '422 the server rejected our request due to an error in our request',
    );
    expect((await http('DELETE', `${all}/${name}`)).status).toBe(200);
  });
});

describe('kinds of the table', () => {
  const revisions = '/apis/apps/v1/namespaces/default/controllerrevisions';
  const node = kindNode({ group: 'apps', version: 'v1', kind: 'ControllerRevision' });
  const revision = (name: string, levels: number) => ({
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: { name },
    revision: 1,
    data: { x: JSON.parse(objects(levels, '1')) },
  });

  it('take deep data as protobuf, and give it', async () => {
    if (node === undefined) throw new Error('ControllerRevision is in the table');
    // Their JSON is one within the message: its own levels are counted.
    const shallow = Buffer.from(encodeProtobuf(node, revision('deep', 1001)));
    expect((await http('POST', revisions, shallow, protobuf)).status).toBe(201);
    expect((await http('GET', `${revisions}/deep`, undefined, undefined, protobuf)).status).toBe(200);
    const text = (levels: number) => `{"metadata":{"name":"deeper"},"revision":1,"data":{"x":${objects(levels, '1')}}}`;
    expect((await http('POST', revisions, text(9999))).status).toBe(201);
    expect((await http('POST', revisions, text(10_001))).body).toContain('exceeded max depth');
    const same = `{"data":{"x":${objects(9999, '1')}},"revision":2}`;
    expect((await http('PATCH', `${revisions}/deeper`, same, mergePatch)).status).toBe(200);
    expect((await http('PATCH', `${revisions}/deeper`, `{"data":{"x":${objects(10_001, '1')}}}`, strategicPatch)).body).toContain(
      'exceeded max depth',
    );
  });

  it('take deep managed fields', async () => {
    const fields = (levels: number) => objects(levels - 2, '{}').replaceAll('"a"', '"f:a"');
    const configMap = (name: string, levels: number) =>
      `{"metadata":{"name":"${name}","managedFields":[{"manager":"x","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":${fields(levels)}}]}}`;
    expect((await http('POST', '/api/v1/namespaces/default/configmaps', configMap('owned', 9990))).status).toBe(201);
    const applied = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"owned"},"data":{"a":"b"}}';
    expect((await http('PATCH', '/api/v1/namespaces/default/configmaps/owned?fieldManager=x', applied, applyPatch)).status).toBe(200);
  });
});

it('definitions of deep schemas serve their resources and are described', async () => {
  const levels = 4900; // two of JSON each
  const definition = (inner: string) =>
    `{"metadata":{"name":"wells.e.io"},"spec":{"group":"e.io","scope":"Namespaced","names":{"plural":"wells","kind":"Well"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":${inner}}}}}]}}`;
  const inner = `${'{"type":"object","properties":{"a":'.repeat(levels)}{"type":"string"}${'}}'.repeat(levels)}`;
  expect((await http('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition(inner))).status).toBe(201);
  await cluster.kubectl('wait', '--for=condition=Established', 'crd/wells.e.io');
  const well = `{"apiVersion":"e.io/v1","kind":"Well","metadata":{"name":"w"},"spec":${'{"a":'.repeat(levels)}"water"${'}'.repeat(levels)}}`;
  expect((await http('POST', '/apis/e.io/v1/namespaces/default/wells', well)).status).toBe(201);
  expect((await http('GET', '/openapi/v3/apis/e.io/v1')).status).toBe(200);
  expect((await http('GET', '/openapi/v2')).status).toBe(200);
  expect((await http('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/wells.e.io')).status).toBe(200);
});

it('CBOR ends at 10,000 levels, as upstream', async () => {
  const sent = (levels: number) => {
    const [marked, mark] = [encodeCbor(JSON.parse(deep(`cbor-${levels}`, '7777'))), encodeCbor(7777).subarray(-3)];
    const [before, after = ''] = Buffer.from(marked).toString('latin1').split(Buffer.from(mark).toString('latin1'));
    // Maps of one member, of which the innermost is a number.
    return http('POST', all, Buffer.from(`${before}${'\xa1aa'.repeat(levels - 2)}\x01${after}`, 'latin1'), 'application/cbor');
  };
  // The scalar within is a level, too.
  for (const levels of [64, 9999]) expect((await sent(levels)).status).toBe(201);
  expect((await sent(10_000)).body).toContain('exceeded max nested level 10000');
});

it('policies compare deep values', async () => {
  const rule = { apiGroups: ['e.io'], apiVersions: ['*'], operations: ['UPDATE'], resources: ['deeps'] };
  const policy = {
    metadata: { name: 'still' },
    spec: {
      matchConstraints: { resourceRules: [rule] },
      validations: [{ expression: 'object.spec == oldObject.spec', message: 'stay as you are' }],
    },
  };
  const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies';
  expect((await http('POST', policies, JSON.stringify(policy))).status).toBe(201);
  const binding = { metadata: { name: 'still' }, spec: { policyName: 'still', validationActions: ['Deny'] } };
  const bindings = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings';
  expect((await http('POST', bindings, JSON.stringify(binding))).status).toBe(201);
  expect((await http('POST', all, deep('still', objects(9999, '1')))).status).toBe(201);
  const patch = (leaf: string) =>
    http('PATCH', `${all}/still`, `{"metadata":{"labels":{"a":"b"}},"spec":{"x":${objects(9999, leaf)}}}`, mergePatch);
  await expect.poll(async () => (await patch('2')).body, { timeout: 10_000 }).toContain('stay as you are');
  expect((await patch('1')).status).toBe(200);
  await http('DELETE', `${bindings}/still`);
  await http('DELETE', `${policies}/still`);
});
