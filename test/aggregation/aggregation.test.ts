/** One API server serves, in its own name, what another one serves: a second server of ours with a custom resource of its own. */
import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { APIService, ConfigMap, CustomResourceDefinition, Service } from '../../src/api/index.ts';
import { type Reply, startApiServer, type TestApiServer } from '../support/api-server.ts';
import { eventually, freePort } from '../support/wait.ts';

let front: TestApiServer;
let behind: TestApiServer;

const group = 'wardle.example.com';
const path = `/apis/${group}/v1`;
const serviceName = 'wardle';

beforeAll(async () => {
  front = await startApiServer();
  behind = await startApiServer({ dnsNames: [`${serviceName}.default.svc`], requestHeaderCa: front.pki.frontProxyCa.certificate });
  await behind.kubectl(['apply', '-f', '-'], definition);
  await behind.kubectl(['wait', '--for=condition=Established', `crd/flunders.${group}`, '--timeout=10s']);
  await front.kubectl(['apply', '-f', '-'], JSON.stringify(apiService()));
});
afterAll(async () => {
  await front.close();
  await behind.close();
});

const definition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: flunders.${group}}
spec:
  group: ${group}
  scope: Namespaced
  names: {plural: flunders, singular: flunder, kind: Flunder, shortNames: [fl]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer, minimum: 1, description: How big it is.}}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
