import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:http2';
import { type RequestOptions, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigMap, decodeProtobuf, kindNode, Namespace } from '../../api/index.ts';
import { createClient, httpsTransport } from '../../client/index.ts';
import { ensurePki, type Pki } from '../../pki/index.ts';
import { systemClock } from '../../time/index.ts';
import { openTestServer, type TestServer } from '../testing/test-server.ts';
import { warningHeaders } from './warnings.ts';

let under: TestServer;
let pki: Pki;
let dir: string;
let port: number;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8ts-http-'));
  pki = await ensurePki(dir, { now: systemClock.now() });
  under = await openTestServer({
    tls: { cert: pki.apiserver.certificate, key: pki.apiserver.key, clientCa: pki.ca.certificate },
    requestTimeoutSeconds: 20,
  });
  ({ port } = await under.server.listen());
  await under.admin.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'web' } } as never);
});
afterAll(async () => {
  await under.close();
  await rm(dir, { recursive: true });
});

interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  json(): Record<string, unknown>;
}

/** One request over HTTP/1.1, as the administrator unless told otherwise. */
function send(
  method: string,
  path: string,
  given: { body?: string | Buffer; headers?: Record<string, string>; tls?: RequestOptions } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: 'Bearer admin', ...given.headers };
    const sent = request(
      { host: '127.0.0.1', port, method, path, headers, ca: pki.ca.certificate, agent: false, ...given.tls },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const body = Buffer.concat(chunks);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body, json: () => JSON.parse(body.toString()) });
        });
      },
    );
    sent.on('error', reject);
    sent.end(given.body);
  });
}

const configMaps = '/api/v1/namespaces/web/configmaps';
const json = { 'content-type': 'application/json' };
const configMap = (name: string, data = {}) => JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });

describe('who asks', () => {
  test('is told by a certificate of the client CA', async () => {
    const { certificate: cert, key } = pki.clients.admin ?? { certificate: '', key: '' };
    const options = { headers: { authorization: '' }, tls: { cert, key } };
    expect((await send('GET', '/api/v1/nodes', options)).status).toBe(200);
    const foreign = { cert: pki.frontProxyClient.certificate, key: pki.frontProxyClient.key };
    expect((await send('GET', '/api/v1/nodes', { headers: { authorization: '' }, tls: foreign })).json()).toMatchObject({
      code: 401,
      message: 'Unauthorized',
    });
  });

  test('may be nobody, somebody else, or refused', async () => {
    expect((await send('GET', '/foo', { headers: { authorization: '' } })).json()).toMatchObject({
      code: 403,
      message: 'forbidden: User "system:anonymous" cannot get path "/foo"',
      details: {},
    });
    expect((await send('GET', '/api', { headers: { authorization: 'Bearer wrong' } })).json()).toMatchObject({
      code: 401,
      message: 'Unauthorized',
    });
    const impersonated = await send('GET', '/api/v1/nodes', { headers: { 'impersonate-user': 'joe' } });
    expect(impersonated.json().message).toContain('User "joe" cannot list resource "nodes"');
    expect((await send('GET', '/api', { headers: { authorization: 'Bearer joe', 'impersonate-user': 'x' } })).json()).toMatchObject({
      message: 'forbidden: User "joe" cannot impersonate-on:user-info:get path "/api"',
    });
  });
});

