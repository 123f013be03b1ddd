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

export function serviceAccountGroups(namespace: string): string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
}
