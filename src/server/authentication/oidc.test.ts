import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ensurePki } from '../../pki/index.ts';
import { VirtualClock } from '../../time/index.ts';
import { createOidcMetrics } from '../metrics/oidc-metrics.ts';
import { allHealthy, type OidcOptions, oidcTokens } from './oidc.ts';

let dir: string;
let provider: Server;
let options: OidcOptions;
let published: JWK[];
/** What it answers at /groups, and the credentials that it was asked with. */
let distributed: string;
let askedAs: (string | undefined)[];
let asked: string[];
/** Answers so often that it is not there. */
let absent = 0;
/** Called when somebody waits for an answer that never ends. */
let onWaiting = () => {};

interface Key {
  privateKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
  jwk: JWK;
}
async function newKey(kid: string): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' } };
}

const noSignature = 'oidc: verify token: failed to verify signature: failed to verify id token signature';
let first: Key;
const clock = new VirtualClock();
/** `seconds`: how long it is good; null: without end. */
const token = (claims: Record<string, unknown>, { privateKey, jwk }: Key = first, seconds: number | null = 600) => {
  const now = Math.floor(clock.now() / 1000);
  return new SignJWT({ aud: 'k8s', sub: 'jane', ...(seconds === null ? {} : { exp: now + seconds }), ...claims })
    .setProtectedHeader({ alg: 'RS256', ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) })
    .setIssuer((claims.iss as string | undefined) ?? options.issuer)
    .setIssuedAt(now)
    .sign(privateKey);
};

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'k8ts-oidc-'));
  const pki = await ensurePki(join(dir, 'pki'), { now: Date.now() });
  provider = createServer({ cert: pki.apiserver.certificate, key: pki.apiserver.key }, (request, response) => {
    asked.push(request.url ?? '');
    if (request.url === '/groups') {
      askedAs.push(request.headers.authorization);
      return response.end(distributed);
    }
    if (request.url === '/endless') return response.write('{', () => onWaiting());
    if (absent-- > 0) return response.writeHead(503).end('later');
    const { issuer } = options;
    return response.end(JSON.stringify(request.url === '/keys' ? { keys: published } : { issuer, jwks_uri: `${issuer}/keys` }));
  });
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  const { port } = provider.address() as AddressInfo; // a TCP server's
  first = await newKey('one');
  options = {
    issuer: `https://127.0.0.1:${port}`,
    audiences: ['k8s'],
    ca: pki.ca.certificate,
    algorithms: ['RS256'],
    mapping: {
      username: { claim: 'sub', prefix: 'id:' },
      groups: { claim: 'groups', prefix: 'g:' },
      requiredClaims: {},
    },
  };
});
beforeEach(() => {
  published = [first.jwk];
  asked = [];
  askedAs = [];
});
afterAll(() => {
  provider?.close();
  rmSync(dir, { recursive: true, force: true });
});

test('a token of the provider names its user and groups', async () => {
  const tokens = oidcTokens(options, clock);
  const result = await tokens.authenticateToken(await token({ groups: ['a', 'b'], jti: 'x' }), []);
  expect(result?.user).toEqual({
    name: 'id:jane',
    groups: ['g:a', 'g:b'],
    extra: { 'authentication.kubernetes.io/credential-id': ['JTI=x'] },
  });
  expect((await tokens.authenticateToken(await token({ groups: 'one', aud: ['other', 'k8s'] }), []))?.user.groups).toEqual(['g:one']);
  expect(asked).toEqual(['/.well-known/openid-configuration', '/keys']);
  expect(await tokens.authenticateToken(await token({ iss: 'https://somebody.else' }), [])).toBeUndefined();
  expect(await tokens.authenticateToken('no.jwt.', [])).toBeUndefined();
});

test('what a token says is taken as upstream takes it', async () => {
  const user = async (claims: Record<string, unknown>, given = options) =>
    (await oidcTokens(given, clock).authenticateToken(await token(claims), []))?.user;
  expect(await user({ groups: null, jti: 5 })).toEqual({ name: 'id:jane', groups: [] });
  expect((await user({ groups: '' }))?.groups).toEqual(['g:']);
  expect((await user({ sub: '' }))?.name).toBe('id:');
  const google = { ...options, issuer: 'https://accounts.google.com' };
  await expect(oidcTokens(google, clock).authenticateToken(await token({ iss: 'accounts.google.com', aud: 'x' }), [])).rejects.toThrow(
    'expected audience',
  );
});

test('a provider whose answer never ends is waited for half a minute, whatever comes meanwhile', async () => {
  const tokens = oidcTokens({ ...options, discoveryUrl: `${options.issuer}/endless` }, clock);
  const waiting = new Promise<void>((resolve) => {
    onWaiting = resolve;
  });
  const answer = tokens.authenticateToken(await token({}), []).catch((error: Error) => error.message);
  await waiting;
  await clock.advance(30_000);
  expect(await answer).toContain('/endless": context deadline exceeded');
});

