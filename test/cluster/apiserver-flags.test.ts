/** What the API server's flags do to a whole cluster, asked as browsers and programs ask. */

import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { exportJWK, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensurePki } from '../../src/pki/index.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';

let cluster: TestCluster;
let port: number;
let dir: string;
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
/** An OpenID Connect provider. */
let provider: Server;
let issuer: string;
let authorizationFile: string;
const authorizationText = (...more: object[]) =>
  JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AuthorizationConfiguration',
    authorizers: [{ type: 'Node', name: 'node' }, { type: 'RBAC', name: 'rbac' }, ...more],
  });

async function startProvider(): Promise<string> {
  const pki = await ensurePki(join(dir, 'provider'), { now: Date.now() });
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }];
  provider = createServer({ cert: pki.apiserver.certificate, key: pki.apiserver.key }, ({ url }, response) => {
    response.end(JSON.stringify(url === '/keys' ? { keys } : { issuer, jwks_uri: `${issuer}/keys` }));
  });
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  const { port } = provider.address() as AddressInfo; // a TCP server's
  issuer = `https://127.0.0.1:${port}`;
  return pki.ca.certificate;
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'k8ts-flags-'));
  const keyFile = join(dir, 'old.pub');
  const certificateAuthority = await startProvider();
  const configFile = join(dir, 'authentication.json');
  writeFileSync(
    configFile,
    JSON.stringify({
      apiVersion: 'apiserver.config.k8s.io/v1',
      kind: 'AuthenticationConfiguration',
      jwt: [
        {
          issuer: { url: issuer, audiences: ['kubectl'], certificateAuthority },
          claimMappings: { username: { claim: 'email', prefix: '' }, groups: { expression: 'claims.roles.map(r, "oidc:" + r)' } },
        },
      ],
      anonymous: { enabled: true, conditions: [{ path: '/livez' }] },
    }),
  );
  authorizationFile = join(dir, 'authorization.yaml');
  writeFileSync(authorizationFile, authorizationText());
  writeFileSync(keyFile, publicKey.export({ type: 'spki', format: 'pem' }));
  const flags = {
    'cors-allowed-origins': '//example\\.com(:|$)',
    'strict-transport-security-directives': 'max-age=31536000,includeSubDomains',
    'service-account-issuer': 'https://new.test,https://kubernetes.default.svc.cluster.local',
    'service-account-max-token-expiration': '2h',
    'service-account-key-file': keyFile,
    'livez-grace-period': '1m',
    'permit-port-sharing': 'true',
    'tls-cipher-suites': 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    'default-not-ready-toleration-seconds': '17',
    'feature-gates': 'ComponentFlagz=false',
    'authentication-config': configFile,
    'authorization-config': authorizationFile,
    'client-ca-file': join(dir, 'provider', 'ca.crt'),
    'allow-privileged': 'false',
    'external-hostname': 'api.test',
    'http2-max-streams-per-connection': '100',
    'watch-cache-sizes': 'pods#100',
    'etcd-count-metric-poll-period': '1m',
    'emulated-version': '1.36',
    vmodule: 'handler=4',
  };
  cluster = await startCluster(
    '--runtime',
    'hollow',
    ...Object.entries(flags).flatMap(([name, value]) => ['--apiserver-arg', `${name}=${value}`]),
  );
  port = Number(new URL(/server: (\S+)/.exec(await cluster.kubectl('config', 'view', '--minify'))?.[1] ?? '').port);
});
afterAll(async () => {
  await cluster?.down();
  provider?.close();
  rmSync(dir, { recursive: true, force: true });
});

const pem = (file: string) => readFileSync(join(cluster.dataDir, 'pki', file), 'utf8');
const adminOf = (pki: string) => ({ cert: readFileSync(join(pki, 'admin.crt')), key: readFileSync(join(pki, 'admin.key')) });

/** `admin`: of this cluster, or of whom these are the certificate and key. */
function ask(method: string, path: string, headers: Record<string, string> = {}, admin: boolean | object = true, text?: string) {
  return new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
    const identity = admin === true ? adminOf(join(cluster.dataDir, 'pki')) : admin || {};
    const sent = request({ host: '127.0.0.1', port, method, path, headers, agent: false, ca: pem('ca.crt'), ...identity }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on('error', reject);
    sent.end(text);
  });
}

it('lets the pages of some ask, and tells browsers to come over TLS', async () => {
  const origin = 'https://example.com:8443';
  const cors = {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'POST, GET, OPTIONS, PUT, DELETE, PATCH',
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'Date',
  };
  const preflight = await ask('OPTIONS', '/api/v1/namespaces', { origin, 'access-control-request-method': 'POST' });
  expect(preflight).toMatchObject({ status: 204, body: '', headers: { ...cors, 'cache-control': 'no-cache, private' } });
  expect(preflight.headers['audit-id']).toMatch(/^[0-9a-f-]{36}$/);
  const asked = await ask('GET', '/api/v1/namespaces/default', { origin });
  expect(asked).toMatchObject({ status: 200, headers: { ...cors, 'strict-transport-security': 'max-age=31536000; includeSubDomains' } });
  const other = await ask('GET', '/api/v1/namespaces/default', { origin: 'https://example.com.evil' });
  expect(other.status).toBe(200);
  expect(other.headers['access-control-allow-origin']).toBeUndefined();
  expect(other.headers['strict-transport-security']).toBe('max-age=31536000; includeSubDomains');
  expect((await ask('OPTIONS', '/api/v1/namespaces')).status).not.toBe(204);
});

