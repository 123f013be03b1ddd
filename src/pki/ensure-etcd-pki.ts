/** The certificates of the store's etcd face: an authority of its own, the server's, and one for all clients. */
import { mkdir } from 'node:fs/promises';
import type { KeyCertificate } from './certificate.ts';
import { certificateFiles } from './ensure-pki.ts';

export interface EtcdPki {
  ca: KeyCertificate;
  server: KeyCertificate;
  client: KeyCertificate;
}

/** Files ca, server and client (`.crt`, `.key`) in `dir`; what is missing or out of date is made. */
export async function ensureEtcdPki(
  dir: string,
  options: { now: number; dnsNames?: readonly string[]; ipAddresses?: readonly string[] },
): Promise<EtcdPki> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const files = certificateFiles(dir, options.now);
  const ca = await files.authority('ca', 'etcd-ca');
  const names = {
    dnsNames: [...new Set(['localhost', ...(options.dnsNames ?? [])])],
    ipAddresses: [...new Set(['127.0.0.1', '::1', ...(options.ipAddresses ?? [])])],
  };
  const [server, client] = await Promise.all([
    files.certificate(ca, 'server', { commonName: 'etcd-server', usages: ['server', 'client'], ...names }),
    files.certificate(ca, 'client', { commonName: 'etcd-client', organizations: ['system:masters'], usages: ['client'] }),
  ]);
  return { ca, server, client };
}
