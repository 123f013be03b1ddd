import { expect, test } from 'vitest';
import { oidcOptions } from './oidc-flags.ts';

const issuer = 'https://id.test/realm';
const needed = { 'oidc-issuer-url': issuer, 'oidc-client-id': 'k8s' };

test('names are prefixed with their provider unless they are addresses, or somebody wants otherwise', async () => {
  expect(await oidcOptions({})).toEqual({});
  expect(await oidcOptions(needed)).toEqual({
    oidc: [
      {
        ...{ issuer, audiences: ['k8s'], algorithms: ['RS256'] },
        mapping: { username: { claim: 'sub', prefix: `${issuer}#` }, requiredClaims: {} },
      },
    ],
  });
  const prefixOf = async (more: Record<string, string>) => (await oidcOptions({ ...needed, ...more })).oidc?.[0]?.mapping.username;
  expect(await prefixOf({ 'oidc-username-claim': 'email' })).toMatchObject({ prefix: '' });
  expect(await prefixOf({ 'oidc-username-prefix': '-' })).toMatchObject({ prefix: '' });
  expect(await prefixOf({ 'oidc-username-prefix': 'id:' })).toMatchObject({ prefix: 'id:' });
  const { oidc } = await oidcOptions({ ...needed, 'oidc-required-claim': 'a=b,c=d=e', 'oidc-groups-claim': 'groups' });
  expect(oidc).toMatchObject([{ mapping: { requiredClaims: { a: 'b', c: 'd=e' }, groups: { claim: 'groups', prefix: '' } } }]);
});

test.each([
  [{ 'oidc-client-id': 'k8s' }, 'oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set'],
  [{ ...needed, 'oidc-issuer-url': 'http://id.test' }, 'jwt[0].issuer.url: Invalid value: "http://id.test": URL scheme must be https'],
  [{ ...needed, 'oidc-issuer-url': 'https://id.test?a=b' }, 'URL must not contain a query'],
  [{ ...needed, 'oidc-signing-algs': 'HS256' }, 'oidc: unsupported signing alg: "HS256"'],
  [{ ...needed, 'oidc-required-claim': 'a' }, 'malformed pair, expect string=string'],
])('%o is refused', async (args, message) => {
  await expect(oidcOptions(args)).rejects.toThrow(message);
});
