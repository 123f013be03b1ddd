import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it, test } from 'vitest';
import { ensurePki, type Pki } from '../pki/index.ts';
import { accountCredentials } from './authority-flags.ts';
import {
  kubeletIdentity,
  namedCertificates,
  proxyIdentity,
  requestHeaderAuthority,
  servingCertificate,
  tokenKeys,
  withCertificateDirectory,
} from './key-flags.ts';
import { serviceRanges } from './service-range-flag.ts';
import { bareConfig, standaloneConfig } from './standalone-config.ts';
import { authority, temporaryFiles } from './testing/pem-fixtures.ts';

const { dir, file } = temporaryFiles('k8ts-keys-');
let pki: Pki;
beforeAll(async () => {
  pki = await ensurePki(join(dir, 'pki'), { now: Date.parse('2026-01-01') });
});
const [one, two] = [await authority('one'), await authority('two')];
const [certificate, key, otherKey] = [file('one.crt', one.certificate), file('one.key', one.key), file('two.key', two.key)];
const empty = file('empty', '');
const nowhere = join(dir, 'nowhere');

it('serves, calls and trusts as flags say, and else by what is its own', async () => {
  const pair = { cert: one.certificate, key: one.key };
  expect(await servingCertificate({}, pki)).toEqual({ cert: pki.apiserver.certificate, key: pki.apiserver.key });
  expect(await servingCertificate({ 'tls-cert-file': certificate, 'tls-private-key-file': key }, pki)).toEqual(pair);
  expect(await proxyIdentity({ 'proxy-client-cert-file': certificate, 'proxy-client-key-file': key }, pki)).toEqual(pair);
  const kubelets = { 'kubelet-client-certificate': certificate, 'kubelet-client-key': key, 'kubelet-certificate-authority': certificate };
  expect(await kubeletIdentity(kubelets, pki)).toEqual({ ...pair, ca: one.certificate });
  expect(await requestHeaderAuthority({}, pki)).toEqual({ clientCa: pki.frontProxyCa.certificate, allowedNames: ['front-proxy-client'] });
  // As with upstream, any name will do where none is given.
  const trusted = await requestHeaderAuthority({ 'requestheader-client-ca-file': certificate }, pki);
  expect(Object.keys(trusted)).toEqual(['clientCa']);
});

it('serves with what lies in --cert-dir, and puts there what it serves with', async () => {
  const certDir = join(dir, 'certs');
  const args = { 'cert-dir': certDir };
  expect(await withCertificateDirectory({}, pki)).toEqual({});
  const given = { ...args, 'tls-cert-file': certificate, 'tls-private-key-file': key };
  expect(await withCertificateDirectory(given, pki)).toEqual(given);
  const files = await withCertificateDirectory(args, pki);
  expect(files).toEqual({
    ...args,
    'tls-cert-file': join(certDir, 'apiserver.crt'),
    'tls-private-key-file': join(certDir, 'apiserver.key'),
  });
  const written = await servingCertificate(files, pki);
  expect(written).toEqual({ cert: `${pki.apiserver.certificate}${pki.ca.certificate}`, key: pki.apiserver.key });
  const another = await ensurePki(join(dir, 'another-pki'), { now: Date.parse('2026-01-01') });
  expect(await servingCertificate(await withCertificateDirectory(args, another), another)).toEqual(written);
  rmSync(join(certDir, 'apiserver.key'));
  await expect(withCertificateDirectory(args, pki)).rejects.toThrow(
    `error reading ${join(certDir, 'apiserver.key')}, certificate and key must be supplied as a pair`,
  );
});

it('shows who asks for a name the certificate that is for it', async () => {
  const files = `${certificate},${key}`;
  const other = `${file('two.crt', two.certificate)},${otherKey}`;
  const named = async (text: string) =>
    (await namedCertificates({ 'tls-sni-cert-key': text })).map(({ name, cert }) => [name, cert === one.certificate ? 1 : 2]);
  expect(await named(files)).toEqual([['one', 1]]);
  expect(await named(`${files}:a.test,*.test;${other};${other}:a.test,one`)).toEqual([
    ...[
      ['two', 2],
      ['*.test', 1],
      ['one', 2],
      ['a.test', 2],
      ['a.test', 1],
    ],
  ]);
  await expect(named(`${files}:`)).rejects.toThrow('"--tls-sni-cert-key" flag: empty names list is not allowed');
  await expect(named(certificate)).rejects.toThrow('expected comma separated certificate and key file paths');
  await expect(named(`${certificate},${otherKey}`)).rejects.toThrow(
    'failed to load SNI cert and key: tls: private key does not match public key',
  );
});

