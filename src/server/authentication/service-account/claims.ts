/** What a service account's token says (KEP-1205, KEP-4193). */
export interface ServiceAccountClaims {
  iss: string;
  sub: string;
  aud: string[];
  exp: number;
  iat: number;
  nbf: number;
  jti: string;
  'kubernetes.io': {
    namespace: string;
    serviceaccount: ObjectIdentity;
    pod?: ObjectIdentity;
    secret?: ObjectIdentity;
    node?: ObjectIdentity;
    /** Seconds since the epoch from which its use is logged as stale. */
    warnafter?: number;
  };
}

export interface ObjectIdentity {
  name: string;
  uid?: string;
}

export function serviceAccountUserName(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

/** Namespace and name out of `system:serviceaccount:NAMESPACE:NAME`. */
export function splitServiceAccountUserName(user: string): { namespace: string; name: string } | undefined {
  const [system, kind, namespace, name, ...rest] = user.split(':');
  return system === 'system' && kind === 'serviceaccount' && namespace && name && rest.length === 0 ? { namespace, name } : undefined;
}

export function serviceAccountGroups(namespace: string): string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
}
