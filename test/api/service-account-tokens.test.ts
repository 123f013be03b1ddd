/** Tokens of service accounts: what is known of those that stand in Secrets, and how long others live. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ConfigMap, Lease, Secret, ServiceAccount } from '../../src/api/index.ts';
import { apiServerIdentity, auditOptions, openAudit } from '../../src/server/index.ts';
import { systemClock as clock, systemRandom as random } from '../../src/time/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let server: TestApiServer;
let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'k8ts-tokens-'));
  const policy = join(dir, 'policy.yaml');
  const rule = '{level: Metadata, resources: [{group: authentication.k8s.io, resources: [selfsubjectreviews]}]}';
  writeFileSync(policy, `{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [${rule}]}`);
  const flags = { 'audit-policy-file': policy, 'audit-log-path': join(dir, 'audit.log') };
  const tools = { clock, random, logger: pino({ level: 'silent' }), registry: new Registry() };
  server = await startApiServer({
    controllers: true,
    server: { auditor: await openAudit(auditOptions(flags), tools) },
    authentication: { maxTokenSeconds: 7200, extendTokenExpiration: false, jwksUri: 'https://keys.test/jwks' },
  });
});
afterAll(async () => {
  await server?.close();
  rmSync(dir, { recursive: true, force: true });
});

const namespace = 'default';
const noCertificate = { cert: undefined, key: undefined };
const whoAmI = (token: string) =>
  server.http(
    'POST',
    '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}',
    { authorization: `Bearer ${token}` },
    noCertificate,
  );
/** What the last event of the audit log says of the token. */
const audited = () => {
  const { annotations } = JSON.parse(readFileSync(join(dir, 'audit.log'), 'utf8').trimEnd().split('\n').at(-1) ?? '{}');
  return Object.fromEntries(Object.entries(annotations ?? {}).filter(([key]) => key.startsWith('authentication.k8s.io/')));
};
const count = async (name: string) => {
  const { body } = await server.http('GET', '/metrics');
  return Number(new RegExp(`^serviceaccount_${name} (\\d+)$`, 'm').exec(body)?.[1]);
};

async function secretWithToken(name: string): Promise<string> {
  await server.admin.create(
    Secret,
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace, annotations: { 'kubernetes.io/service-account.name': 'default' } },
      type: 'kubernetes.io/service-account-token',
    },
    { namespace },
  );
  const text = async () => (await server.admin.get(Secret, name, { namespace })).data?.token;
  await expect.poll(text).toBeDefined();
  return Buffer.from((await text()) ?? '', 'base64').toString();
}

it('tells since when the use of tokens in Secrets is known, and mends it', async () => {
  const tracking = ['kube-apiserver-legacy-service-account-token-tracking', { namespace: 'kube-system' }] as const;
  const { data } = await server.admin.get(ConfigMap, ...tracking);
  expect(data?.since).toMatch(/^\d{4}-\d\d-\d\d$/);
  await server.admin.patch(ConfigMap, tracking[0], 'merge', { data: { since: 'long ago' } }, tracking[1]);
  await server.server.bootstrap();
  expect((await server.admin.get(ConfigMap, ...tracking)).data?.since).toMatch(/^\d{4}-\d\d-\d\d$/);
});

it('says of a token in a Secret that it is used, and warns of those that nobody made', async () => {
  await expect.poll(() => server.admin.get(ServiceAccount, 'default', { namespace }).catch(() => undefined)).toBeDefined();
  const token = await secretWithToken('mine');
  const first = await whoAmI(token);
  expect(JSON.parse(first.body).status.userInfo.username).toBe('system:serviceaccount:default:default');
  expect(first.headers.warning).toBeUndefined();
  const legacy = { 'authentication.k8s.io/legacy-token': 'system:serviceaccount:default:default' };
  await expect.poll(audited).toEqual({ ...legacy, 'authentication.k8s.io/legacy-token-manual-secret': 'mine' });
  const { labels } = (await server.admin.get(Secret, 'mine', { namespace })).metadata;
  expect(labels).toEqual({ 'kubernetes.io/legacy-token-last-used': expect.stringMatching(/^\d{4}-\d\d-\d\d$/) });
  expect([await count('legacy_tokens_total'), await count('legacy_manual_token_uses_total')]).toEqual([1, 1]);

  await server.admin.patch(ServiceAccount, 'default', 'merge', { secrets: [{ name: 'mine' }] }, { namespace });
  expect((await whoAmI(token)).headers.warning).toBe(
    '299 - "Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens."',
  );
  expect(await count('legacy_auto_token_uses_total')).toBe(1);
  await expect.poll(audited).toEqual({ ...legacy, 'authentication.k8s.io/legacy-token-autogenerated-secret': 'mine' });

  const lastUsed = 'kubernetes.io/legacy-token-last-used';
  const marked = { metadata: { labels: { [lastUsed]: '2025-01-01', 'kubernetes.io/legacy-token-invalid-since': '2026-01-01' } } };
  await server.admin.patch(Secret, 'mine', 'merge', marked, { namespace });
  expect((await whoAmI(token)).status).toBe(401);
  await expect.poll(audited).toEqual({ ...legacy, 'authentication.k8s.io/legacy-token-invalidated': 'mine/default' });
  expect((await server.admin.get(Secret, 'mine', { namespace })).metadata.labels?.[lastUsed]).not.toBe('2025-01-01');
  expect(await count('invalid_legacy_auto_token_uses_total')).toBe(1);
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
  const answer = await server.http('POST', '/apis/authentication.k8s.io/v1/tokenreviews', JSON.stringify(review));
  expect(JSON.parse(answer.body).status.error).toContain(
    "the token in secret default/mine for service account default/default has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the 'kubernetes.io/legacy-token-invalid-since' label from the secret to temporarily allow use of this token",
  );
});

it('keeps tokens within the time that its flags say', async () => {
  const request = (expirationSeconds: number) =>
    server.http(
      'POST',
      '/api/v1/namespaces/default/serviceaccounts/default/token',
      JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds } }),
    );
  const { spec, status } = JSON.parse((await request(100_000)).body);
  expect(spec.expirationSeconds).toBe(7200);
  const claims = JSON.parse(Buffer.from(status.token.split('.')[1], 'base64url').toString());
  expect(claims.exp - claims.iat).toBe(7200);
  expect((await whoAmI(status.token)).status).toBe(201);
  const { body, headers } = await server.http('GET', '/.well-known/openid-configuration');
  expect(JSON.parse(body).jwks_uri).toBe('https://keys.test/jwks');
  expect(headers['cache-control']).toBe('public, max-age=3600');
});

it('has a lease of its own', async () => {
  const { items } = await server.admin.list(Lease, {
    namespace: 'kube-system',
    labelSelector: 'apiserver.kubernetes.io/identity=kube-apiserver',
  });
  const name = apiServerIdentity(hostname());
  expect(name).toMatch(/^apiserver-[a-z2-7]{26}$/);
  expect(items).toMatchObject([
    {
      metadata: { name, labels: { 'kubernetes.io/hostname': hostname() } },
      spec: { holderIdentity: expect.stringMatching(new RegExp(`^${name}_[0-9a-f-]{36}$`)), leaseDurationSeconds: 3600 },
    },
  ]);
  const health = (await server.http('GET', '/readyz?verbose')).body;
  for (const hook of ['identity-lease-controller', 'identity-lease-garbage-collector'])
    expect(health).toContain(`[+]poststarthook/start-kube-apiserver-${hook} ok\n`);
  expect(health).toContain('[+]poststarthook/start-legacy-token-tracking-controller ok\n');
});