it('signs with one key, and knows tokens by all the keys of all files', async () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const signing = file('sa.key', rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString());
  const pem = (of: string) => createPublicKey(of).export({ type: 'spki', format: 'pem' }).toString();
  const own = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const all = file('all.pub', `# old\n${one.certificate}\n${two.key}\n${own}`);
  const keys = await tokenKeys({ 'service-account-signing-key-file': signing, 'service-account-key-file': `${all},${certificate}` }, pki);
  expect(createPrivateKey(keys.signingKey).asymmetricKeyType).toBe('rsa');
  expect(keys.publicKey).toBe(own);
  expect(keys.serviceAccountKeys).toEqual([pem(one.certificate), pem(two.key)]);
  expect(await tokenKeys({}, pki)).toMatchObject({ signingKey: pki.serviceAccount.privateKey, serviceAccountKeys: [] });
  const given = { 'service-account-private-key-file': key, 'root-ca-file': certificate };
  expect(await accountCredentials(given)).toEqual({ serviceAccountKey: one.key.trimEnd(), rootCa: one.certificate });
});

const serving = (cert: string, privateKey = key) => ({ 'tls-cert-file': cert, 'tls-private-key-file': privateKey });
test.each<[args: Record<string, string>, why: string]>([
  [{ 'tls-cert-file': certificate }, 'missing filename for serving cert'],
  [serving(nowhere), `open ${nowhere}: no such file or directory`],
  [serving(empty), `missing content for serving cert "serving-cert::${empty}::${key}"`],
  [serving(certificate, otherKey), 'tls: private key does not match public key'],
  [
    serving(key),
    'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
  ],
  [serving(certificate, certificate), 'tls: found a certificate rather than a key in the PEM for the private key'],
  [{ 'proxy-client-key-file': key }, 'missing filename for serving cert'],
  [{ 'requestheader-client-ca-file': key }, 'data does not contain any valid RSA or ECDSA certificates'],
  [
    { 'service-account-signing-key-file': certificate },
    `failed to parse service-account-issuer-key-file: error reading private key file ${certificate}: data does not contain a valid RSA or ECDSA private key`,
  ],
  [
    { 'service-account-key-file': empty },
    `error reading public key file ${empty}: data does not contain any valid RSA or ECDSA public keys`,
  ],
])('says what is wrong with a file: %#', async (args, why) => {
  const readAll = async () => {
    for (const read of [servingCertificate, proxyIdentity, requestHeaderAuthority, tokenKeys, kubeletIdentity]) await read(args, pki);
  };
  await expect(readAll()).rejects.toThrow(why);
});

test.each<[text: string, expected: string[] | string]>([
  ['10.0.0.0/24', ['10.0.0.0/24']],
  ['10.0.0.9/24,fd00::/112', ['10.0.0.0/24', 'fd00::/112']],
  ['10.0.0.0', 'service-cluster-ip-range[0] is not a valid cidr'],
  ['10.0.0.0/24,x', 'service-cluster-ip-range[1] is not an ip net'],
  [
    '10.0.0.0/30',
    'error determining service IP ranges for primary service cidr: the service cluster IP range must be at least 8 IP addresses',
  ],
  ['10.0.0.0/24,fd00::/112,fd01::/112', '--service-cluster-ip-range must not contain more than two entries'],
  ['10.0.0.0/24,10.1.0.0/24', '--service-cluster-ip-range[0] and --service-cluster-ip-range[1] must be of different IP family'],
])('service ranges of %s', (text, expected) => {
  if (typeof expected === 'string') expect(() => serviceRanges(text)).toThrow(expected);
  else expect(serviceRanges(text)).toEqual(expected);
});

test('a server alone is told by flags where it answers', () => {
  const config = { ...bareConfig(), advertiseAddress: '192.0.2.1' };
  const alone = (args: Record<string, string>) => standaloneConfig(config, args);
  expect(alone({ 'secure-port': '8443', 'bind-address': '192.0.2.2', 'service-cluster-ip-range': '10.9.0.0/24', v: '2' })).toMatchObject({
    ...{ apiPort: 8443, bindAddress: '192.0.2.2', advertiseAddress: '192.0.2.2', serviceCidr: '10.9.0.0/24' },
    args: { apiserver: { 'service-cluster-ip-range': '10.9.0.0/24', v: '2' } },
  });
  expect(alone({ 'bind-address': '127.0.0.1' }).advertiseAddress).toBe('192.0.2.1');
  // Nobody has said which addresses are for pods.
  expect(config.args.controllerManager).toEqual({ 'allocate-node-cidrs': 'false' });
  expect(() => alone({ 'secure-port': '0' })).toThrow(
    '--secure-port 0 must be between 1 and 65535, inclusive. It cannot be turned off with 0',
  );
  expect(() => alone({ 'advertise-address': 'here' })).toThrow(
    'invalid argument "here" for "--advertise-address" flag: failed to parse IP: "here"',
  );
});