it('signs as its first issuer, and publishes all its keys', async () => {
  const token = (await cluster.kubectl('create', 'token', 'default', '--duration=24h')).trim();
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  expect(claims).toMatchObject({ iss: 'https://new.test', aud: ['https://new.test', 'https://kubernetes.default.svc.cluster.local'] });
  expect(claims.exp - claims.iat).toBe(7200);
  expect(JSON.parse((await ask('GET', '/openid/v1/jwks')).body).keys).toHaveLength(2);
  expect((await ask('GET', '/api/v1/namespaces/default', { authorization: `Bearer ${token}` }, false)).body).toContain(
    'User \\"system:serviceaccount:default:default\\" cannot get resource',
  );
});

it('knows the users of a provider', async () => {
  const token = await new SignJWT({ email: 'jane@corp.test', email_verified: true, roles: ['devs'] })
    .setProtectedHeader({ alg: 'RS256', kid: 'one' })
    .setIssuer(issuer)
    .setAudience('kubectl')
    .setExpirationTime('5m')
    .sign(privateKey);
  const list = () => ask('GET', '/api/v1/namespaces', { authorization: `Bearer ${token}` }, false);
  expect((await list()).body).toContain('User \\"jane@corp.test\\" cannot list resource');
  await cluster.kubectl('create', 'clusterrolebinding', 'devs', '--clusterrole=view', '--group=oidc:devs');
  await expect.poll(async () => (await list()).status).toBe(200);
});

it('knows whom another authority has given a certificate, if it is told of that authority', async () => {
  expect((await ask('GET', '/api/v1/secrets', {}, adminOf(join(dir, 'provider')))).status).toBe(200);
  const pki = await ensurePki(join(dir, 'unknown'), { now: Date.now() });
  expect((await ask('GET', '/api/v1/secrets', {}, adminOf(pki.dir))).status).toBe(401);
});

it('answers strangers where it is told to', async () => {
  expect((await ask('GET', '/livez', {}, false)).status).toBe(200);
  for (const path of ['/readyz', '/version', '/api/v1/pods'])
    expect([path, (await ask('GET', path, {}, false)).status]).toEqual([path, 401]);
});

it('agrees to the suites that it is told to', async () => {
  const cipherOf = (ciphers: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ca: pem('ca.crt'), maxVersion: 'TLSv1.2', ciphers }, () => {
        resolve(socket.getCipher().name);
        socket.destroy();
      });
      socket.on('error', reject);
    });
  expect(await cipherOf('ECDHE+AESGCM')).toMatch(/^ECDHE-(RSA|ECDSA)-AES256-GCM-SHA384$/);
  await expect(cipherOf('ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256')).rejects.toThrow(/handshake failure/);
});

it('gives pods the time that it is told to', async () => {
  await expect.poll(async () => (await cluster.tryKubectl(['run', 'p', '--image=nginx'])).code).toBe(0);
  const seconds = 'jsonpath={.spec.tolerations[?(@.key=="node.kubernetes.io/not-ready")].tolerationSeconds}';
  expect(await cluster.kubectl('get', 'pod', 'p', '-o', seconds)).toBe('17');
});

it('has no page of flags where that is turned off', async () => {
  expect((await ask('GET', '/flagz')).status).toBe(404);
  expect((await ask('GET', '/statusz')).status).toBe(200);
  expect((await ask('GET', '/livez')).body).toBe('ok');
});

it('drops the fields of features that are off', async () => {
  const pod = (name: string) =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: {
        os: { name: 'linux' },
        schedulingGroup: { podGroupName: 'g' },
        containers: [{ name: 'c', image: 'nginx', lifecycle: { stopSignal: 'SIGUSR1' } }],
        volumes: [{ name: 'i', image: { reference: 'busybox' } }],
      },
    });
  expect((await cluster.tryKubectl(['create', '-f', '-'], pod('gated'))).stderr).toBe('');
  const { spec } = JSON.parse(await cluster.kubectl('get', 'pod', 'gated', '-o', 'json'));
  expect(spec.containers[0].lifecycle).toBeUndefined();
  expect(spec.schedulingGroup).toBeUndefined();
  expect(spec.volumes[0].image).toEqual({ reference: 'busybox', pullPolicy: 'Always' });
});

it('lets no container be privileged, and names its host to those outside', async () => {
  const pod = JSON.stringify({
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'main', image: 'a', securityContext: { privileged: true } }] },
  });
  const refused = await ask('POST', '/api/v1/namespaces/default/pods', { 'content-type': 'application/json' }, true, pod);
  expect(refused.status).toBe(422);
  expect(refused.body).toContain('spec.containers[0].securityContext.privileged: Forbidden: disallowed by cluster policy');
  const { serverAddressByClientCIDRs } = JSON.parse((await ask('GET', '/api')).body);
  expect(serverAddressByClientCIDRs).toEqual([{ clientCIDR: '0.0.0.0/0', serverAddress: expect.stringMatching(/^api\.test:\d+$/) }]);
});

it('follows the file of its authorizers', async () => {
  const stranger = () => ask('GET', '/api/v1/namespaces', { 'impersonate-user': 'jane' });
  expect((await stranger()).status).toBe(403);
  writeFileSync(authorizationFile, authorizationText({ type: 'AlwaysAllow', name: 'alwaysallow' }));
  await expect.poll(async () => (await stranger()).status, { timeout: 10_000 }).toBe(200);
  const { body } = await ask('GET', '/metrics');
  expect(body).toMatch(/apiserver_authorization_config_controller_automatic_reloads_total\{[^}]*status="success"[^}]*\} 1/);
});
