/** Flags that name certificate authorities beside the cluster's own. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';

export const signingFlags = ['cluster-signing-cert-file', 'cluster-signing-key-file'] as const;

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(code === 'ENOENT' ? `open ${file}: no such file or directory` : messageOf(error));
  }
}

function certificatesIn(text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g);
  if (!blocks) throw new Error('data does not contain any valid RSA or ECDSA certificates');
  return blocks.map((pem) => new X509Certificate(pem));
}

/** Whose client certificates count: the cluster's own authority's and --client-ca-file's, a PEM bundle. */
export async function clientAuthorities(args: ComponentArgs, own: string): Promise<string> {
  const file = args['client-ca-file'];
  if (!file) return own;
  try {
    const text = await read(file);
    const name = JSON.stringify(`client-ca-bundle::${file}`);
    if (text === '') throw new Error(`missing content for CA bundle ${name}`);
    try {
      return [own, ...certificatesIn(text)]
        .map((certificate) => certificate.toString().trimEnd())
        .join('\n')
        .concat('\n');
    } catch (error) {
      throw new Error(`error loading CA bundle for ${name}: ${messageOf(error)}`);
    }
  } catch (error) {
    throw new ClusterError(`unable to load client CA provider: ${messageOf(error)}`);
  }
}

export interface SigningAuthority {
  certificate: string;
  key: string;
}

/** Who signs certificate requests: --cluster-signing-cert-file and --cluster-signing-key-file, PEM; undefined where neither is given. */
export async function signingAuthority(args: ComponentArgs): Promise<SigningAuthority | undefined> {
  const { 'cluster-signing-cert-file': certificateFile, 'cluster-signing-key-file': keyFile } = args;
  if (!certificateFile && !keyFile) return undefined;
  try {
    if (!certificateFile || !keyFile) throw new Error('missing filename for serving cert');
    const [certificate, key] = await Promise.all([read(certificateFile), read(keyFile)]);
    const [authority, ...others] = certificatesIn(certificate);
    if (!authority || others.length > 0) throw new Error(`expected 1 certificate, found ${others.length + 1}`);
    if (!authority.checkPrivateKey(createPrivateKey(key))) throw new Error('tls: private key does not match public key');
    return { certificate, key };
  } catch (error) {
    throw new ClusterError(`error reading CA cert file ${JSON.stringify(certificateFile ?? '')}: ${messageOf(error)}`);
  }
}
