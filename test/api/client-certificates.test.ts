/** Who a client is by its certificate, made by openssl as a user's administrator would. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { signRequest } from '../../src/pki/index.ts';
import { systemClock } from '../../src/time/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let api: TestApiServer;
let dir: string;
beforeAll(async () => {
  api = await startApiServer();
  dir = await mkdtemp(join(tmpdir(), 'k8ts-certificates-'));
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
  const cert = await signRequest(api.pki.ca, signingRequest, { ...validity, usages: ['client'] });
  const review = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' });
  const told = await api.http('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', review, {}, { cert, key });
  expect(JSON.parse(told.body).status.userInfo).toEqual({
    username: 'una',
    uid: '42',
    groups: ['dev', 'ops', 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': [expect.stringMatching(/^X509SHA256=[0-9a-f]{64}$/)] },
  });
});
