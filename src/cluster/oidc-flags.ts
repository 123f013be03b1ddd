/** kube-apiserver's --oidc-* flags. */
import { aggregateMessage, FieldErrors, FieldPath, fieldErrorMessage } from '../api/index.ts';
import type { ClusterApiServerOptions } from '../server/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { list } from './flags.ts';
import { readText } from './pem-files.ts';
import { validateAuthority, validateIssuerUrl } from './provider-validation.ts';

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
  const at = new FieldPath('jwt').index(0).child('issuer');
  const errors = new FieldErrors();
  validateIssuerUrl(issuer, at.child('url'), errors, disallowed);
  const file = args['oidc-ca-file'];
  const ca = file ? await readText(file) : undefined;
  if (ca !== undefined) validateAuthority(ca, at.child('certificateAuthority'), errors);
  if (!errors.ok) throw new ClusterError(aggregateMessage(errors.list.map(fieldErrorMessage)));
  const signing = list(args['oidc-signing-algs'] ?? 'RS256');
  for (const each of signing)
    if (!algorithms.includes(each)) throw new ClusterError(`oidc: unsupported signing alg: ${JSON.stringify(each)}`);
  const usernameClaim = args['oidc-username-claim'] || 'sub';
  const prefix = args['oidc-username-prefix'] ?? '';
  // Names that are no addresses could be anybody's: the provider's name comes first, unless somebody wants otherwise.
  const usernamePrefix = prefix === '-' ? '' : prefix === '' && usernameClaim !== 'email' ? `${issuer}#` : prefix;
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
        ...(ca === undefined ? {} : { ca }),
        mapping: {
          username: { claim: usernameClaim, prefix: usernamePrefix },
          ...(args['oidc-groups-claim'] ? { groups: { claim: args['oidc-groups-claim'], prefix: args['oidc-groups-prefix'] ?? '' } } : {}),
          requiredClaims,
        },
      },
    ],
  };
}
