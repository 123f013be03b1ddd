/** Certificates and authorities of files, which whoever issues them replaces before they end. */
import type { Logger } from 'pino';
import type { Pki } from '../pki/index.ts';
import { type ClusterApiServer, followFiles } from '../server/index.ts';
import type { Clock } from '../time/index.ts';
import { clientAuthorities } from './authority-flags.ts';
import type { ComponentArgs } from './config.ts';
import { kubeletIdentity, proxyIdentity, requestHeaderAuthority, servingCertificate } from './key-flags.ts';
import type { KeyPairText } from './pem-files.ts';

export interface FollowCertificatesOptions {
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
  /** What the server has begun with. */
  serving: KeyPairText;
  authorities: { clientCa: string; requestHeaderCa: string };
  /** What it shows kubelets, and whom it takes for one. */
  kubelets: KeyPairText & { ca: string };
  /** What it shows other API servers. */
  proxyClient: KeyPairText;
}

/** Has the server go on with what the files of its flags say, until the signal; with what it has where they can't be used. */
export function followCertificates(
  server: Pick<ClusterApiServer, 'setTls' | 'trust' | 'identify'>,
  args: ComponentArgs,
  pki: Pki,
  { clock, logger, signal, serving, authorities, kubelets, proxyClient }: FollowCertificatesOptions,
): void {
  const follow = <T>(begun: T, flags: readonly string[], read: () => Promise<T>, apply: (value: T) => void | Promise<void>) => {
    const files = flags.flatMap((flag) => args[flag] || []);
    if (files.length === 0) return;
    const onError = (error: unknown) => logger.error({ err: error, files }, 'reloading certificates');
    let known = JSON.stringify(begun);
    const update = async () => {
      const value = await read();
      const text = JSON.stringify(value);
      if (text === known) return;
      await apply(value);
      known = text;
      logger.info({ files }, 'reloaded certificates');
    };
    followFiles({ files, update, onError, clock, signal });
  };
  follow(
    serving,
    ['tls-cert-file', 'tls-private-key-file'],
    () => servingCertificate(args, pki),
    (pair) => server.setTls(pair),
  );
  follow(
    authorities,
    ['client-ca-file', 'requestheader-client-ca-file'],
    async () => ({
      clientCa: await clientAuthorities(args, pki.ca.certificate),
      requestHeaderCa: (await requestHeaderAuthority(args, pki)).clientCa,
    }),
    (changed) => server.trust(changed),
  );
  follow(
    kubelets,
    ['kubelet-client-certificate', 'kubelet-client-key', 'kubelet-certificate-authority'],
    () => kubeletIdentity(args, pki),
    (changed) => server.identify({ kubelets: changed }),
  );
  follow(
    proxyClient,
    ['proxy-client-cert-file', 'proxy-client-key-file'],
    () => proxyIdentity(args, pki),
    (changed) => server.identify({ proxyClient: changed }),
  );
}
