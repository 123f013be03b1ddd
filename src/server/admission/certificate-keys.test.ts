import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { expect, it } from 'vitest';
import { FieldErrors, fieldErrorMessage, type KubeObject } from '../../api/index.ts';
import { createSigningRequest } from '../../pki/index.ts';
import type { WriteHook } from '../request.ts';
import { keyInHand, signedByItsKey } from './certificate-keys.ts';

async function wrong<T extends KubeObject>(hook: WriteHook<T>, spec: object): Promise<string[]> {
  const problems = new FieldErrors();
  await hook.begin({ next: { spec } as unknown as T, prev: undefined, dryRun: false, problems });
  return problems.list.map(fieldErrorMessage);
}

it('takes requests for certificates that their own keys have signed', async () => {
  for (const key of [
    undefined,
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('ec', { namedCurve: 'secp384r1' }),
  ]) {
    const pkcs8 = key?.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string | undefined;
    const { request } = await createSigningRequest({ commonName: 'x', ...(pkcs8 === undefined ? {} : { key: pkcs8 }) });
    const der = Buffer.from(request.replace(/-----.*-----/g, ''), 'base64');
    const encoded = () =>
      Buffer.from(`-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`).toString('base64');
    expect(await wrong(signedByItsKey, { request: encoded() })).toEqual([]);
    const last = der.length - 1;
    der[last] = (der[last] ?? 0) ^ 1;
    expect(await wrong(signedByItsKey, { request: encoded() })).toEqual([
      expect.stringMatching(/: (crypto\/rsa: verification error|x509: ECDSA verification failure)$/),
    ]);
  }
});

const ed25519 = generateKeyPairSync('ed25519');
const bad = (field: string, text: string) => [`spec.${field}: Invalid value: ${text}`];
const ofKey = (text: string) => bad('pkixPublicKey', text);

it.each<[string, { privateKey: KeyObject; publicKey: KeyObject }, object, string[]]>([
  ['ed25519', ed25519, {}, []],
  ['P-521', generateKeyPairSync('ec', { namedCurve: 'secp521r1' }), {}, []],
  ['RSA', generateKeyPairSync('rsa', { modulusLength: 3072 }), {}, []],
  [
    'small RSA',
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    {},
    ofKey('"2048-bit modulus": RSA keys must have modulus size 3072 or 4096'),
  ],
  [
    'P-224',
    generateKeyPairSync('ec', { namedCurve: 'secp224r1' }),
    {},
    ofKey('"curve P-224": elliptic public keys must use curve P256 or P384'),
  ],
  ["another pod's", ed25519, { podUID: 'q' }, ['spec.proofOfPossession: Invalid value: could not verify proof-of-possession signature']],
  ['none', ed25519, { pkixPublicKey: 'AAAA' }, ofKey('"AAAA": must be a valid PKIX-serialized public key')],
])("takes a pod's key that is in hand: %s", async (_, { privateKey, publicKey }, spec, messages) => {
  const isRsa = privateKey.asymmetricKeyType === 'rsa';
  const pss = isRsa ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } : {};
  const digest = privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  const asked = {
    podUID: 'p',
    maxExpirationSeconds: 3600,
    pkixPublicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    proofOfPossession: sign(digest, Buffer.from('p'), { key: privateKey, ...pss }).toString('base64'),
  };
  expect(await wrong(keyInHand, { ...asked, ...spec })).toEqual(messages);
});
