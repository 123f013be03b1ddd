import { gcm } from '@noble/ciphers/aes.js';
import { Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { systemClock, VirtualClock } from '../../../time/index.ts';
import { createEncryptionMetrics } from '../metrics.ts';
import { openProviders, type Providers } from '../providers.ts';
import { type KmsPlugin, startKmsPlugin } from '../testing/kms-plugin.ts';
import {
  decodeEncryptedObject,
  type EncryptedObject,
  encodeEncryptedObject,
  keySource,
  validateEncryptedObject,
} from './encrypted-object.ts';
import { envelopeTransformer } from './envelope.ts';
import { type KeyService, type KmsCiphertext, type KmsStatus, openKeyService } from './key-service.ts';
import { openKeyRing } from './write-key.ts';

const place = '/registry/secrets/default/s';
const plain = Buffer.from('{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s"}}');
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function pluginOf(options?: { isAbstract: boolean }): Promise<KmsPlugin> {
  const plugin = await startKmsPlugin(options);
  cleanups.push(() => plugin.remove());
  return plugin;
}

async function providersOf(plugin: KmsPlugin, timeoutMs = 3000): Promise<{ providers: Providers; registry: Registry }> {
  const registry = new Registry();
  const kms = { apiVersion: 'v2', name: 'vault', endpoint: plugin.endpoint, timeoutMs, timeout: '', cachesize: undefined };
  const providers = await openProviders(
    { resources: [{ resources: ['secrets'], providers: [{ kms }, { identity: {} }] }] },
    { clock: systemClock, logger: undefined, metrics: createEncryptionMetrics(registry, systemClock, 'test') },
  );
  cleanups.push(() => providers.close());
  return { providers, registry };
}
const secretsOf = (providers: Providers) => providers.transformerOf({ group: '', resource: 'secrets' });
/** Rejects though what refuses does so at once. */
const opening = async (providers: Providers, sealed: Buffer) => secretsOf(providers).open(sealed, place);

/** A KMS in this process, for tests that move the clock. */
function fakeService(status: KmsStatus = { version: 'v2', healthz: 'ok', keyId: 'a' }) {
  const state = { status, down: false, asked: 0, forged: {} as Partial<KmsCiphertext> };
  const reachable = async () => {
    state.asked++;
    if (state.down) throw new Error('rpc error: code = Unavailable desc = down');
  };
  const service: KeyService = {
    status: async () => {
      await reachable();
      return state.status;
    },
    encrypt: async (_, plaintext) => {
      await reachable();
      return { ciphertext: Buffer.from(plaintext), keyId: state.status.keyId, annotations: {}, ...state.forged };
    },
    decrypt: async (_, { ciphertext }) => {
      await reachable();
      return ciphertext;
    },
    close: () => {},
  };
  return { state, service };
}

async function ringOf(service: KeyService, clock: VirtualClock) {
  const stop = new AbortController();
  cleanups.push(() => stop.abort(new Error('over')));
  const metrics = createEncryptionMetrics(new Registry(), clock, 'test');
  const keys = await openKeyRing({ name: 'vault', service, clock, logger: undefined, metrics, signal: stop.signal });
  return { keys, transformer: envelopeTransformer({ name: 'vault', service, keys, clock, metrics }) };
}

test('what is sealed is read by this server without asking, by another with one question for all values', async () => {
  const plugin = await pluginOf();
  const { providers, registry } = await providersOf(plugin);
  const sealed = [1, 2, 3].map(() => secretsOf(providers).seal(plain, place));
  expect(sealed[0]?.toString('latin1').startsWith('k8s:enc:kms:v2:vault:')).toBe(true);
  for (const value of sealed) expect(secretsOf(providers).open(value, place)).toEqual({ plain, isStale: false });
  expect(plugin.calls).toEqual({ Status: 1, Encrypt: 1, Decrypt: 0 });

  const { providers: others } = await providersOf(plugin);
  expect(await Promise.all(sealed.map((value) => opening(others, value)))).toEqual(sealed.map(() => ({ plain, isStale: false })));
  expect(plugin.calls).toEqual({ Status: 2, Encrypt: 2, Decrypt: 1 });
  const text = await registry.metrics();
  expect(text).toMatch(
    /apiserver_storage_transformation_operations_total\{resource="secrets",transformation_type="to_storage",transformer_prefix="k8s:enc:kms:v2:vault:",status="OK"\} 3/,
  );
  expect(text).toMatch(
    /apiserver_envelope_encryption_key_id_hash_total\{transformation_type="to_storage",provider_name="vault",key_id_hash="sha256:[0-9a-f]{64}",apiserver_id_hash="sha256:[0-9a-f]{64}"\} 3/,
  );
  expect(text).toMatch(
    /apiserver_envelope_encryption_kms_operations_latency_seconds_count\{provider_name="vault",method_name="\/v2.KeyManagementService\/Encrypt",grpc_status_code="OK"\} 1/,
  );
});

/** The derived key is of `openssl kdf ... mode:EXPAND_ONLY` with seed 1, 2, 3 ... and information 0x40, 0x41 ...; the message is written by hand. */
test('what an upstream server has stored is read: a seed, and the single key of before 1.29', async () => {
  const count = (length: number, from: number) => Buffer.from(Array.from({ length }, (_, i) => from + i));
  const { service } = fakeService();
  const { transformer } = await ringOf(service, new VirtualClock());
  const source = count(32, 1);
  const derived = Buffer.from('C425825A3E54468F902C60316CD30D905E2B57881283CC9E9E13722BC629985E', 'hex');
  const nonce = count(12, 0xa0);
  const info = count(32, 0x40);
  const message = (data: Buffer, type: Buffer) =>
    Buffer.concat([
      Buffer.of(0x0a, 0x80 | (data.length & 127), data.length >> 7),
      data,
      Buffer.from('\x12\x01a\x1a\x20', 'latin1'),
      source,
      type,
    ]);
  const cipher = (key: Buffer) => Buffer.concat([nonce, gcm(key, nonce, Buffer.from(place)).encrypt(Buffer.concat([plain, plain]))]);
  const twice = Buffer.concat([plain, plain]);
  const bySeed = message(Buffer.concat([info, cipher(derived)]), Buffer.of(0x28, 1));
  expect(await transformer.open(bySeed, place)).toEqual({ plain: twice, isStale: false });
  const byKey = message(cipher(source), Buffer.alloc(0));
  expect(await transformer.open(byKey, place)).toEqual({ plain: twice, isStale: true });
});

test('an encrypted object is written and read with all of its fields', () => {
  const object: EncryptedObject = {
    encryptedData: Buffer.alloc(300, 7),
    keyId: 'schlüssel',
    encryptedDekSource: Buffer.from('dek'),
    annotations: { 'b.example.com': Buffer.from('2'), 'a.example.com': Buffer.alloc(0) },
    encryptedDekSourceType: keySource.hkdfSha256XnonceAesGcmSeed,
  };
  const bytes = encodeEncryptedObject(object);
  expect(decodeEncryptedObject(bytes)).toEqual(object);
  for (let length = 1; length < bytes.length; length++) {
    // Whatever is cut off is noticed, here or by the cipher.
    try {
      expect(decodeEncryptedObject(bytes.subarray(0, length))).not.toEqual(object);
    } catch (error) {
      expect(String(error)).toMatch('proto: cannot parse invalid wire-format data');
    }
  }
});

const invalid: Record<string, [change: Partial<EncryptedObject>, message: string]> = {
  'no data': [{ encryptedData: Buffer.alloc(0) }, 'encrypted data is empty'],
  'no key': [{ encryptedDekSource: Buffer.alloc(0) }, 'failed to validate encrypted DEK source: encrypted DEK source is empty'],
  'a large key': [
    { encryptedDekSource: Buffer.alloc(1025) },
    'failed to validate encrypted DEK source: encrypted DEK source is 1025 bytes, which exceeds the max size of 1024',
  ],
  'no key id': [{ keyId: '' }, 'failed to validate key id: keyID is empty'],
  'a long key id': [{ keyId: 'x'.repeat(1025) }, 'failed to validate key id: keyID is 1025 bytes, which exceeds the max size of 1024'],
  'an annotation of no domain': [
    { annotations: { x: Buffer.of(1) } },
    'failed to validate annotations: annotations: Invalid value: "x": should be a domain with at least two segments separated by dots',
  ],
  'large annotations': [
    { annotations: { 'a.b': Buffer.alloc(32768) } },
    'failed to validate annotations: total size of annotations is 32771, which exceeds the max size of 32768',
  ],
  'a type of the future': [{ encryptedDekSourceType: 2 }, 'unknown encryptedDEKSourceType: 2'],
};
test.each(Object.entries(invalid))('an encrypted object is refused: %s', (_, [change, message]) => {
  const object = { encryptedData: plain, keyId: 'a', encryptedDekSource: Buffer.of(1), annotations: {}, encryptedDekSourceType: 1 };
  expect(() => validateEncryptedObject(object)).not.toThrow();
  expect(() => validateEncryptedObject({ ...object, ...change })).toThrow(message);
});

test('another key id in the status means another key; what the one before has written is stale and still read', async () => {
  const clock = new VirtualClock();
  const { state, service } = fakeService();
  const { keys, transformer } = await ringOf(service, clock);
  const before = transformer.seal(plain, place);
  const writer = transformer.writer();
  await clock.advance(60_000);
  expect(transformer.writer()).toBe(writer);
  state.status = { ...state.status, keyId: 'b' };
  await clock.advance(60_000);
  expect(keys.current().envelope.keyId).toBe('b');
  expect(transformer.writer()).not.toBe(writer);
  expect(await transformer.open(before, place)).toEqual({ plain, isStale: true });
  expect(await transformer.open(transformer.seal(plain, place), place)).toEqual({ plain, isStale: false });
});

test('while the KMS is away, reads go on, and writes for three minutes; when it is back, writes go on', async () => {
  const clock = new VirtualClock();
  const { state, service } = fakeService();
  const { keys, transformer } = await ringOf(service, clock);
  const sealed = transformer.seal(plain, place);
  state.down = true;
  await clock.advance(179_000);
  transformer.seal(plain, place);
  await clock.advance(2000);
  expect(() => transformer.seal(plain, place)).toThrow(
    /^encryptedDEKSource with keyID hash "sha256:[0-9a-f]{64}" expired at \S+Z \(current time is \S+Z\)$/,
  );
  expect(await transformer.open(sealed, place)).toEqual({ plain, isStale: false });
  // The probe has just been told.
  await expect(keys.check()).rejects.toThrow(/^rpc error: code = Unavailable desc = down$/);
  state.down = false;
  await clock.advance(10_000);
  await keys.check();
  transformer.seal(plain, place);
});

const unhealthy: Record<string, [status: Partial<KmsStatus>, forged: Partial<KmsCiphertext>, message: RegExp]> = {
  'is not well': [{ healthz: 'sealed' }, {}, /^kmsv2 Provider vault is not healthy, error: got unexpected healthz status: sealed$/],
  'has another version': [{ version: 'v3' }, {}, /error: expected KMSv2 API version v2, got v3$/],
  'has no key': [{ keyId: '' }, {}, /error: got invalid KMSv2 KeyID hash "": keyID is empty$/],
  'encrypts by another key than it says': [
    {},
    { keyId: 'other' },
    /error: failed to rotate DEK uid="[-0-9a-f]{36}", useSeed=true, errState=got unexpected nil transformer, errGen=<nil>, statusKeyIDHash="sha256:\w+", encryptKeyIDHash="sha256:\w+", stateKeyIDHash="", expirationTimestamp=0001-01-01T00:00:00Z$/,
  ],
  'encrypts to nothing': [
    {},
    { ciphertext: Buffer.alloc(0) },
    /errGen=failed to validate encrypted DEK source: encrypted DEK source is empty,/,
  ],
};
test.each(Object.entries(unhealthy))('a KMS is told to be unhealthy: it %s', async (_, [status, forged, message]) => {
  const { state, service } = fakeService();
  Object.assign(state.status, status);
  state.forged = forged;
  const { keys, transformer } = await ringOf(service, new VirtualClock());
  await expect(keys.check()).rejects.toThrow(message);
  // As upstream: what it says of its health alone takes no key away.
  if (status.healthz ?? status.version) transformer.seal(plain, place);
  else expect(() => transformer.seal(plain, place)).toThrow('got unexpected nil transformer');
});

test('the version of a KMS may not change', async () => {
  const clock = new VirtualClock();
  const { state, service } = fakeService({ version: 'v2beta1', healthz: 'ok', keyId: 'a' });
  const { keys } = await ringOf(service, clock);
  state.status = { ...state.status, version: 'v2' };
  await clock.advance(60_000);
  await expect(keys.check()).rejects.toThrow(
    'KMSv2 API version should not change after the initial status response version v2beta1, got v2',
  );
});

test('a KMS is asked once however many want to know, and not again at once', async () => {
  const clock = new VirtualClock();
  const { state, service } = fakeService();
  const { keys } = await ringOf(service, clock);
  const asked = state.asked;
  await Promise.all([keys.check(), keys.check()]);
  expect(state.asked).toBe(asked);
  await clock.advance(20_001);
  await Promise.all([keys.check(), keys.check()]);
  expect(state.asked).toBe(asked + 1);

  state.down = true;
  await clock.advance(20_001);
  const down = 'rpc error: code = Unavailable desc = down';
  await expect(keys.check()).rejects.toThrow(
    `failed to perform status section of the healthz check for KMS Provider vault, error: ${down}`,
  );
  await expect(keys.check()).rejects.toThrow(new RegExp(`^${down}$`));
  expect(state.asked).toBe(asked + 2);
});

test('a KMS that hangs costs the timeout and then an error; one that lies is found out', async () => {
  const plugin = await pluginOf();
  const { providers: writer } = await providersOf(plugin);
  const sealed = secretsOf(writer).seal(plain, place);
  const { providers } = await providersOf(plugin, 200);
  plugin.hangs.add('Decrypt');
  await expect(opening(providers, sealed)).rejects.toThrow(/^failed to decrypt DEK, error: rpc error: code = DeadlineExceeded desc = /);
  plugin.hangs.clear();
  plugin.plaintext = Buffer.alloc(32, 9);
  await expect(opening(providers, sealed)).rejects.toThrow('cipher: message authentication failed');
  plugin.plaintext = Buffer.alloc(5);
  const { providers: third } = await providersOf(plugin);
  await expect(opening(third, sealed)).rejects.toThrow('invalid seed length 5 used for key generation');
});

test('the socket of a KMS may be a name without a file', async () => {
  const plugin = await pluginOf({ isAbstract: true });
  const { providers } = await providersOf(plugin);
  expect(secretsOf(providers).seal(plain, place).toString('latin1')).toMatch(/^k8s:enc:kms:v2:vault:/);
});

test('a KMS that is not there yet is waited for in the background, and found when it comes', async () => {
  const plugin = await pluginOf();
  plugin.stop();
  const service = openKeyService({
    name: 'vault',
    endpoint: plugin.endpoint,
    timeoutMs: 5000,
    clock: systemClock,
    metrics: createEncryptionMetrics(new Registry(), systemClock, 'test'),
  });
  cleanups.push(() => service.close());
  const status = service.status();
  await plugin.start();
  expect(await status).toMatchObject({ version: 'v2', healthz: 'ok', keyId: 'key-1' });
});