describe('bad input', () => {
  test.each([
    ['malformed JSON', '{"kind":', json, 400],
    ['malformed YAML', 'a: [', { 'content-type': 'application/yaml' }, 400],
    ['malformed protobuf', 'k8s\0\xff\xff', { 'content-type': 'application/vnd.kubernetes.protobuf' }, 400],
    ['no object', '[]', json, 400],
    ['deep nesting', '['.repeat(200_000), json, 400],
    ['an empty body', '', json, 400],
    ['another kind', '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"}}', json, 400],
    ['another version', '{"apiVersion":"v9","kind":"ConfigMap","metadata":{"name":"x"}}', json, 400],
    ['a wrong type', '{"metadata":{"name":"x"},"data":{"a":1}}', json, 400],
    ['an unknown media type', 'x', { 'content-type': 'text/csv' }, 415],
    ['too much', Buffer.alloc(3 * 1024 * 1024 + 1, 'x'), json, 413],
  ])('%s is refused', async (_, body, headers, code) => {
    const reply = await send('POST', configMaps, { body, headers });
    expect(reply.status).toBe(code);
    expect(reply.json()).toMatchObject({ kind: 'Status', status: 'Failure', code });
  });

  test.each([
    ['', 'PartialObjectMetadata', 'a list (*core.ConfigMapList)'],
    ['/kube-root-ca.crt', 'PartialObjectMetadataList', 'not a list (*core.ConfigMap)'],
  ])('metadata of a list is no metadata of an object: %s as %s', async (name, kind, what) => {
    await send('POST', configMaps, { body: configMap('kube-root-ca.crt', {}), headers: json });
    const reply = await send('GET', `${configMaps}${name}`, { headers: { accept: `application/json;as=${kind};g=meta.k8s.io;v=v1` } });
    expect(reply.json()).toMatchObject({
      code: 406,
      reason: 'NotAcceptable',
      message: `you requested ${kind}, but the requested object is ${what}`,
    });
  });

  const types = 'application/json, application/yaml, application/vnd.kubernetes.protobuf';
  const streams = 'application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch';
  const unallowed = 'the server does not allow this method on the requested resource';
  test.each<[string, string, Record<string, string>, number, string]>([
    ['GET', configMaps, { accept: 'text/csv' }, 406, `406: Not Acceptable\n\nAvailable representations: ${types}, ${streams}`],
    ['GET', `${configMaps}/none`, { accept: 'application/*' }, 406, `406: Not Acceptable\n\nAvailable representations: ${types}`],
    ['GET', '/api/v1', { accept: 'text/*' }, 406, `406: Not Acceptable\n\nAvailable representations: ${types}`],
    [
      'GET',
      configMaps,
      { accept: 'application/json;as=Nothing;v=v1;g=meta.k8s.io' },
      406,
      `only the following media types are accepted: ${types}`,
    ],
    ['PATCH', `${configMaps}/none`, { 'content-type': 'application/json' }, 415, '415: Unsupported Media Type'],
    ['PATCH', `${configMaps}/none?force=true`, { 'content-type': 'application/json' }, 415, '415: Unsupported Media Type'],
    [
      'PATCH',
      '/apis/apps/v1/namespaces/default/replicasets/none/scale?force=true',
      { 'content-type': 'application/merge-patch+json' },
      422,
      'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
    ],
    ['PATCH', configMaps, { 'content-type': 'application/json' }, 405, unallowed],
    ['GET', '/api/v1/namespaces/default/bindings', {}, 405, unallowed],
    ['GET', '/api/v1/bindings', {}, 404, 'the server could not find the requested resource'],
    ['GET', `${configMaps}/a%2fb`, {}, 404, 'the server could not find the requested resource'],
    ['GET', '/apis/apps/v1/namespaces/default/replicasets/none/scale', {}, 404, 'replicasets.apps "none" not found'],
    ['GET', '/apis/apps/v1/namespaces/default/statefulsets/none/scale', {}, 404, 'statefulsets.apps "none" not found'],
    // What a patch says does not matter to what is not there.
    ['PATCH', `${configMaps}/none`, { 'content-type': 'application/merge-patch+json' }, 404, 'configmaps "none" not found'],
  ])('%s %s with %j is told %i', async (method, path, headers, code, message) => {
    const reply = await send(method, path, { headers, ...(method === 'PATCH' ? { body: '[' } : {}) });
    expect(reply.json()).toMatchObject({ code, message });
  });

  test.each(['/apis/none/v1/things', '/apis/none', '/none', '/openapi/v3/apis/none'])('%s is a plain 404', async (path) => {
    const reply = await send('GET', path);
    expect([reply.status, reply.body.toString()]).toEqual([404, '404 page not found\n']);
  });

  test.each([
    '/api/v1/things',
    '/api/v1/watch/things',
    '/api/v2',
    '/api/v2/things',
    '/apis/apps/v9',
    '/apis/apps/v1/namespaces/default/deployments/a/things',
    '/api/v1/namespaces/default/pods/a/log/more',
  ])('where a route of built-in resources ends, %s is a Status', async (path) => {
    const reply = await send('GET', path);
    expect([reply.status, reply.json()]).toEqual([
      404,
      {
        ...{ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason: 'NotFound', details: {}, code: 404 },
        message: 'the server could not find the requested resource',
      },
    ]);
  });

  test.each(['/api/v1/watch', '/api/v1/watch/', '/apis/apps/v1/watch', '/apis/none/v1/proxy', '/api/v1/watch?a=b&c=d'])(
    '%s does not say of what',
    async (path) => {
      const reply = await send('GET', path);
      const url = path.replace('&', '&amp;');
      expect([reply.status, reply.headers['content-type'], reply.body.toString()]).toEqual([
        500,
        'text/plain; charset=utf-8',
        `Internal Server Error: "${url}": failed to create RequestInfo: unable to determine kind and namespace from url, ${url}\n`,
      ]);
    },
  );
});

