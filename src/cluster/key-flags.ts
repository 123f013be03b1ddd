/** kube-apiserver's flags that name its keys and certificates; those of the cluster's own are for what no flag names. */
import type { Pki } from '../pki/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { list } from './flags.ts';
import { messageOf, publicHalf, readBundle, readKeyPair, readPrivateKey, readPublicKeys, readText } from './pem-files.ts';

export const keyFlags = [
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
] as const;

/** What a flag's file is wrong with ends the server, with what it was read for. */
async function read<T>(what: Promise<T>, prefix = ''): Promise<T> {
  try {
    return await what;
  } catch (error) {
    throw new ClusterError(`${prefix}${messageOf(error)}`);
  }
}

/** --tls-cert-file and --tls-private-key-file. */
export async function servingCertificate(args: ComponentArgs, pki: Pki) {
  const given = await read(readKeyPair('serving-cert', args['tls-cert-file'], args['tls-private-key-file']));
  return given ?? { cert: pki.apiserver.certificate, key: pki.apiserver.key };
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
