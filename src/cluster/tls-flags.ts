/** kube-apiserver's flags of how it speaks TLS. */
import type { SecureVersion } from 'node:tls';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { integer, invalidArgument } from './flag-types.ts';
import { list } from './flags.ts';

export const tlsFlags = ['tls-cipher-suites', 'tls-curve-preferences', 'tls-min-version'] as const;

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

/** OpenSSL's names of Go's numbers (crypto/tls CurveID, which are TLS's); it picks among them in this order, as Go in its own. */
const curves: ReadonlyMap<number, string> = new Map([
  [4588, 'X25519MLKEM768'],
  [4587, 'SecP256r1MLKEM768'],
  [4589, 'SecP384r1MLKEM1024'],
  [29, 'X25519'],
  [23, 'P-256'],
  [24, 'P-384'],
  [25, 'P-521'],
]);

function curvesOf(text: string | undefined): string | undefined {
  const ids = list(text).map((each) => {
    const why = integer(each);
    if (why !== undefined) throw invalidArgument(text ?? '', 'tls-curve-preferences', why.replace('ParseInt', 'Atoi'));
    return Number(each);
  });
  for (const [i, id] of ids.entries()) {
    if (id <= 0 || id > 65535) throw new ClusterError(`curve preference ${id} is out of range (must be 1-65535)`);
    if (ids.indexOf(id) < i) throw new ClusterError(`duplicate curve preference ${id}`);
    if (!curves.has(id)) throw new ClusterError(`curve preference ${id} is not supported by the current Go version`);
  }
  return ids.length === 0 ? undefined : [...curves].flatMap(([id, name]) => (ids.includes(id) ? [name] : [])).join(':');
}

/** What the server agrees to: nothing where no flag says. */
export function tlsOptions(args: ComponentArgs): { minVersion?: SecureVersion; ciphers?: string; ecdhCurve?: string } {
  const { 'tls-min-version': version, 'tls-cipher-suites': suites } = args;
  if (version && !Object.hasOwn(versions, version)) throw new ClusterError(`unknown tls version ${JSON.stringify(version)}`);
  const minVersion = version ? versions[version] : undefined;
  const chosen = list(suites).map((name) => {
    const suite = suiteOf(name);
    if (suite === undefined) throw new ClusterError(`Cipher suite ${name} not supported or doesn't exist`);
    return suite;
  });
  const ecdhCurve = curvesOf(args['tls-curve-preferences']);
  return {
    ...(ecdhCurve ? { ecdhCurve } : {}),
    ...(minVersion ? { minVersion } : {}),
    ...(chosen.length > 0 ? { ciphers: [...new Set([...ofVersion13, ...chosen])].join(':') } : {}),
  };
}
