/** kube-apiserver's flags that name its keys and certificates; those of the cluster's own are for what no flag names. */
import { X509Certificate } from 'node:crypto';
import { access, constants, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDns1123Subdomain } from '../api/index.ts';
import type { Pki } from '../pki/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { invalidArgument } from './flag-types.ts';
import { list } from './flags.ts';
import { messageOf, publicHalf, readBundle, readKeyPair, readPrivateKey, readPublicKeys, readText } from './pem-files.ts';

export const keyFlags = [
  'cert-dir',
  'kubelet-certificate-authority',
  'kubelet-client-certificate',
  'kubelet-client-key',
  'proxy-client-cert-file',
  'proxy-client-key-file',
  'requestheader-client-ca-file',
  'service-account-key-file',
  'service-account-signing-key-file',
  'tls-cert-file',
  'tls-private-key-file',
  'tls-sni-cert-key',
] as const;

/** What a flag's file is wrong with ends the server, with what it was read for. */
async function read<T>(what: Promise<T>, prefix = ''): Promise<T> {
  try {
    return await what;
  } catch (error) {
    throw new ClusterError(`${prefix}${messageOf(error)}`);
  }
}

/**
 * The flags with --tls-cert-file and --tls-private-key-file for what lies in --cert-dir, where those are not given: apiserver.crt and
 * apiserver.key, put there where they are missing. Who reads them can check the server by them: the authority follows the certificate.
 */
export async function withCertificateDirectory(args: ComponentArgs, pki: Pki): Promise<ComponentArgs> {
  const dir = args['cert-dir'];
  if (!dir || args['tls-cert-file'] || args['tls-private-key-file']) return args;
  const [certificate, key] = [join(dir, 'apiserver.crt'), join(dir, 'apiserver.key')];
  const found = await Promise.all([certificate, key].map(isReadable));
  if (found[0] !== found[1])
    throw new ClusterError(
      `error creating self-signed certificates: error reading ${found[0] ? key : certificate}, certificate and key must be supplied as a pair`,
    );
  if (!found[0]) {
    await mkdir(dir, { recursive: true, mode: 0o755 });
    await writeFile(certificate, `${pki.apiserver.certificate.trimEnd()}\n${pki.ca.certificate}`, { mode: 0o644 });
    await writeFile(key, pki.apiserver.key, { mode: 0o600 });
  }
  return { ...args, 'tls-cert-file': certificate, 'tls-private-key-file': key };
}

const isReadable = (file: string) =>
  access(file, constants.R_OK).then(
    () => true,
    () => false,
  );

/** --tls-cert-file and --tls-private-key-file. */
export async function servingCertificate(args: ComponentArgs, pki: Pki) {
  const given = await read(readKeyPair('serving-cert', args['tls-cert-file'], args['tls-private-key-file']));
  return given ?? { cert: pki.apiserver.certificate, key: pki.apiserver.key };
}

/** Names that a certificate is for: its common name, where that is one, and the DNS names beside it. */
function namesOf(pem: string): string[] {
  const { subject, subjectAltName = '' } = new X509Certificate(pem);
  const common = /^CN=(.+)$/m.exec(subject)?.[1] ?? '';
  const beside = [...subjectAltName.matchAll(/DNS:([^,\s]+)/g)].map(([, name = '']) => name);
  return [...new Set([...(isDns1123Subdomain(common.replace(/^\*\./, '')).length === 0 ? [common] : []), ...beside])];
}

/** --tls-sni-cert-key, `CERTFILE,KEYFILE[:NAME,NAME]`, several with `;` between them: what is shown to clients that ask for a name. */
export async function namedCertificates(args: ComponentArgs) {
  const text = args['tls-sni-cert-key'];
  if (!text) return [];
  const named = text.split(';').map(async (value) => {
    const [, files = '', names] = /^([^:]*)(?::(.*))?$/s.exec(value) ?? [];
    const [certFile, keyFile, ...more] = files.trim().split(',');
    if (names?.trim() === '') throw invalidArgument(value, 'tls-sni-cert-key', 'empty names list is not allowed');
    if (!keyFile || more.length > 0)
      throw invalidArgument(value, 'tls-sni-cert-key', 'expected comma separated certificate and key file paths');
    const pair = await read(readKeyPair('sni-serving-cert', certFile, keyFile), 'failed to load SNI cert and key: ');
    const wanted = names?.split(',').map((name) => name.trim()) ?? (pair ? namesOf(pair.cert) : []);
    return wanted.flatMap((name) => (pair ? [{ name, ...pair, isSaid: names !== undefined }] : []));
  });
  // The last that fits is shown: names that the flag says over those of certificates, whole ones over wildcards, of like ones the first.
  const rank = ({ name, isSaid }: { name: string; isSaid: boolean }) => (isSaid ? 2 : 0) + (name.startsWith('*') ? 0 : 1);
  return (await Promise.all(named))
    .flat()
    .reverse()
    .sort((a, b) => rank(a) - rank(b))
    .map(({ isSaid: _, ...certificate }) => certificate);
}

/** What signs the tokens of service accounts, and what they may be signed by. With a signing key of a flag the cluster's own counts no more. */
export async function tokenKeys(args: ComponentArgs, pki: Pki) {
  const file = args['service-account-signing-key-file'];
  const signingKey = file ? await read(readPrivateKey(file), 'failed to parse service-account-issuer-key-file: ') : undefined;
  const publicKey = signingKey === undefined ? pki.serviceAccount.publicKey : publicHalf(signingKey);
  const files = list(args['service-account-key-file']);
  const others = (await Promise.all(files.map((each) => read(readPublicKeys(each))))).flat();
  return {
    signingKey: signingKey ?? pki.serviceAccount.privateKey,
    publicKey,
    serviceAccountKeys: [...new Set(others)].filter((key) => key.trim() !== publicKey.trim()),
  };
}

/** Whose word counts for who others are: by default that of the cluster's own front proxy. */
export async function requestHeaderAuthority(args: ComponentArgs, pki: Pki): Promise<{ clientCa: string; allowedNames?: string[] }> {
  const file = args['requestheader-client-ca-file'];
  if (!file) return { clientCa: pki.frontProxyCa.certificate, allowedNames: ['front-proxy-client'] };
  return { clientCa: await read(readBundle('request-header', file), 'unable to create request header authentication config: ') };
}

/** How other API servers know this one: --proxy-client-cert-file, --proxy-client-key-file. */
export async function proxyIdentity(args: ComponentArgs, pki: Pki) {
  const given = await read(readKeyPair('aggregator-proxy-cert', args['proxy-client-cert-file'], args['proxy-client-key-file']));
  return given ?? { cert: pki.frontProxyClient.certificate, key: pki.frontProxyClient.key };
}

/** How kubelets know this one, and it them: --kubelet-client-certificate, --kubelet-client-key, --kubelet-certificate-authority. */
export async function kubeletIdentity(args: ComponentArgs, pki: Pki) {
  const own = pki.clients['apiserver-kubelet-client'];
  if (!own) throw new Error(`there is no certificate apiserver-kubelet-client in ${pki.dir}`);
  const given = await read(readKeyPair('kubelet-client', args['kubelet-client-certificate'], args['kubelet-client-key']));
  const authority = args['kubelet-certificate-authority'];
  return {
    ca: authority ? await read(readText(authority)) : pki.ca.certificate,
    ...(given ?? { cert: own.certificate, key: own.key }),
  };
}
