/** Who a client is by its certificate, made by openssl as a user's administrator would. */
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ConfigMap } from '../../src/api/index.ts';
import { clientAuthorities } from '../../src/cluster/authority-flags.ts';
import { followCertificates } from '../../src/cluster/follow-certificates.ts';
import { ensurePki, type Pki, signRequest } from '../../src/pki/index.ts';
import { systemClock } from '../../src/time/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

const nothing = { cert: '', key: '' };
/** What a server has that no flag of the test's says. */
const unfollowed = {
  ...{ clock: systemClock, logger: pino({ level: 'silent' }), serving: nothing, authorities: { clientCa: '', requestHeaderCa: '' } },
  ...{ kubelets: { ...nothing, ca: '' }, proxyClient: nothing },
};

let api: TestApiServer;
let dir: string;
let other: Pki;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8ts-certificates-'));
  other = await ensurePki(join(dir, 'other'), { now: systemClock.now() });
  const { certificate: cert, key } = other.apiserver;
  api = await startApiServer({ server: { kubelets: { cert, key } } });
});
afterAll(async () => {
  await api.close();
  await rm(dir, { recursive: true });
});

test('the subject tells name, groups and UID', async () => {
  const config = join(dir, 'request.cnf');
  const subject = '0.O = dev\n1.O = ops\nCN = una\nk8sUid = 42\n';
  await writeFile(
    config,
    `oid_section = oids\n[oids]\nk8sUid = 1.3.6.1.4.1.57683.2\n[req]\nprompt = no\ndistinguished_name = dn\n[dn]\n${subject}`,
  );
  const asked = ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '-', '-config', config];
  const { stdout } = await promisify(execFile)('openssl', asked);
  const [key = ''] = /-----BEGIN PRIVATE KEY-----[\s\S]+?-----END PRIVATE KEY-----/.exec(stdout) ?? [];
  const [signingRequest = ''] = /-----BEGIN CERTIFICATE REQUEST[\s\S]+/.exec(stdout) ?? [];
  const now = systemClock.now();
  const validity = { notBefore: new Date(now - 60_000), notAfter: new Date(now + 3_600_000) };
  const cert = await signRequest(api.pki.ca, signingRequest, { ...validity, usages: ['client auth'] });
  const review = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' });
  const told = await api.http('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', review, {}, { cert, key });
  expect(JSON.parse(told.body).status.userInfo).toEqual({
    username: 'una',
    uid: '42',
    groups: ['dev', 'ops', 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': [expect.stringMatching(/^X509SHA256=[0-9a-f]{64}$/)] },
  });
});

test('kubelets and other API servers are shown what its files say, from then on', async () => {
  const peer = createServer({
    cert: api.pki.apiserver.certificate,
    key: api.pki.apiserver.key,
    requestCert: true,
    rejectUnauthorized: false,
  });
  // A TLS server's sockets
  peer.on('request', ({ socket }, response) => response.end(JSON.stringify((socket as TLSSocket).getPeerCertificate().fingerprint256)));
  await once(peer.listen(0, '127.0.0.1'), 'listening');
  const { port } = peer.address() as AddressInfo; // it listens
  const stop = new AbortController();
  try {
    const group = 'peer.test';
    const make = async (path: string, object: object) => {
      const { status, body } = await api.http('POST', path, JSON.stringify(object));
      expect(status, body).toBe(201);
    };
    const metadata = { name: 'peer' };
    await make('/api/v1/nodes', {
      metadata,
      status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: port } } },
    });
    await make('/api/v1/namespaces/default/services', { metadata, spec: { type: 'ExternalName', externalName: 'localhost' } });
    await make('/apis/apiregistration.k8s.io/v1/apiservices', {
      metadata: { name: `v1.${group}` },
      spec: {
        ...{ group, version: 'v1', groupPriorityMinimum: 1, versionPriority: 1, insecureSkipTLSVerify: true },
        service: { namespace: 'default', name: 'peer', port },
      },
    });
    const shown = async (path: string) => (await api.http('GET', path)).body;
    const told = (pem: string) => JSON.stringify(new X509Certificate(pem).fingerprint256);
    const paths = ['/api/v1/nodes/peer/proxy/', `/apis/${group}/v1/things`];
    const expected = (kubelet: string, proxy: string) => [told(kubelet), told(proxy)];
    const shownNow = () => Promise.all(paths.map(shown));
    const { apiserver, frontProxyClient } = api.pki;
    await expect.poll(shownNow, { timeout: 10_000 }).toEqual(expected(other.apiserver.certificate, frontProxyClient.certificate));
    const [cert, key] = [join(dir, 'own.crt'), join(dir, 'own.key')];
    const args = {
      ...{ 'kubelet-client-certificate': cert, 'kubelet-client-key': key },
      ...{ 'proxy-client-cert-file': cert, 'proxy-client-key-file': key },
    };
    await Promise.all([writeFile(cert, apiserver.certificate), writeFile(key, apiserver.key)]);
    followCertificates(api.server, args, api.pki, { ...unfollowed, signal: stop.signal });
    await expect.poll(shownNow, { timeout: 10_000 }).toEqual(expected(apiserver.certificate, apiserver.certificate));
  } finally {
    stop.abort();
    peer.closeAllConnections();
    peer.close();
  }
});

test('what other files say of its certificates, and of whom it trusts, counts from then on', async () => {
  const [certFile, keyFile, clientCaFile] = ['tls.crt', 'tls.key', 'clients.crt'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  const { apiserver, ca, frontProxyCa } = api.pki;
  const write = (cert: string, key: string, authority: string) =>
    Promise.all([writeFile(certFile, cert), writeFile(keyFile, key), writeFile(clientCaFile, authority)]);
  await write(apiserver.certificate, apiserver.key, ca.certificate);
  const stop = new AbortController();
  const args = { 'tls-cert-file': certFile, 'tls-private-key-file': keyFile, 'client-ca-file': clientCaFile };
  followCertificates(api.server, args, api.pki, {
    ...unfollowed,
    signal: stop.signal,
    serving: { cert: apiserver.certificate, key: apiserver.key },
    authorities: { clientCa: await clientAuthorities(args, ca.certificate), requestHeaderCa: frontProxyCa.certificate },
  });
  const { certificate: cert = '', key = '' } = other.clients.admin ?? {};
  const asOther = (authority: string) =>
    api
      .http('GET', '/api/v1/namespaces', undefined, {}, { cert, key, ca: authority })
      .then(({ status }) => status)
      .catch((error: NodeJS.ErrnoException) => error.code);
  expect(await asOther(ca.certificate)).toBe(401);
  // A key that is another's changes nothing.
  await write(apiserver.certificate, other.apiserver.key, `${ca.certificate}${other.ca.certificate}`);
  await expect.poll(() => asOther(ca.certificate), { timeout: 10_000 }).toBe(200);
  await write(other.apiserver.certificate, other.apiserver.key, other.ca.certificate);
  await expect.poll(() => asOther(other.ca.certificate), { timeout: 10_000 }).toBe(200);
  const trusted = await api.admin.get(ConfigMap, 'extension-apiserver-authentication', { namespace: 'kube-system' });
  expect(trusted.data?.['client-ca-file']).toContain(other.ca.certificate.trim());
  stop.abort();
});