describe('answers', () => {
  test('come in JSON, YAML and protobuf, with an audit id and warnings', async () => {
    const made = await send('POST', `${configMaps}?fieldValidation=Warn`, {
      body: JSON.stringify({ ...JSON.parse(configMap('forms', { a: 'b' })), dta: {} }),
      headers: json,
    });
    expect(made.status).toBe(201);
    expect(made.headers['audit-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(made.headers.warning).toBe('299 - "unknown field \\"dta\\""');
    const yaml = await send('GET', `${configMaps}/forms`, { headers: { accept: 'application/yaml' } });
    expect(yaml.body.toString()).toContain('\ndata:\n  a: b\n');
    const binary = await send('GET', `${configMaps}/forms`, { headers: { accept: 'application/vnd.kubernetes.protobuf' } });
    const node = kindNode(ConfigMap);
    expect(node && decodeProtobuf(node, binary.body)).toMatchObject({ kind: 'ConfigMap', data: { a: 'b' } });
    const pretty = await send('GET', `${configMaps}/forms`, { headers: { 'user-agent': 'curl/8' } });
    expect(pretty.body.toString()).toContain('\n  "data": {\n');
  });

  test('are compressed when large and asked for', async () => {
    await send('POST', configMaps, { body: configMap('large', { a: 'x'.repeat(200_000) }), headers: json });
    const reply = await send('GET', `${configMaps}/large`, { headers: { 'accept-encoding': 'gzip' } });
    expect(reply.headers['content-encoding']).toBe('gzip');
    // Whatever is asked for, but not with a weight.
    const put = (encoding: string) =>
      send('PUT', `${configMaps}/large`, {
        body: configMap('large', { a: 'x'.repeat(200_000) }),
        headers: { ...json, 'accept-encoding': encoding },
      });
    expect((await put('br, gzip')).headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
    expect((await put('gzip;q=0')).headers['content-encoding']).toBeUndefined();
    expect(JSON.parse(gunzipSync(reply.body).toString()).data.a).toHaveLength(200_000);
    expect((await send('GET', `${configMaps}/large`)).headers['content-encoding']).toBeUndefined();
  });

  test('tell health, version, metrics and what is served', async () => {
    expect((await send('GET', '/healthz')).body.toString()).toBe('ok');
    expect((await send('GET', '/readyz?verbose')).body.toString()).toMatch(
      /^\[\+\]ping ok\n\[\+\]log ok\n\[\+\]etcd ok\n[\s\S]*readyz check passed\n$/,
    );
    expect((await send('GET', '/readyz/etcd')).body.toString()).toBe('ok');
    expect((await send('GET', '/version')).json()).toMatchObject({ major: '1', minor: '36' });
    expect((await send('GET', '/metrics')).body.toString()).toContain(
      'apiserver_request_total{code="201",component="apiserver",dry_run="",group="",resource="configmaps"',
    );
    expect((await send('GET', '/')).json().paths).toContain('/apis/apps/v1');
    expect((await send('GET', '/apis/apps')).json()).toMatchObject({ kind: 'APIGroup', preferredVersion: { groupVersion: 'apps/v1' } });
    const aggregated = await send('GET', '/apis', {
      headers: { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json' },
    });
    expect(aggregated.headers['content-type']).toBe('application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList');
    expect(aggregated.json()).toMatchObject({ kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2' });
    // In every encoding, and by whoever takes it, though he would rather have the other.
    const form = 'g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
    const accept = `application/json,application/vnd.kubernetes.protobuf;${form}`;
    const binary = await send('GET', '/apis', { headers: { accept } });
    expect(binary.headers['content-type']).toBe(`application/vnd.kubernetes.protobuf;${form}`);
    expect(binary.headers.etag).toBe(aggregated.headers.etag);
    const node = kindNode({ group: 'apidiscovery.k8s.io', version: 'v2', kind: 'APIGroupDiscoveryList' });
    expect(node && decodeProtobuf(node, binary.body)).toEqual(aggregated.json());
    expect((await send('POST', '/version')).json()).toMatchObject({ code: 405, reason: 'MethodNotAllowed' });
  });
});

test('warnings are sent whole, or cut where they are too many', () => {
  expect(warningHeaders(['a "b" \\ c\nd', 'é'])).toEqual(['299 - "a \\"b\\" \\\\ c d"', '299 - "\u00c3\u00a9"']);
  expect(warningHeaders(['x'.repeat(4096)])[0]).toHaveLength(4096 + '299 - ""'.length);
  const many = warningHeaders(Array.from({ length: 50 }, (_, i) => `${i}`.padEnd(1000, '.')));
  expect(many.map((text) => text.length)).toEqual(Array(16).fill(256 + '299 - ""'.length));
});

test.each([true, false])('a body over HTTP/2 comes in parts, its length announced: %s', async (isAnnounced) => {
  const session = connect(`https://127.0.0.1:${port}`, { ca: pki.ca.certificate });
  try {
    const name = `in-parts-${isAnnounced}`;
    const body = Buffer.from(JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { a: 'x'.repeat(50_000) } }));
    const stream = session.request({
      ':method': 'POST',
      ':path': '/api/v1/namespaces/web/configmaps',
      authorization: 'Bearer admin',
      'content-type': 'application/json',
      ...(isAnnounced ? { 'content-length': body.length } : {}),
    });
    const headers = new Promise<Record<string, unknown>>((resolve) => stream.on('response', resolve));
    const closed = new Promise<void>((resolve) => stream.on('close', resolve));
    stream.resume();
    stream.write(body.subarray(0, 20_000));
    stream.end(body.subarray(20_000));
    expect((await headers)[':status']).toBe(201);
    await closed;
    expect(stream.rstCode).toBe(0);
  } finally {
    session.close();
  }
});

test('HTTP/2 carries requests and watches side by side', async () => {
  const session = connect(`https://127.0.0.1:${port}`, { ca: pki.ca.certificate });
  const watching = session.request({ ':path': `${configMaps}?watch=1&resourceVersion=${await version()}`, authorization: 'Bearer admin' });
  const frame = new Promise<string>((resolve) => watching.once('data', (chunk: Buffer) => resolve(chunk.toString())));
  const posting = session.request({ ':path': configMaps, ':method': 'POST', authorization: 'Bearer admin', ...json });
  posting.end(configMap('two'));
  const status = await new Promise((resolve) => posting.once('response', (headers) => resolve(headers[':status'])));
  expect(status).toBe(201);
  expect(JSON.parse(await frame)).toMatchObject({ type: 'ADDED', object: { kind: 'ConfigMap', metadata: { name: 'two' } } });
  session.destroy();
});

const version = async () => (await under.admin.list(ConfigMap, { namespace: 'web' })).metadata.resourceVersion ?? '';

test('the same client works over HTTPS', async () => {
  const { certificate: cert, key } = pki.clients.admin ?? { certificate: '', key: '' };
  const transport = httpsTransport({ server: `https://127.0.0.1:${port}`, ca: pki.ca.certificate, cert, key, clock: systemClock } as never);
  const remote = createClient(transport);
  const made = await remote.create(ConfigMap, JSON.parse(configMap('remote', { x: 'y' })), { namespace: 'web' });
  expect(made).toEqual(await under.admin.get(ConfigMap, 'remote', { namespace: 'web' }));
  const seen: string[] = [];
  for await (const event of remote.watch(ConfigMap, { namespace: 'web', fieldSelector: 'metadata.name=remote' })) {
    seen.push(event.type);
    if (seen.length === 1) await remote.delete(ConfigMap, 'remote', { namespace: 'web' });
    else break;
  }
  expect(seen).toEqual(['ADDED', 'DELETED']);
  await remote.close();
});

test('upstream kubectl takes it for Kubernetes', async () => {
  const admin = pki.clients.admin ?? { certificate: '', key: '' };
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const kubeconfig = join(dir, 'kubeconfig');
  await writeFile(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': base64(pki.ca.certificate) } }],
      users: [{ name: 'u', user: { 'client-certificate-data': base64(admin.certificate), 'client-key-data': base64(admin.key) } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'web' } }],
      'current-context': 'x',
    }),
  );
  const kubectl = async (...args: string[]) => {
    const all = ['--kubeconfig', kubeconfig, '--cache-dir', join(dir, 'cache'), ...args];
    return (await promisify(execFile)(join(import.meta.dirname, '../../../.cache/bin/kubectl'), all)).stdout;
  };
  const manifest = join(dir, 'cm.json');
  await writeFile(manifest, configMap('applied', { a: 'b' }));
  expect(await kubectl('apply', '-f', manifest)).toBe('configmap/applied created\n');
  expect(await kubectl('apply', '-f', manifest)).toBe('configmap/applied unchanged\n');
  expect(await kubectl('apply', '--server-side', '--force-conflicts', '-f', manifest)).toBe('configmap/applied serverside-applied\n');
  expect(await kubectl('create', 'deployment', 'web', '--image=nginx')).toBe('deployment.apps/web created\n');
  expect(await kubectl('scale', 'deployment', 'web', '--replicas=3')).toBe('deployment.apps/web scaled\n');
  expect(await kubectl('get', 'deployments')).toMatch(/^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +0\/3 +0 +0 +\d+s\n$/);
  expect(await kubectl('explain', 'deployment.spec.replicas')).toContain('FIELD: replicas <integer>');
  expect(await kubectl('delete', 'configmap', 'applied')).toContain('configmap "applied" deleted');
});
