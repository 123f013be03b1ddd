import { createPublicKey } from 'node:crypto';
import { compactVerify, decodeJwt } from 'jose';
import { Secret, ServiceAccount } from '../../../api/index.ts';
import { readObject, type Storages } from '../../storages.ts';
import type { TokenAuthenticator } from '../token.ts';
import { serviceAccountGroups, serviceAccountUserName } from './claims.ts';
import { algorithmOf } from './token-issuer.ts';

export const legacyIssuer = 'kubernetes/serviceaccount';

/** Tokens without expiry in Secrets of type kubernetes.io/service-account-token: good as long as the Secret holds them. */
export function legacySecretTokens(options: {
  keys: readonly string[];
  storages: Storages;
  apiAudiences: readonly string[];
}): TokenAuthenticator {
  const keys = options.keys.map((pem) => createPublicKey(pem));
  return {
    async authenticateToken(token, audiences) {
      if (token.split('.').length !== 3) return undefined;
      let claims: Record<string, unknown>;
      try {
        claims = decodeJwt(token);
      } catch {
        return undefined; // no JWT, so somebody else's token
      }
      if (claims.iss !== legacyIssuer) return undefined;
      const verified = await Promise.allSettled(keys.map((key) => compactVerify(token, key, { algorithms: [algorithmOf(key)] })));
      if (!verified.some((v) => v.status === 'fulfilled')) throw new Error('invalid bearer token');
      const claim = (name: string) => String(claims[`kubernetes.io/serviceaccount/${name}`] ?? '');
      const namespace = claim('namespace');
      const name = claim('service-account.name');
      const uid = claim('service-account.uid');
      const secret = await readObject(options.storages, Secret, namespace, claim('secret.name'));
      if (secret === undefined || secret.metadata.deletionTimestamp !== undefined) throw new Error('Token has been invalidated');
      if (Buffer.from(secret.data?.token ?? '', 'base64').toString('utf8') !== token) throw new Error("Token does not match server's copy");
      const account = await readObject(options.storages, ServiceAccount, namespace, name);
      if (account === undefined || account.metadata.uid !== uid) throw new Error(`ServiceAccount ${namespace}/${name} has been deleted`);
      const wanted = audiences.length > 0 ? audiences : options.apiAudiences;
      const common = wanted.filter((a) => options.apiAudiences.includes(a));
      if (common.length === 0) throw new Error('token audiences are invalid for the target audiences');
      return { user: { name: serviceAccountUserName(namespace, name), uid, groups: serviceAccountGroups(namespace) }, audiences: common };
    },
  };
}
