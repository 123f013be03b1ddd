/** Certificates and keys in PEM files, as flags name them; what is wrong with one is said in Go's words. */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';

export const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** A certificate (or several, the leaf first) and its key, PEM. */
export interface KeyPairText {
  cert: string;
  key: string;
}

export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(code === 'ENOENT' ? `open ${file}: no such file or directory` : messageOf(error));
  }
}

/** The PEM blocks of a text whose label matches, of all kinds by default. */
function blocksIn(text: string, label = /./): string[] {
  const blocks = text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]+?-----END \1-----/g);
  return [...blocks].filter(([, of = '']) => label.test(of)).map(([block]) => block);
}

export function certificatesIn(text: string): X509Certificate[] {
  const blocks = blocksIn(text, /^CERTIFICATE$/);
  if (blocks.length === 0) throw new Error('data does not contain any valid RSA or ECDSA certificates');
  return blocks.map((pem) => new X509Certificate(pem));
}

/** A bundle of authorities for a purpose (`client-ca-bundle`), PEM without comments. */
export async function readBundle(purpose: string, file: string): Promise<string> {
  const text = await readText(file);
  const name = JSON.stringify(`${purpose}::${file}`);
  if (text === '') throw new Error(`missing content for CA bundle ${name}`);
  try {
    return certificatesIn(text)
      .map((certificate) => `${certificate.toString().trimEnd()}\n`)
      .join('');
  } catch (error) {
    throw new Error(`error loading CA bundle for ${name}: ${messageOf(error)}`);
  }
}

/** The first block that fits; throws what crypto/tls says where there is none. `lone`: of another block that is alone there. */
function blockOf(text: string, label: RegExp, input: string, wanted: string, lone: (label: string) => string | undefined): string {
  const [found] = blocksIn(text, label);
  if (found !== undefined) return found;
  const labels = blocksIn(text).map((block) => /-----BEGIN ([^-]+)/.exec(block)?.[1] ?? '');
  if (labels.length === 0) throw new Error(`tls: failed to find any PEM data in ${input} input`);
  throw new Error(
    (labels.length === 1 && lone(labels[0] ?? '')) ||
      `tls: failed to find ${wanted} in ${input} input after skipping PEM blocks of the following types: [${labels.join(' ')}]`,
  );
}

/** Throws where certificate and key are no pair (crypto/tls' X509KeyPair). */
function checkPair({ cert, key }: KeyPairText): void {
  const leaf = blockOf(cert, /^CERTIFICATE$/, 'certificate', '"CERTIFICATE" PEM block', (label) =>
    label.endsWith('PRIVATE KEY')
      ? 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched'
      : undefined,
  );
  const own = blockOf(key, /PRIVATE KEY$/, 'key', 'PEM block with type ending in "PRIVATE KEY"', (label) =>
    label === 'CERTIFICATE' ? 'tls: found a certificate rather than a key in the PEM for the private key' : undefined,
  );
  if (!new X509Certificate(leaf).checkPrivateKey(createPrivateKey(own))) throw new Error('tls: private key does not match public key');
}

/** A certificate and its key for a purpose (`serving-cert`); undefined where no file is named. */
export async function readKeyPair(
  purpose: string,
  certFile: string | undefined,
  keyFile: string | undefined,
): Promise<KeyPairText | undefined> {
  if (!certFile && !keyFile) return undefined;
  if (!certFile || !keyFile) throw new Error('missing filename for serving cert');
  const pair = { cert: await readText(certFile), key: await readText(keyFile) };
  if (pair.cert === '' || pair.key === '')
    throw new Error(`missing content for serving cert ${JSON.stringify(`${purpose}::${certFile}::${keyFile}`)}`);
  checkPair(pair);
  return pair;
}

/** The first private key of a file, PEM. */
export async function readPrivateKey(file: string): Promise<string> {
  const [key] = blocksIn(await readText(file), /PRIVATE KEY$/);
  if (key === undefined) throw new Error(`error reading private key file ${file}: data does not contain a valid RSA or ECDSA private key`);
  return key;
}

/** The public half of a key, PEM. */
export const publicHalf = (key: string): string => createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();

/** All keys of a file as public ones, PEM: public and private keys, and certificates. */
export async function readPublicKeys(file: string): Promise<string[]> {
  const keys = blocksIn(await readText(file), /^(PUBLIC KEY|RSA PUBLIC KEY|CERTIFICATE|.*PRIVATE KEY)$/).flatMap((block) => {
    try {
      return [publicHalf(block)];
    } catch {
      // What is no key among keys is passed over.
      return [];
    }
  });
  if (keys.length === 0) throw new Error(`error reading public key file ${file}: data does not contain any valid RSA or ECDSA public keys`);
  return keys;
}
