/** kube-apiserver's flags of service accounts' tokens, and of the proxies that speak for others. */
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { flag, list } from './flags.ts';
import { amount, seconds } from './serving-flags.ts';

/** Whether requests without credentials are `system:anonymous`: never where everybody may do everything, as upstream. */
export function allowsAnonymous(args: ComponentArgs, warn: (message: string) => void): boolean {
  if (!flag(args['anonymous-auth'], true)) return false;
  if (!list(args['authorization-mode']).includes('AlwaysAllow')) return true;
  warn(
    'AnonymousAuth is not allowed with the AlwaysAllow authorizer. Resetting AnonymousAuth to false. You should use a different authorizer',
  );
  return false;
}

const leastTokenSeconds = 3600;
const mostTokenSeconds = 2 ** 32;

/** `issuer`: where no flag names one. Flags that name files are read elsewhere. */
export function identityOptions(args: ComponentArgs, issuer: string) {
  const maxTokenSeconds = amount(args, 'service-account-max-token-expiration', seconds);
  if (maxTokenSeconds !== undefined && maxTokenSeconds !== 0 && (maxTokenSeconds < leastTokenSeconds || maxTokenSeconds > mostTokenSeconds))
    throw new ClusterError('the service-account-max-token-expiration must be between 1 hour and 2^32 seconds');
  const issuers = list(args['service-account-issuer']);
  for (const each of issuers)
    if (each.includes(':') && !URL.canParse(each))
      throw new ClusterError(`service-account-issuer contained a ':' but was not a valid URL: ${each}`);
  const header = (name: string) => {
    const text = args[name];
    if (text !== '' && text?.split(',').some((each) => each.trim() === ''))
      throw new ClusterError(`empty value in ${JSON.stringify(name)}`);
    return text === undefined ? undefined : list(text);
  };
  const given = {
    allowedNames: header('requestheader-allowed-names'),
    usernameHeaders: header('requestheader-username-headers'),
    uidHeaders: header('requestheader-uid-headers'),
    groupHeaders: header('requestheader-group-headers'),
    extraHeaderPrefixes: header('requestheader-extra-headers-prefix'),
  };
  return {
    identity: {
      issuers: issuers.length > 0 ? issuers : [issuer],
      bootstrapTokenAuth: flag(args['enable-bootstrap-token-auth'], true),
      serviceAccountLookup: flag(args['service-account-lookup'], true),
      extendTokenExpiration: flag(args['service-account-extend-token-expiration'], true),
      ...(maxTokenSeconds ? { maxTokenSeconds } : {}),
      ...(args['service-account-jwks-uri'] ? { jwksUri: args['service-account-jwks-uri'] } : {}),
    },
    requestHeader: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
      [Name in keyof typeof given]?: string[];
    },
  };
}
