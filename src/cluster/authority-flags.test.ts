import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { clientAuthorities, signingAuthority } from './authority-flags.ts';
import { authority, temporaryFiles } from './testing/pem-fixtures.ts';

const { dir, file } = temporaryFiles('k8ts-authorities-');
const [own, one, two] = [await authority('own'), await authority('one'), await authority('two')];

it("takes the client certificates of a bundle's authorities beside those of its own", async () => {
  expect(await clientAuthorities({}, own.certificate)).toBe(own.certificate);
  const bundle = file('bundle.crt', `# two\n${one.certificate}\n\n${two.certificate}`);
  const trusted = await clientAuthorities({ 'client-ca-file': bundle }, own.certificate);
  const names = trusted.match(/-----BEGIN[\s\S]+?-----END CERTIFICATE-----/g)?.map((pem) => new X509Certificate(pem).subject);
  expect(names).toEqual(['CN=own', 'CN=one', 'CN=two']);
});

it('says what is wrong with a bundle', async () => {
  const nowhere = join(dir, 'nowhere');
  const why = (path: string) => clientAuthorities({ 'client-ca-file': path }, own.certificate);
  await expect(why(nowhere)).rejects.toThrow(`unable to load client CA provider: open ${nowhere}: no such file or directory`);
  await expect(why(file('empty', ''))).rejects.toThrow(
    'unable to load client CA provider: missing content for CA bundle "client-ca-bundle::',
  );
  await expect(why(file('key', one.key))).rejects.toThrow('data does not contain any valid RSA or ECDSA certificates');
});

it('signs as the authority that it is given, if the key is its', async () => {
  expect(await signingAuthority({})).toBeUndefined();
  const [certificate, key] = [file('one.crt', one.certificate), file('one.key', one.key)];
  const args = { 'cluster-signing-cert-file': certificate, 'cluster-signing-key-file': key };
  expect(await signingAuthority(args)).toEqual(one);
  await expect(signingAuthority({ ...args, 'cluster-signing-key-file': file('two.key', two.key) })).rejects.toThrow(
    `error reading CA cert file ${JSON.stringify(certificate)}: tls: private key does not match public key`,
  );
  await expect(signingAuthority({ 'cluster-signing-cert-file': certificate })).rejects.toThrow('missing filename for serving cert');
  const both = file('both.crt', one.certificate + two.certificate);
  await expect(signingAuthority({ ...args, 'cluster-signing-cert-file': both })).rejects.toThrow('expected 1 certificate, found 2');
});