test('groups that another provider has are asked for there', async () => {
  const far = { endpoint: `${options.issuer}/groups`, access_token: 'secret' };
  const elsewhere = { _claim_names: { groups: 'src' }, _claim_sources: { src: far } };
  const tokens = oidcTokens(options, clock);
  const groups = async (claims: Record<string, unknown>) => (await tokens.authenticateToken(await token(claims), []))?.user.groups;
  distributed = await token({ groups: ['far'] });
  expect(await groups(elsewhere)).toEqual(['g:far']);
  expect(askedAs).toEqual(['Bearer secret']);
  expect(await groups({ ...elsewhere, groups: ['near'] })).toEqual(['g:near']);
  expect(await groups({ ...elsewhere, _claim_sources: { src: { JWT: 'x' } } })).toEqual([]);
  expect(await groups({ ...elsewhere, _claim_names: { other: 'src' } })).toEqual([]);
  expect(askedAs).toHaveLength(1);

  const prefix = 'oidc: could not expand distributed claims: ';
  for (const [answer, why] of [
    [
      await token({ groups: ['far'], aud: 'other' }),
      `${prefix}verify distributed claim token: oidc: expected audience "k8s" got ["other"]`,
    ],
    [await token({ groups: ['far'] }, first, -10), `${prefix}verify distributed claim token: oidc: token is expired (Token Expiry: `],
    [await token({}), `${prefix}jwt returned by distributed claim endpoint "${far.endpoint}" did not contain claim: groups`],
    [
      await token({ groups: ['far'] }, await newKey('one')),
      `${prefix}verify distributed claim token: failed to verify signature: failed to verify id token signature`,
    ],
    ['nonsense', `${prefix}getting untrusted issuer from endpoint ${far.endpoint} failed for claim "groups": malformed token`],
  ] as const) {
    distributed = answer;
    await expect(groups(elsewhere)).rejects.toThrow(why);
  }
  await expect(groups({ ...elsewhere, _claim_sources: { src: { endpoint: `${options.issuer}/keys` } } })).rejects.toThrow(
    'malformed token',
  );
  await expect(groups({ ...elsewhere, _claim_sources: { src: { endpoint: 'https://127.0.0.1:1/x' } } })).rejects.toThrow(
    `${prefix}while getting distributed claim "groups": Get "https://127.0.0.1:1/x": dial tcp 127.0.0.1:1: connect: connection refused`,
  );
});

test('providers that a new configuration names are waited for', async () => {
  absent = 1;
  const tokens = oidcTokens(options, clock);
  const elsewhere = oidcTokens({ ...options, issuer: 'https://127.0.0.1:1' }, clock);
  await expect(tokens.checkHealth()).rejects.toThrow(
    `oidc: authenticator for issuer "${options.issuer}" is not healthy: 503 Service Unavailable: later`,
  );
  await allHealthy([tokens], clock, AbortSignal.timeout(10_000));
  const refused = expect(allHealthy([tokens, elsewhere], clock, AbortSignal.timeout(10_000))).rejects.toThrow(
    '[oidc: authenticator for issuer "https://127.0.0.1:1" is not healthy: Get "https://127.0.0.1:1/.well-known/openid-configuration": dial tcp 127.0.0.1:1: connect: connection refused, context deadline exceeded]',
  );
  let isOver = false;
  const over = refused.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(1000);
  }
  await over;
});

