/** kube-apiserver's flags of how it speaks TLS. */
import type { SecureVersion } from 'node:tls';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { list } from './flags.ts';

export const tlsFlags = ['tls-cipher-suites', 'tls-min-version'] as const;

const versions: Readonly<Record<string, SecureVersion>> = {
  VersionTLS10: 'TLSv1',
  VersionTLS11: 'TLSv1.1',
  VersionTLS12: 'TLSv1.2',
  VersionTLS13: 'TLSv1.3',
};

/** TLS 1.3's, which nobody chooses among: Go offers them always. */
const ofVersion13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];
const exchanges: Readonly<Record<string, string>> = { ECDHE_ECDSA: 'ECDHE-ECDSA-', ECDHE_RSA: 'ECDHE-RSA-', RSA: '' };
const ciphers: Readonly<Record<string, string>> = {
  AES_128_CBC_SHA: 'AES128-SHA',
  AES_128_CBC_SHA256: 'AES128-SHA256',
  AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  AES_256_CBC_SHA: 'AES256-SHA',
  AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  CHACHA20_POLY1305: 'CHACHA20-POLY1305',
  CHACHA20_POLY1305_SHA256: 'CHACHA20-POLY1305',
};

/** OpenSSL's name of a suite; undefined for one that Go does not have. */
function suiteOf(name: string): string | undefined {
  if (ofVersion13.includes(name)) return name;
  const [, exchange = '', cipher = ''] = /^TLS_(ECDHE_ECDSA|ECDHE_RSA|RSA)_WITH_(\w+)$/.exec(name) ?? [];
  if (!Object.hasOwn(exchanges, exchange) || !Object.hasOwn(ciphers, cipher)) return undefined;
  return `${exchanges[exchange]}${ciphers[cipher]}`;
}

/** What the server agrees to: nothing where no flag says. */
export function tlsOptions(args: ComponentArgs): { minVersion?: SecureVersion; ciphers?: string } {
  const { 'tls-min-version': version, 'tls-cipher-suites': suites } = args;
  if (version && !Object.hasOwn(versions, version)) throw new ClusterError(`unknown tls version ${JSON.stringify(version)}`);
  const minVersion = version ? versions[version] : undefined;
  const chosen = list(suites).map((name) => {
    const suite = suiteOf(name);
    if (suite === undefined) throw new ClusterError(`Cipher suite ${name} not supported or doesn't exist`);
    return suite;
  });
  return {
    ...(minVersion ? { minVersion } : {}),
    ...(chosen.length > 0 ? { ciphers: [...new Set([...ofVersion13, ...chosen])].join(':') } : {}),
  };
}
