import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { decodeCbor, decodeMessage, encodeCbor, openEnvelope, ServiceAccount, structNode } from '../../src/api/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let api: TestApiServer;
beforeAll(async () => {
  api = await startApiServer({ server: { cbor: true } });
});
afterAll(() => api.close());

const configMaps = '/api/v1/namespaces/default/configmaps';
const metadata = ';as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const protobufType = 'application/vnd.kubernetes.protobuf';

/** The bytes of an answer. */
async function bytes(
  path: string,
  accept: string,
  body?: Uint8Array,
  contentType = '',
): Promise<{ status: number; type: string; body: Buffer }> {
  const client = await import('node:https');
  return new Promise((resolve, reject) => {
    const headers = { accept, ...(body ? { 'content-type': contentType, 'content-length': body.length } : {}) };
    const request = client.request(
      { host: '127.0.0.1', port: api.port, path, method: body ? 'POST' : 'GET', headers, agent: false, ...api.tls },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body: Buffer.concat(chunks) }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

describe('encodings', () => {
  it('takes and gives CBOR', async () => {
    const sent = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { key: 'value' } };
    const created = await bytes(configMaps, 'application/cbor', encodeCbor(sent), 'application/cbor');
    expect(created).toMatchObject({ status: 201, type: 'application/cbor' });
    expect(decodeCbor(created.body)).toMatchObject(sent);
    expect(decodeCbor((await bytes(configMaps, 'application/cbor')).body)).toMatchObject({
      kind: 'ConfigMapList',
      items: [{ data: sent.data }],
    });
    const watch = await bytes(
      `${configMaps}?watch=true&resourceVersion=0&timeoutSeconds=1&fieldSelector=metadata.name=a`,
      'application/cbor-seq',
    );
    expect(watch.type).toBe('application/cbor-seq');
    expect(decodeCbor(watch.body)).toMatchObject({ type: 'ADDED', object: sent });
    const bad = await bytes(configMaps, 'application/json', Uint8Array.of(0xa1, 0x01), 'application/cbor');
    expect(JSON.parse(bad.body.toString())).toMatchObject({ code: 400, reason: 'BadRequest' });
  });

  it('gives metadata alone in protobuf and CBOR, and Tables in CBOR', async () => {
    const partial = await bytes(`${configMaps}/a`, `${protobufType}${metadata}`);
    expect(partial.type).toBe(protobufType);
    const envelope = openEnvelope(partial.body);
    expect(envelope).toMatchObject({ apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadata' });
    expect(decodeMessage(structNode('meta.v1.PartialObjectMetadata'), envelope.raw)).toMatchObject({ metadata: { name: 'a' } });
    expect(decodeCbor((await bytes(`${configMaps}/a`, `application/cbor${metadata}`)).body)).toMatchObject({
      kind: 'PartialObjectMetadata',
    });
    const table = await bytes(configMaps, 'application/cbor;as=Table;g=meta.k8s.io;v=v1');
    expect(decodeCbor(table.body)).toMatchObject({ kind: 'Table', rows: [{ cells: ['a', expect.anything(), expect.any(String)] }] });
  });

  it('leaves to a list what its items are, but for custom resources', async () => {
    const definition = {
      ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'shirts.example.com' } },
      spec: {
        ...{ group: 'example.com', scope: 'Namespaced', names: { plural: 'shirts', kind: 'Shirt' } },
        versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
      },
    };
    const post = (path: string, object: object) => bytes(path, 'application/json', Buffer.from(JSON.stringify(object)), 'application/json');
    await post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
    const shirts = '/apis/example.com/v1/namespaces/default/shirts';
    const custom = { apiVersion: 'example.com/v1', kind: 'Shirt', metadata: { name: 'a' } };
    await expect.poll(async () => (await post(shirts, custom)).status).toBe(201);
    await post(configMaps, { metadata: { name: 'listed' } });
    const items = async (path: string, accept: string, read: (body: Buffer) => unknown) =>
      (read((await bytes(path, accept)).body) as { items: { kind?: string; apiVersion?: string; metadata: object }[] }).items;
    const json = (body: Buffer) => JSON.parse(body.toString());
    const { apiVersion: _, kind: __, ...bare } = json((await bytes(`${configMaps}/listed`, 'application/json')).body);
    const selected = `${configMaps}?fieldSelector=metadata.name%3Dlisted`;
    expect(await items(selected, 'application/json', json)).toEqual([bare]);
    expect(await items(`${selected}&pretty=true`, 'application/json', json)).toEqual([bare]);
    expect(await items(selected, 'application/yaml', (body) => parse(body.toString()))).toEqual([bare]);
    expect((await items(selected, 'application/cbor', decodeCbor)).map(Object.keys)).toEqual([Object.keys(bare)]);
    expect(await items('/apis/extensions/v1beta1/deployments', 'application/json', json)).toEqual([]);
    expect(await items(shirts, 'application/json', json)).toMatchObject([custom]);
  });
});

const manifests = new URL('../../../shared/manifests/', import.meta.url);
const files = existsSync(manifests) ? readdirSync(manifests).filter((f) => f.endsWith('.yaml')) : [];

describe.skipIf(files.length === 0)('manifests of all ages (skipped where ../shared is absent)', () => {
  it('apply with upstream’s kubectl', async () => {
    // What a controller does elsewhere.
    await api.admin.create(
      ServiceAccount,
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } },
      { namespace: 'default' },
    );
    for (const file of files.sort((a, b) => Number(b.startsWith('namespace')) - Number(a.startsWith('namespace')))) {
      const { code, stderr } = await api.kubectl(['apply', '-f', '-'], readFileSync(new URL(file, manifests), 'utf8'));
      expect(code, `${file}: ${stderr}`).toBe(0);
    }
  }, 120_000);
});