test('what is wrong with a token is said', async () => {
  const forger = await newKey('one');
  const soon = Math.floor(clock.now() / 1000);
  const strict = { ...options, mapping: { ...options.mapping, requiredClaims: { team: 'blue' } } };
  const byMail = { ...options, mapping: { ...options.mapping, username: { claim: 'email', prefix: 'id:' } } };
  for (const [given, of, why] of [
    [await token({ aud: 'other' }), options, 'oidc: verify token: oidc: expected audience "k8s" got ["other"]'],
    [
      await token({}, first, -10),
      options,
      /^oidc: verify token: oidc: token is expired \(Token Expiry: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC\)$/,
    ],
    [await token({}, first, null), options, 'oidc: verify token: oidc: token is expired (Token Expiry: 0001-01-01 00:00:00 +0000 UTC)'],
    [await token({ nbf: soon + 90 }), options, /^oidc: verify token: oidc: current time .* before the nbf \(not before\) time: /],
    [
      await token({ aud: ['a', 'b'] }),
      { ...options, audiences: ['y', 'x'] },
      'oidc: verify token: oidc: expected audience in ["x" "y"] got ["a" "b"]',
    ],
    [await token({}, forger), options, noSignature],
    [
      await token({}),
      { ...options, algorithms: ['ES256', 'PS256'] },
      'oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["ES256" "PS256"] got "RS256"',
    ],
    [
      await token({ _claim_names: { groups: 'far' }, _claim_sources: { near: {} } }),
      options,
      'oidc: verify token: oidc: source does not exist',
    ],
    [await token({ groups: 42 }), options, 'oidc: parse groups claim "groups": json: cannot unmarshal number into Go value of type string'],
    [
      await token({ groups: ['a', 1] }),
      options,
      'oidc: parse groups claim "groups": json: cannot unmarshal array into Go value of type string',
    ],
    [await token({}), strict, 'oidc: required claim team not present in ID token'],
    [await token({ team: 'red' }), strict, 'oidc: required claim team value does not match. Got = red, want = blue'],
    [await token({}), byMail, 'oidc: parse username claims "email": claim not present'],
    [await token({ email: 'a@b', email_verified: false }), byMail, 'oidc: email not verified'],
    [
      await token({ email: 'a@b', email_verified: 'false' }),
      byMail,
      "oidc: parse 'email_verified' claim: json: cannot unmarshal string into Go value of type bool",
    ],
    [await token({ team: ['blue'] }), strict, 'oidc: parse claim team: json: cannot unmarshal array into Go value of type string'],
  ] as const)
    await expect(oidcTokens(of, clock).authenticateToken(given, [])).rejects.toThrow(why);
  expect((await oidcTokens(byMail, clock).authenticateToken(await token({ email: 'a@b' }), []))?.user.name).toBe('id:a@b');
  // Its provider's clock may be ahead.
  expect((await oidcTokens(options, clock).authenticateToken(await token({ nbf: soon + 50 }), []))?.user.name).toBe('id:jane');
});

test('new keys of the provider are found, but not asked for with every token', async () => {
  const tokens = oidcTokens(options, clock);
  absent = 1;
  await expect(tokens.authenticateToken(await token({}), [])).rejects.toThrow('503 Service Unavailable: later');
  expect((await tokens.authenticateToken(await token({}), []))?.user.name).toBe('id:jane');
  const second = await newKey('two');
  await expect(tokens.authenticateToken(await token({}, second), [])).rejects.toThrow(noSignature);
  published.push(second.jwk);
  await clock.advance(10_001);
  expect((await tokens.authenticateToken(await token({}, second), []))?.user.name).toBe('id:jane');
  expect(asked.filter((path) => path === '/keys')).toHaveLength(2);
});

test('a token with an unknown key does not take away the keys that are known', async () => {
  const tokens = oidcTokens(options, clock);
  const known = async () => (await tokens.authenticateToken(await token({}), []))?.user.name;
  expect(await known()).toBe('id:jane');
  await clock.advance(10_001);
  const unknown = await token({}, await newKey('nobody'));
  absent = 1;
  const refused = expect(tokens.authenticateToken(unknown, [])).rejects.toThrow('503 Service Unavailable: later');
  expect(await known()).toBe('id:jane');
  await refused;
  expect(await known()).toBe('id:jane');
  // Nor is the provider asked again at once.
  await expect(tokens.authenticateToken(unknown, [])).rejects.toThrow(noSignature);
  expect(asked).toHaveLength(3);
});

test('a token that does not name its key is good by any of them', async () => {
  const second = await newKey('two');
  published.push(second.jwk);
  const tokens = oidcTokens(options, clock);
  const { kid: _, ...unnamed } = second.jwk;
  expect((await tokens.authenticateToken(await token({}, { ...second, jwk: unnamed }), []))?.user.name).toBe('id:jane');
  const forged = await token({}, { ...(await newKey('three')), jwk: unnamed });
  await expect(tokens.authenticateToken(forged, [])).rejects.toThrow(noSignature);
});

test('what tokens take and when keys came is counted', async () => {
  const registry = new Registry();
  const tokens = oidcTokens(options, clock, createOidcMetrics(registry, clock, 'server'));
  await tokens.authenticateToken(await token({}), []);
  await expect(tokens.authenticateToken(await token({ aud: 'other' }), [])).rejects.toThrow('expected audience');
  const metrics = await registry.metrics();
  const hash = '"sha256:[0-9a-f]{64}"';
  for (const line of [
    `latency_seconds_count{result="success",jwt_issuer_hash=${hash}} 1`,
    `latency_seconds_count{result="failure",jwt_issuer_hash=${hash}} 1`,
    `jwks_fetch_last_timestamp_seconds{result="success",jwt_issuer_hash=${hash},apiserver_id_hash=${hash}} \\d`,
    `jwks_fetch_last_key_set_info{jwt_issuer_hash=${hash},apiserver_id_hash=${hash},hash=${hash}} 1`,
  ])
    expect(metrics).toMatch(new RegExp(`apiserver_authentication_jwt_authenticator_${line}`));
});
