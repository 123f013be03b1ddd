import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { userOfClaims } from '../server/authentication/claim-mapping.ts';
import { authenticationConfiguration } from './authentication-configuration.ts';

let file: string;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'k8ts-authn-'));
  file = join(dir, 'config.yaml');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const read = async (parts: object, args: Record<string, string> = {}) => {
  writeFileSync(file, JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration', ...parts }));
  return (await authenticationConfiguration({ 'authentication-config': file, ...args }, ['https://own.test'])).authentication;
};
const issuer = { url: 'https://id.test', audiences: ['k8s'] };
const jwt = (parts: object = {}) => ({ issuer, claimMappings: { username: { claim: 'sub', prefix: '' } }, ...parts });

test('users are made of claims and expressions over them', async () => {
  const { oidc } = await read({
    jwt: [
      jwt({
        claimMappings: {
          username: { expression: '"id:" + claims.name' },
          groups: { expression: 'claims.roles.split(",")' },
          uid: { claim: 'sub' },
          extra: [{ key: 'example.com/tenant', valueExpression: 'claims.tenant' }],
        },
        claimValidationRules: [
          { claim: 'kind', requiredValue: 'person' },
          { expression: 'claims.exp - claims.nbf <= 86400', message: 'total token lifetime must not exceed 24 hours' },
        ],
        userValidationRules: [
          { expression: "!user.username.startsWith('system:')", message: 'username cannot used reserved system: prefix' },
        ],
      }),
    ],
  });
  const mapping = oidc?.[0]?.mapping;
  if (!mapping) throw new Error('one provider has been configured');
  const claims = { sub: '7', name: 'jane', roles: 'a,b', tenant: 'x', kind: 'person', nbf: 0, exp: 60 };
  expect(userOfClaims(claims, mapping)).toEqual({ name: 'id:jane', uid: '7', groups: ['a', 'b'], extra: { 'example.com/tenant': ['x'] } });
  expect(() => userOfClaims({ ...claims, exp: 90_000 }, mapping)).toThrow(
    "oidc: error evaluating claim validation expression: validation expression 'claims.exp - claims.nbf <= 86400' failed: total token lifetime must not exceed 24 hours",
  );
  expect(() => userOfClaims({ ...claims, kind: 'robot' }, mapping)).toThrow(
    'oidc: required claim kind value does not match. Got = robot, want = person',
  );
  expect(() => userOfClaims({ ...claims, name: 3 }, mapping)).toThrow('oidc: error evaluating username claim expression: ');
  const { roles: _, ...withoutRoles } = claims;
  expect(() => userOfClaims(withoutRoles, mapping)).toThrow(
    `oidc: error evaluating group claim expression: expression 'claims.roles.split(",")' resulted in error: no such key: roles`,
  );
  const { tenant: __, ...withoutTenant } = claims;
  expect(() => userOfClaims(withoutTenant, mapping)).toThrow("expression 'claims.tenant' resulted in error: no such key: tenant");
  expect(() => userOfClaims({ ...claims, tenant: 7 }, mapping)).toThrow(
    'oidc: error evaluating extra claim expression: claims.tenant: expression must return a string or a list of strings',
  );
  expect(userOfClaims({ ...claims, roles: ',a', tenant: ['', 'y'] }, mapping)).toMatchObject({
    groups: ['a'],
    extra: { 'example.com/tenant': ['y'] },
  });
});

test('claims are named as expressions can say them, and users have their fields and no others', async () => {
  const username = { expression: 'claims.kubernetes__dot__io.a__slash__b' };
  const { oidc } = await read({ jwt: [jwt({ claimMappings: { username } })] });
  const mapping = oidc?.[0]?.mapping;
  if (!mapping) throw new Error('one provider has been configured');
  expect(userOfClaims({ 'kubernetes.io': { 'a/b': 'jane' } }, mapping).name).toBe('jane');
  const revoked = `!(user.extra[?'authentication.kubernetes.io/credential-id'][0].orValue('') in ["JTI=7"])`;
  const rules = { ...mapping, ...(await read({ jwt: [jwt({ userValidationRules: [{ expression: revoked }] })] })).oidc?.[0]?.mapping };
  expect(userOfClaims({ sub: 'jane', jti: '8' }, rules).name).toBe('jane');
  expect(() => userOfClaims({ sub: 'jane', jti: '7' }, rules)).toThrow(`validation expression '${revoked}' failed: `);
  for (const [expression, why] of [
    ['user.name == "x"', "undefined field 'name'"],
    ['user.username == 3', "found no matching overload for '_==_' applied to '(string, int)'"],
  ] as const)
    await expect(read({ jwt: [jwt({ userValidationRules: [{ expression }] })] })).rejects.toThrow(why);
});

test('an address is taken for a name where it is looked at whether it is verified', async () => {
  for (const verified of [
    'claims.email_verified',
    'claims.?email_verified.orValue(true)',
    'has(claims.email_verified) && claims.email_verified',
  ]) {
    const username = { expression: `${verified} ? claims.email : claims.sub` };
    expect((await read({ jwt: [jwt({ claimMappings: { username } })] })).oidc).toHaveLength(1);
  }
});

test('strangers may ask for what is listed', async () => {
  const { anonymousAuth } = await read({ anonymous: { enabled: true, conditions: [{ path: '/livez' }] } });
  if (typeof anonymousAuth !== 'function') throw new Error('it is by path');
  expect(['/livez', '/api'].map(anonymousAuth)).toEqual([true, false]);
  expect(await read({ anonymous: { enabled: false } })).toEqual({ oidc: [], anonymousAuth: false });
  expect(await read({})).toEqual({ oidc: [] });
  expect(await authenticationConfiguration({})).toEqual({ authentication: {} });
});

test.each([
  [
    { jwt: [{}] },
    '[jwt[0].issuer.url: Required value, jwt[0].issuer.audiences: Required value: at least one jwt[0].issuer.audiences is required, jwt[0].claimMappings.username: Required value: claim or expression is required]',
  ],
  [{ jwt: [jwt(), jwt()] }, 'jwt[1].issuer.url: Duplicate value: "https://id.test"'],
  [
    { jwt: [jwt({ issuer: { ...issuer, url: 'http://id.test' } })] },
    'jwt[0].issuer.url: Invalid value: "http://id.test": URL scheme must be https',
  ],
  [
    { jwt: [jwt({ issuer: { ...issuer, url: 'invalid-url' } })] },
    'jwt[0].issuer.url: Invalid value: "invalid-url": URL scheme must be https',
  ],
  [
    { jwt: [jwt({ issuer: { ...issuer, url: 'https://id:x' } })] },
    'jwt[0].issuer.url: Invalid value: "https://id:x": parse "https://id:x": invalid port ":x" after host',
  ],
  [{ jwt: [jwt({ issuer: { ...issuer, url: 'https://id.test#x' } })] }, 'URL must not contain a fragment'],
  [{ jwt: [jwt({ issuer: { ...issuer, discoveryURL: 'https://id.test/' } })] }, 'discoveryURL must be different from URL'],
  [{ jwt: [jwt({ issuer: { ...issuer, audiences: ['a', 'b'] } })] }, 'audienceMatchPolicy must be MatchAny for multiple audiences'],
  [{ jwt: [jwt({ issuer: { ...issuer, certificateAuthority: 'x' } })] }, 'jwt[0].issuer.certificateAuthority: Invalid value: "<omitted>"'],
  [
    { jwt: [jwt({ claimMappings: { username: { claim: 'sub' } } })] },
    'jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set',
  ],
  [
    { jwt: [jwt({ claimMappings: { username: { expression: 'claims.' } } })] },
    'jwt[0].claimMappings.username.expression: Invalid value: "claims.": compilation failed',
  ],
  [
    { jwt: [jwt({ claimValidationRules: [{ expression: '"a"' }] })] },
    'jwt[0].claimValidationRules[0].expression: Invalid value: "\\"a\\"": must evaluate to bool',
  ],
  [{ anonymous: { enabled: false, conditions: [{ path: '/livez' }] } }, 'enabled should be set to true when conditions are defined'],
  [
    { jwt: [jwt({ claimMappings: { username: { expression: 'claims.email' } } })] },
    'jwt[0].claimMappings.username.expression: Invalid value: "claims.email": claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression',
  ],
  [
    { jwt: [jwt({ userValidationRules: [{ expression: 'true' }, { expression: 'true' }] })] },
    'jwt[0].userValidationRules[1].expression: Duplicate value: "true"',
  ],
  [
    { jwt: [jwt({ issuer: { ...issuer, egressSelectorType: 'etcd' } })] },
    'jwt[0].issuer.egressSelectorType: Invalid value: "etcd": egress selector must be either controlplane or cluster',
  ],
  [
    { jwt: [jwt({ issuer: { ...issuer, url: 'https://own.test' } })] },
    'jwt[0].issuer.url: Invalid value: "https://own.test": URL must not overlap with disallowed issuers: [https://own.test]',
  ],
  [{ anonymus: { enabled: true } }, 'strict decoding error: unknown field "anonymus"'],
  [{ kind: 'Pod' }, 'no kind "Pod" is registered for version "apiserver.config.k8s.io/v1"'],
])('what is wrong is said: %#', async (parts, why) => {
  await expect(read(parts)).rejects.toThrow(why);
});

test.each([
  ['foo', 'Invalid value: "foo": must be a domain-prefixed path (such as "acme.io/foo")'],
  ['', 'Required value'],
  ['example.org/Foo', 'Invalid value: "example.org/Foo": must be lowercase'],
  ['example.org/a b', "Invalid value: \"a b\": Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"],
  ['k8s.io/x', 'Invalid value: "k8s.io/x": k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use'],
  ['a.kubernetes.io/x', 'Invalid value: "a.kubernetes.io/x": k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use'],
])('an extra value has no key %j', async (key, why) => {
  const claimMappings = { username: { claim: 'sub', prefix: '' }, extra: [{ key, valueExpression: '"x"' }] };
  await expect(read({ jwt: [jwt({ claimMappings })] })).rejects.toThrow(`jwt[0].claimMappings.extra[0].key: ${why}`);
});

test('what is said of strangers is said once and for all', async () => {
  const strangers = { anonymous: { enabled: true, conditions: [{ path: '/livez' }] } };
  writeFileSync(file, JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration', ...strangers }));
  const { followed } = await authenticationConfiguration({ 'authentication-config': file });
  const next = (parts: object) =>
    JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration', ...parts });
  expect(followed?.parse(next({ ...strangers, jwt: [jwt()] }))).toHaveLength(1);
  expect(() => followed?.parse(next({ jwt: [jwt()] }))).toThrow('anonymous: Forbidden: changed from initial configuration file');
});

test('two ways to say it are one too many', async () => {
  await expect(read({}, { 'oidc-client-id': 'x' })).rejects.toThrow('authentication-config file and oidc-* flags are mutually exclusive');
  await expect(read({ anonymous: { enabled: true } }, { 'anonymous-auth': 'true' })).rejects.toThrow(
    'anonymous: Forbidden: --anonynous-auth flag cannot be set when anonymous field is configured in authentication configuration file',
  );
});
