import { randomBytes } from 'node:crypto';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { systemClock as clock } from '../../time/index.ts';
import { parseConfiguration } from './configuration.ts';
import { createEncryptionMetrics } from './metrics.ts';
import { openProviders } from './providers.ts';
import type { Opened, Transformer } from './transformer.ts';

const place = '/registry/secrets/default/s';
const plain = Buffer.from('{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s"}}');
const bytes = (length: number, from: number) => Buffer.from(Array.from({ length }, (_, i) => from + i));
const secret = (length: number, from = 1) => bytes(length, from).toString('base64');

const providersOf = (...providers: object[]) =>
  openProviders(
    parseConfiguration(
      JSON.stringify({
        apiVersion: 'apiserver.config.k8s.io/v1',
        kind: 'EncryptionConfiguration',
        resources: [{ resources: ['secrets'], providers }],
      }),
      'config.yaml',
      false,
    ),
    { clock, logger: undefined, metrics: createEncryptionMetrics(new Registry(), clock, 'test') },
  );
const secretsOf = async (...providers: object[]): Promise<Transformer> =>
  (await providersOf(...providers)).transformerOf({ group: '', resource: 'secrets' });
const keyed = (kind: string, length: number, name = 'key1', from = 1) => ({ [kind]: { keys: [{ name, secret: secret(length, from) }] } });

/** `openssl enc -aes-N-cbc`; GCM by @noble/ciphers' own AES (Node's is OpenSSL's); secretbox by tweetnacl. Keys are 1, 2, 3, ... */
const golden: Record<string, [provider: string, keyBytes: number, sealed: string]> = {
  'aescbc with 128 bits': [
    'aescbc',
    16,
    'c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd846f45d85a31fc6626cf6024bc1fddd301e6ad6570d8c3b9437e75078e7c9a4c9083541678fbdfab67a3066198916019053f894d15aa68fd9f38107c576a05b',
  ],
  'aescbc with 192 bits': [
    'aescbc',
    24,
    'c0c1c2c3c4c5c6c7c8c9cacbcccdcecf8985782b90007e191c2d58f6efd0f86a08d8d623d41c3675d6044312a557a7f702beb3102bd2908685d017e2b9a23a30183f1b1f1e252524f705414f1b614ebd',
  ],
  'aescbc with 256 bits': [
    'aescbc',
    32,
    'c0c1c2c3c4c5c6c7c8c9cacbcccdcecf9bb413e94419a94507eb0c3473d6bcc5f06c27293128bbda38c7b77dc0b7cb68d45933e128e465651e0748338bc99074fc409abc5a1df94bf5b7c3d1dda64af6',
  ],
  'aesgcm with 128 bits': [
    'aesgcm',
    16,
    'a0a1a2a3a4a5a6a7a8a9aaab7921fccf08c923ac1528ab0a8140a3a69258863116e1469cdbb9b92f9483fb9250dc397b1afa0fd03e50f22fed52f64961d95a86f70fe032e331312820d8dbc2e1b2f9ab3479cd526fa40a',
  ],
  'aesgcm with 192 bits': [
    'aesgcm',
    24,
    'a0a1a2a3a4a5a6a7a8a9aaab5d19fdb08cf23f24dcfb205c579a2df269f261ceac0df653715efeeba4b05eff24a5d14865ca38b03ff75b47ae5252ec261ce4bec1155e9f67634940628b32139cd8e06f4b2ec49b9da417',
  ],
  'aesgcm with 256 bits': [
    'aesgcm',
    32,
    'a0a1a2a3a4a5a6a7a8a9aaabc2f3560f93d1783e5d5dc70883e054a67bf5d169313e05f65432ba937074fa4300f3b5ea82b7c4554917b4f8840c350577d71da1eea1dca66a99fe7bc561759f145b2b59745f4ef7246b66',
  ],
  secretbox: [
    'secretbox',
    32,
    'b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c747e6812f5ae4974a8a193aa0221e78a81b3c7b64ad2aee92c9fa40b1a7b6eb798ca37559a7a377b757fa7d7ae537f3b945749ca664aea71eeb3d25b7ae5718b75c397b6bd99a9db772ed85',
  ],
};

test.each(Object.entries(golden))('%s: what another implementation has sealed is read', async (_, [provider, keyBytes, hex]) => {
  const transformer = await secretsOf(keyed(provider, keyBytes));
  const stored = Buffer.concat([Buffer.from(`k8s:enc:${provider}:v1:key1:`), Buffer.from(hex, 'hex')]);
  expect(transformer.open(stored, place)).toEqual({ plain, isStale: false });
});

test.each(['aescbc', 'aesgcm', 'secretbox'])(
  '%s: what is sealed is read, of any length, and looks different each time',
  async (provider) => {
    const transformer = await secretsOf(keyed(provider, 32));
    for (const length of [0, 1, 15, 16, 17, 31, 4096, 100_000]) {
      const value = randomBytes(length);
      const [one, two] = [transformer.seal(value, place), transformer.seal(value, place)];
      expect(one.toString('latin1').startsWith(`k8s:enc:${provider}:v1:key1:`)).toBe(true);
      expect(one.equals(two)).toBe(false);
      const opened = transformer.open(one, place) as Opened;
      expect(opened.isStale).toBe(false);
      expect(opened.plain.equals(value)).toBe(true);
    }
  },
);