`;

const apiService = (spec: object = {}) => ({
  apiVersion: 'apiregistration.k8s.io/v1',
  kind: 'APIService',
  metadata: { name: `v1.${group}` },
  spec: {
    group,
    version: 'v1',
    groupPriorityMinimum: 2000,
    versionPriority: 10,
    service: { namespace: 'default', name: serviceName, port: behind.port },
    caBundle: Buffer.from(behind.pki.ca.certificate).toString('base64'),
    ...spec,
  },
});

const externalService = () => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: serviceName },
  spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port: 443 }] },
});

const available = async (name: string) => {
  const found = await front.admin.get(APIService, name);
  return found.status?.conditions?.find(({ type }) => type === 'Available');
};
const becomes = (name: string, reason: string) =>
  eventually(`${name} is ${reason}`, async () => (await available(name))?.reason === reason);

const json = ({ body }: Reply) => JSON.parse(body);

test('what the server itself serves is registered and available', async () => {
  await becomes('v1.apps', 'Local');
  expect(await front.admin.get(APIService, 'v1.apps')).toMatchObject({
    metadata: { labels: { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' } },
    spec: { group: 'apps', version: 'v1', groupPriorityMinimum: 17800, versionPriority: 15 },
    status: { conditions: [{ type: 'Available', status: 'True', reason: 'Local', message: 'Local APIServices are always available' }] },
  });
  const { stdout } = await front.kubectl(['get', 'apiservices', 'v1.', 'v2.autoscaling']);
  expect(stdout).toMatch(/^NAME +SERVICE +AVAILABLE +AGE\nv1\. +Local +True +\d+s\nv2\.autoscaling +Local +True +\d+s\n$/);
});

test('conditions say what is missing, step by step, until all checks pass', async () => {
  await becomes(`v1.${group}`, 'ServiceNotFound');
  expect(await available(`v1.${group}`)).toMatchObject({ status: 'False', message: 'service/wardle in "default" is not present' });
  expect(await front.http('GET', path)).toMatchObject({ status: 503, body: 'service unavailable\n' });
  expect(json(await front.http('GET', '/')).paths).toEqual(expect.arrayContaining([`/apis/${group}`, path]));
  const stale = json(await front.http('GET', '/apis', undefined, { accept: discoveryType }));
  expect(itemOf(stale)).toEqual({ metadata: { name: group }, versions: [{ version: 'v1', freshness: 'Stale' }] });

  await front.kubectl(['create', '-f', '-'], JSON.stringify({ ...externalService(), spec: { ports: [{ port: 1 }] } }));
  await becomes(`v1.${group}`, 'ServicePortError');
  expect((await available(`v1.${group}`))?.message).toBe(`service/wardle in "default" is not listening on port ${behind.port}`);
  await front.kubectl([
    'patch',
    'service',
    serviceName,
    '-p',
    JSON.stringify({
      spec: {
        ports: [
          { port: behind.port, name: 'https' },
          { port: 1, $patch: 'delete' },
        ],
      },
    }),
  ]);
  await becomes(`v1.${group}`, 'EndpointsNotFound');
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'wardle-1', labels: { 'kubernetes.io/service-name': serviceName } },
    addressType: 'IPv4',
    ports: [{ name: 'https', port: behind.port }],
    endpoints: [{ addresses: ['10.1.2.3'], conditions: { ready: false } }],
  };
  await front.kubectl(['create', '-f', '-'], JSON.stringify(slice));
  await becomes(`v1.${group}`, 'MissingEndpoints');
  expect((await available(`v1.${group}`))?.message).toBe(
    'endpointslices for service/wardle in "default" have no addresses with port name "https"',
  );

  const port = await freePort();
  await front.admin.delete(Service, serviceName, { namespace: 'default' });
  await front.kubectl(['create', '-f', '-'], JSON.stringify(externalService()));
  const reference = (to: number) => ({ spec: { service: { namespace: 'default', name: serviceName, port: to } } });
  await front.admin.patch(APIService, `v1.${group}`, 'merge', reference(port));
  await becomes(`v1.${group}`, 'FailedDiscoveryCheck');
  expect((await available(`v1.${group}`))?.message).toMatch(
    /^failing or missing response from (https:\/\/localhost:\d+\/apis\/.*): Get "\1": dial tcp .*: connect: connection refused$/,
  );

  await front.admin.patch(APIService, `v1.${group}`, 'merge', reference(behind.port));
  await becomes(`v1.${group}`, 'Passed');
  expect((await available(`v1.${group}`))?.message).toBe('all checks passed');
});

const discoveryType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const itemOf = (list: { items: { metadata: { name: string } }[] }) => list.items.find(({ metadata }) => metadata.name === group);

test('discovery tells of both servers in one', async () => {
  const groups = json(await front.http('GET', '/apis')).groups as { name: string }[];
  expect(groups[0]?.name).toBe('apiregistration.k8s.io');
  expect(groups.map(({ name }) => name).indexOf(group)).toBeGreaterThan(groups.map(({ name }) => name).indexOf('apps'));
  expect(json(await front.http('GET', `/apis/${group}`))).toMatchObject({ preferredVersion: { groupVersion: `${group}/v1` } });
  await eventually('it is so', async () => {
    const [version] = (itemOf(json(await front.http('GET', '/apis', undefined, { accept: discoveryType }))) as unknown as Listed).versions;
    return version?.freshness === 'Current' && version.resources?.some(({ resource }) => resource === 'flunders');
  });
  const { stdout } = await front.kubectl(['api-resources', `--api-group=${group}`]);
  expect(stdout).toMatch(/flunders +fl +wardle\.example\.com\/v1 +true +Flunder/);
});
interface Listed {
  versions: { freshness: string; resources?: { resource: string }[] }[];
}

test('what a server says that it serves is told though it does not pass for available', async () => {
  const { certificate, key } = behind.pki.apiserver;
  const resource = { resource: 'things', scope: 'Namespaced', singularResource: 'thing', verbs: ['get'] };
  const responseKind = { group: 'told.example.com', version: 'v1', kind: 'Thing' };
  const version = { version: 'v1', resources: [{ ...resource, responseKind }], freshness: 'Current' };
  const teller = createServer({ cert: certificate, key }, (request, response) => {
    if (request.url !== '/apis') response.writeHead(500).end();
    else
      response
        .writeHead(200, { 'content-type': discoveryType })
        .end(JSON.stringify({ items: [{ metadata: { name: 'told.example.com' }, versions: [version] }] }));
  });
  const port = await new Promise<number>((resolve) => teller.listen(0, '127.0.0.1', () => resolve((teller.address() as AddressInfo).port)));
  try {
    const spec = { ...apiService().spec, group: 'told.example.com', service: { namespace: 'default', name: serviceName, port } };
    await front.kubectl(['apply', '-f', '-'], JSON.stringify({ ...apiService(), metadata: { name: 'v1.told.example.com' }, spec }));
    await becomes('v1.told.example.com', 'FailedDiscoveryCheck');
    await eventually('it is told', async () => {
      const { items } = json(await front.http('GET', '/apis', undefined, { accept: discoveryType }));
      const told = items.find(({ metadata }: { metadata: { name: string } }) => metadata.name === 'told.example.com');
      return JSON.stringify(told?.versions) === JSON.stringify([version]);
    });
  } finally {
    await front.admin.delete(APIService, 'v1.told.example.com');
    teller.closeAllConnections();
    teller.close();
  }
});

test('objects are written, read, watched and explained through it, as the user that the front knows', async () => {
  await behind.kubectl(['create', 'namespace', 'team']);
  await front.kubectl(['create', 'namespace', 'team']);
  const flunder = `{"apiVersion":"${group}/v1","kind":"Flunder","metadata":{"name":"one","namespace":"team"},"spec":{"size":3}}`;
  expect((await front.kubectl(['apply', '-f', '-'], flunder)).stdout).toBe(`flunder.${group}/one created\n`);
  expect((await front.kubectl(['apply', '-f', '-'], flunder)).stdout).toBe(`flunder.${group}/one unchanged\n`);
  expect((await front.kubectl(['get', 'fl', '-n', 'team'])).stdout).toMatch(/^NAME +AGE\none +\d+s\n$/);
  expect((await behind.kubectl(['get', 'fl', '-n', 'team', '-o', 'name'])).stdout).toBe(`flunder.${group}/one\n`);
  expect((await front.kubectl(['explain', 'flunder.spec.size'])).stdout).toContain('How big it is.');
  expect((await front.kubectl(['explain', 'flunder.spec.size', '--output=plaintext-openapiv2'])).stdout).toContain('How big it is.');
  // The backend holds its own rules, and its words come through.
  expect((await front.kubectl(['apply', '-f', '-'], flunder.replace(':3', ':0'))).stderr).toContain('spec.size: Invalid value: 0');
  const watched = front.kubectl(['wait', '--for=jsonpath={.status.ok}=yes', 'fl/one', '-n', 'team', '--timeout=20s']);
  await behind.http('PATCH', `${path}/namespaces/team/flunders/one/status`, '{"status":{"ok":"yes"}}', {
    'content-type': 'application/merge-patch+json',
  });
  expect((await watched).stdout).toBe(`flunder.${group}/one condition met\n`);

  // Nobody of the front's rights may be had by saying so.
  const refused = await front.http('GET', `${path}/flunders`, undefined, {
    'impersonate-user': 'jane',
    'impersonate-group': 'a b, "c"',
    'x-remote-user': 'kubernetes-admin',
    'x-remote-group': 'system:masters',
  });
  expect(refused.status).toBe(403);
  expect(json(refused).message).toContain('User "jane" cannot list');
});

test('a server behind is told the whole identity and believes it', async () => {
  const identity = { cert: front.pki.frontProxyClient.certificate, key: front.pki.frontProxyClient.key };
  const headers = {
    'x-remote-user': 'jane',
    'x-remote-uid': '42',
    'x-remote-group': ['ops', 'a, b'] as unknown as string,
    'x-remote-extra-example.com%2fscopes': ['x', 'y'] as unknown as string,
  };
  const review = '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}';
  const answer = await behind.http('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', review, headers, identity);
  expect(json(answer).status.userInfo).toEqual({
    username: 'jane',
    uid: '42',
    groups: ['ops', 'a, b', 'system:authenticated'],
    extra: { 'example.com/scopes': ['x', 'y'] },
  });
});

test('upgraded connections and bodies pass as they are, with who asks in headers of the proxy alone', async () => {
  const seen: IncomingHttpHeaders[] = [];
  const { certificate, key } = behind.pki.apiserver;
  const echo = createServer({ cert: certificate, key, requestCert: true, ca: front.pki.frontProxyCa.certificate }, (request, response) => {
    seen.push(request.headers);
    if (request.url?.endsWith('/elsewhere')) {
      response.writeHead(302, { location: 'https://elsewhere.example.com' }).end();
      return;
    }
    response.writeHead(200, { 'content-type': request.headers['content-type'] ?? 'application/json' });
    if (request.method === 'GET')
      response.end('{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"echo.example.com/v1","resources":[]}');
    else request.pipe(response);
  });
  echo.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    seen.push(request.headers);
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n');
    socket.pipe(socket);
  });
  const port = await new Promise<number>((resolve) => echo.listen(0, '127.0.0.1', () => resolve((echo.address() as AddressInfo).port)));
  try {
    const spec = { ...apiService().spec, group: 'echo.example.com', service: { namespace: 'default', name: serviceName, port } };
    await front.kubectl(['apply', '-f', '-'], JSON.stringify({ ...apiService(), metadata: { name: 'v1.echo.example.com' }, spec }));
    await becomes('v1.echo.example.com', 'Passed');
    const url = '/apis/echo.example.com/v1/namespaces/default/things';
    const impersonated = {
      'impersonate-user': Buffer.from('jürgen').toString('latin1'),
      'impersonate-group': ['a', 'system:masters'] as unknown as string,
      'impersonate-uid': '42',
      'impersonate-extra-example.com%2fscopes': 'x',
    };
    const body = Buffer.from([0x6b, 0x38, 0x73, 0, 255, 1]);
    const answer = await front.http('POST', `${url}?pretty=1&x=%2F`, body, {
      ...impersonated,
      'content-type': 'application/vnd.kubernetes.protobuf',
    });
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/vnd.kubernetes.protobuf' } });
    expect(Buffer.from(seen.at(-1)?.['x-remote-user'] as string, 'latin1').toString('utf8')).toBe('jürgen');
    expect(seen.at(-1)).toMatchObject({
      'x-remote-uid': '42',
      'x-remote-group': 'a, system:masters, system:authenticated',
      'x-remote-extra-example.com%2fscopes': 'x',
      'content-length': '6',
      'x-forwarded-host': `localhost:${port}`,
      'x-forwarded-proto': 'https',
      'x-forwarded-uri': url,
    });
    expect(await front.http('GET', `${url}/elsewhere`)).toMatchObject({
      status: 502,
      body: 'the backend attempted to redirect this request, which is not permitted',
    });
    expect(Object.keys(seen.at(-1) ?? {}).filter((name) => name.startsWith('impersonate') || name === 'authorization')).toEqual([]);

    const { host, hostname } = new URL(front.url);
    const upgraded = await new Promise<Duplex>((resolve, reject) => {
      const sent = httpsRequest({
        hostname,
        port: front.port,
        path: url,
        ...front.tls,
        headers: { host, connection: 'Upgrade', upgrade: 'echo' },
      });
      sent.on('upgrade', (_response, socket) => resolve(socket));
      sent.on('response', (response) => reject(new Error(`refused: ${response.statusCode}`)));
      sent.on('error', reject);
      sent.end();
    });
    upgraded.write('hello');
    expect(String((await once(upgraded, 'data'))[0])).toBe('hello');
    expect(seen.at(-1)).toMatchObject({ 'x-remote-user': 'kubernetes-admin', upgrade: 'echo' });
    upgraded.destroy();
  } finally {
    await front.admin.delete(APIService, 'v1.echo.example.com');
    echo.closeAllConnections();
    echo.close();
  }
});

test('custom resources come and go with their APIServices', async () => {
  const own = definition.replaceAll(group, 'own.example.com');
  await front.kubectl(['apply', '-f', '-'], own);
  await eventually('it is so', async () => (await available('v1.own.example.com').catch(() => undefined))?.reason === 'Local');
  expect(await front.admin.get(APIService, 'v1.own.example.com')).toMatchObject({
    metadata: { labels: { 'kube-aggregator.kubernetes.io/automanaged': 'true' } },
    spec: { groupPriorityMinimum: 1000, versionPriority: 100 },
  });
  await front.admin.delete(APIService, 'v1.own.example.com');
  await eventually('it is so', async () => (await available('v1.own.example.com').catch(() => undefined))?.reason === 'Local');
  const priorityOf = async (name: string) => (await front.admin.get(APIService, name).catch(() => undefined))?.spec.versionPriority;
  const managed = { 'kube-aggregator.kubernetes.io/automanaged': 'true' };
  await front.admin.patch(APIService, 'v1.own.example.com', 'merge', { spec: { versionPriority: 7 } });
  await eventually('what was changed is as it was', async () => (await priorityOf('v1.own.example.com')) === 100);
  const stray = { metadata: { name: 'v1.stray.example.com', labels: managed }, spec: { group: 'stray.example.com' } };
  await front.kubectl(['create', '-f', '-'], JSON.stringify({ ...apiService(), ...stray, spec: { ...apiService().spec, ...stray.spec } }));
  await eventually('what nothing is behind goes', async () => (await priorityOf('v1.stray.example.com')) === undefined);
  await front.admin.delete(CustomResourceDefinition, 'flunders.own.example.com');
  await eventually('it is so', async () => (await available('v1.own.example.com').catch((error: Error) => error)) instanceof Error);
});

test('an extension server finds whom to trust in a ConfigMap', async () => {
  const { data } = await front.admin.get(ConfigMap, 'extension-apiserver-authentication', { namespace: 'kube-system' });
  expect(data).toMatchObject({
    'client-ca-file': front.pki.ca.certificate,
    'requestheader-client-ca-file': front.pki.frontProxyCa.certificate,
    'requestheader-allowed-names': '["front-proxy-client"]',
    'requestheader-username-headers': '["X-Remote-User"]',
    'requestheader-group-headers': '["X-Remote-Group"]',
    'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
  });
});

test('a wrong authority is noticed, and one that need not be looked at is not', async () => {
  await front.admin.patch(APIService, `v1.${group}`, 'merge', {
    spec: { caBundle: Buffer.from(front.pki.ca.certificate).toString('base64') },
  });
  const refusal = 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
  await eventually('it is noticed', async () => (await available(`v1.${group}`))?.message?.endsWith(refusal) ?? false);
  const asked = `https://localhost:${behind.port}${path}`;
  expect(await available(`v1.${group}`)).toMatchObject({
    reason: 'FailedDiscoveryCheck',
    message: `failing or missing response from ${asked}: Get "${asked}": ${refusal}`,
  });
  expect(await front.http('GET', `${path}/flunders`)).toMatchObject({ status: 503, body: 'service unavailable\n' });
  await front.admin.patch(APIService, `v1.${group}`, 'merge', { spec: { caBundle: null, insecureSkipTLSVerify: true } });
  await eventually('it is so', async () => (await front.http('GET', `${path}/flunders`)).status === 200);
});

test('a server that goes away makes its group stale, and everything else goes on', async () => {
  await behind.server.close();
  await front.admin.patch(APIService, `v1.${group}`, 'merge', {
    metadata: { annotations: { look: 'again' } },
    spec: { versionPriority: 11 },
  });
  await becomes(`v1.${group}`, 'FailedDiscoveryCheck');
  const { stdout, stderr } = await front.kubectl(['get', 'fl', '-A']);
  expect(`${stdout}${stderr}`).toContain('the server is currently unable to handle the request');
  expect((await front.http('GET', '/metrics')).body).toContain(`aggregator_unavailable_apiservice{name="v1.${group}"} 1`);
  expect((await front.kubectl(['get', 'ns', 'team', '-o', 'name'])).stdout).toBe('namespace/team\n');
});
