/** kube-apiserver's --oidc-* flags. */
import { readFile } from 'node:fs/promises';
import type { ClusterApiServerOptions } from '../server/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { list } from './flags.ts';

export const oidcFlags = [
  'oidc-ca-file',
  'oidc-client-id',
  'oidc-groups-claim',
  'oidc-groups-prefix',
  'oidc-issuer-url',
  'oidc-required-claim',
  'oidc-signing-algs',
  'oidc-username-claim',
  'oidc-username-prefix',
] as const;

const algorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'];

/** `disallowed`: this server's own issuers. */
export async function oidcOptions(
  args: ComponentArgs,
  disallowed: readonly string[] = [],
): Promise<Pick<ClusterApiServerOptions['authentication'], 'oidc'>> {
  if (!oidcFlags.some((name) => args[name])) return {};
  const issuer = args['oidc-issuer-url'] ?? '';
  const clientId = args['oidc-client-id'] ?? '';
  if (issuer === '' || clientId === '')
    throw new ClusterError('oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set');
  const invalid = (why: string) => new ClusterError(`issuer.url: Invalid value: ${JSON.stringify(issuer)}: ${why}`);
  if (disallowed.includes(issuer)) throw invalid(`URL must not overlap with disallowed issuers: [${[...disallowed].sort().join(' ')}]`);
  if (!URL.canParse(issuer)) throw invalid(`parse ${JSON.stringify(issuer)}: invalid URI for request`);
  const { protocol, search, hash, username } = new URL(issuer);
  if (protocol !== 'https:') throw invalid('URL scheme must be https');
  if (username !== '') throw invalid('URL must not contain a username or password');
  if (search !== '') throw invalid('URL must not contain a query');
  if (hash !== '') throw invalid('URL must not contain a fragment');
  const signing = list(args['oidc-signing-algs'] ?? 'RS256');
  for (const each of signing) if (!algorithms.includes(each)) throw new ClusterError(`unsupported signing alg: ${JSON.stringify(each)}`);
  const usernameClaim = args['oidc-username-claim'] || 'sub';
  const prefix = args['oidc-username-prefix'] ?? '';
  // Names that are no addresses could be anybody's: the provider's name comes first, unless somebody wants otherwise.
  const usernamePrefix = prefix === '-' ? '' : prefix === '' && usernameClaim !== 'email' ? `${issuer}#` : prefix;
  const file = args['oidc-ca-file'];
  const requiredClaims = Object.fromEntries(
    list(args['oidc-required-claim']).map((pair) => {
      const [claim = '', ...value] = pair.split('=');
      if (claim === '' || value.length === 0)
        throw new ClusterError(
          `invalid argument ${JSON.stringify(pair)} for "--oidc-required-claim" flag: malformed pair, expect string=string`,
        );
      return [claim.trim(), value.join('=').trim()];
    }),
  );
  return {
    oidc: [
      {
        ...{ issuer, audiences: [clientId], algorithms: signing },
        ...(file ? { ca: await readFile(file, 'utf8') } : {}),
        mapping: {
          username: { claim: usernameClaim, prefix: usernamePrefix },
          ...(args['oidc-groups-claim'] ? { groups: { claim: args['oidc-groups-claim'], prefix: args['oidc-groups-prefix'] ?? '' } } : {}),
          requiredClaims,
        },
      },
    ],
  };
}