const refusals: Record<string, [provider: string, change: (sealed: Buffer) => Buffer, message: string | RegExp]> = {
  'aesgcm, a bit turned': ['aesgcm', (s) => flip(s, s.length - 20), 'cipher: message authentication failed'],
  'aesgcm, cut': ['aesgcm', (s) => s.subarray(0, -1), 'cipher: message authentication failed'],
  'aesgcm, cut into its nonce': ['aesgcm', (s) => s.subarray(0, 30), 'the stored data was shorter than the required size'],
  'aescbc, cut': ['aescbc', (s) => s.subarray(0, -1), 'the stored data is not a multiple of the block size'],
  'aescbc, its nonce alone': ['aescbc', (s) => s.subarray(0, 23 + 16), 'invalid PKCS7 data (empty or not padded)'],
  'aescbc, cut into its nonce': ['aescbc', (s) => s.subarray(0, 30), 'the stored data was shorter than the required size'],
  'secretbox, a bit turned': ['secretbox', (s) => flip(s, s.length - 1), 'output array was not large enough for encryption'],
  'secretbox, cut into its tag': ['secretbox', (s) => s.subarray(0, 60), 'the stored data was shorter than the required size'],
  'no prefix of a provider': ['aesgcm', () => plain, 'no matching prefix found'],
  'another provider': ['aesgcm', () => Buffer.from('k8s:enc:aescbc:v1:key1:x'), 'no matching prefix found'],
  'a key that there is not': [
    'aesgcm',
    () => Buffer.from('k8s:enc:aesgcm:v1:key9:x'),
    'no matching key was found for the provided AES transformer',
  ],
  'a box with a key that there is not': [
    'secretbox',
    () => Buffer.from('k8s:enc:secretbox:v1:key9:x'),
    'no matching key was found for the provided Secretbox transformer',
  ],
};

function flip(sealed: Buffer, at: number): Buffer {
  const changed = Buffer.from(sealed);
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

test.each(Object.entries(refusals))('a value is refused: %s', async (_, [provider, change, message]) => {
  const transformer = await secretsOf(keyed(provider, 32));
  expect(() => transformer.open(change(transformer.seal(plain, place)), place)).toThrow(message);
});

test('the wrong key of the same name reads nothing, and never something else', async () => {
  for (const [provider, message] of [
    ['aesgcm', /message authentication failed/],
    ['secretbox', /not large enough/],
  ] as const) {
    const sealed = (await secretsOf(keyed(provider, 32))).seal(plain, place);
    const other = await secretsOf(keyed(provider, 32, 'key1', 7));
    expect(() => other.open(sealed, place)).toThrow(message);
  }
});

test('aesgcm binds a value to its place in the store, so that one can not be put where another was', async () => {
  const transformer = await secretsOf(keyed('aesgcm', 32));
  const sealed = transformer.seal(plain, place);
  expect(() => transformer.open(sealed, '/registry/secrets/default/other')).toThrow('cipher: message authentication failed');
});

test('the first provider and its first key write; whatever the others have written is read, and stale', async () => {
  const gcm = await secretsOf(keyed('aesgcm', 32));
  const two = {
    aesgcm: {
      keys: [
        { name: 'key2', secret: secret(32, 9) },
        { name: 'key1', secret: secret(32) },
      ],
    },
  };
  const next = await secretsOf(two, keyed('secretbox', 32), { identity: {} });
  expect(next.open(gcm.seal(plain, place), place)).toEqual({ plain, isStale: true });
  expect(next.open(next.seal(plain, place), place)).toEqual({ plain, isStale: false });
  expect(next.open((await secretsOf(keyed('secretbox', 32))).seal(plain, place), place)).toEqual({ plain, isStale: true });
  expect(next.open(plain, place)).toEqual({ plain, isStale: true });
});

test('two entries of one provider, with keys of one name, are both tried', async () => {
  const old = await secretsOf(keyed('aesgcm', 32));
  const both = await secretsOf(keyed('aesgcm', 32, 'key1', 9), keyed('aesgcm', 32));
  expect(both.open(old.seal(plain, place), place)).toEqual({ plain, isStale: true });
});

test('identity first takes no ciphertext for a value, and leaves it to who can read it', async () => {
  const sealed = (await secretsOf(keyed('aescbc', 32))).seal(plain, place);
  expect((await secretsOf({ identity: {} }, keyed('aescbc', 32))).open(sealed, place)).toEqual({ plain, isStale: true });
  const alone = await providersOf({ identity: {} });
  expect(() => alone.transformerOf({ group: '', resource: 'secrets' }).open(sealed, place)).toThrow('no matching prefix found');
  expect(() => alone.transformerOf({ group: '', resource: 'pods' }).open(sealed, place)).toThrow(
    'identity transformer tried to read encrypted data',
  );
});
