/** Flags that name certificate authorities beside the cluster's own. */
import { createPrivateKey } from 'node:crypto';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { certificatesIn, messageOf, readBundle, readPrivateKey, readText } from './pem-files.ts';

export const signingFlags = [
  'cluster-signing-cert-file',
  'cluster-signing-key-file',
  'root-ca-file',
  'service-account-private-key-file',
] as const;

/** Whose client certificates count: the cluster's own authority's and --client-ca-file's, a PEM bundle. */
export async function clientAuthorities(args: ComponentArgs, own: string): Promise<string> {
  const file = args['client-ca-file'];
  if (!file) return own;
  try {
    return `${own.trimEnd()}\n${await readBundle('client-ca-bundle', file)}`;
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
    const [certificate, key] = await Promise.all([readText(certificateFile), readText(keyFile)]);
    const [authority, ...others] = certificatesIn(certificate);
    if (!authority || others.length > 0) throw new Error(`expected 1 certificate, found ${others.length + 1}`);
    if (!authority.checkPrivateKey(createPrivateKey(key))) throw new Error('tls: private key does not match public key');
    return { certificate, key };
  } catch (error) {
    throw new ClusterError(`error reading CA cert file ${JSON.stringify(certificateFile ?? '')}: ${messageOf(error)}`);
  }
}

/** What service accounts are given by controllers: --service-account-private-key-file, --root-ca-file; of flags that are not given nothing. */
export async function accountCredentials(args: ComponentArgs): Promise<{ serviceAccountKey?: string; rootCa?: string }> {
  const { 'service-account-private-key-file': keyFile, 'root-ca-file': caFile } = args;
  const read = async <T>(what: Promise<T>, prefix: string): Promise<T> => {
    try {
      return await what;
    } catch (error) {
      throw new ClusterError(`${prefix}: ${messageOf(error)}`);
    }
  };
  const authority = async (file: string) => {
    const text = await readText(file);
    certificatesIn(text);
    return text;
  };
  return {
    ...(keyFile
      ? { serviceAccountKey: await read(readPrivateKey(keyFile), 'error reading key for service account token controller') }
      : {}),
    ...(caFile ? { rootCa: await read(authority(caFile), `error parsing root-ca-file at ${caFile}`) } : {}),
  };
}
