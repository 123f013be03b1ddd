import { createPublicKey } from 'node:crypto';
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose';
import type { KubeObject, Resource } from '../../../api/index.ts';
import { Node, Pod, Secret, ServiceAccount } from '../../../api/index.ts';
import type { Clock } from '../../../time/index.ts';
import type { ServiceAccountMetrics } from '../../metrics/service-account-metrics.ts';
import { readObject, type Storages } from '../../storages.ts';
import type { TokenAuthenticator } from '../token.ts';
import { type ObjectIdentity, type ServiceAccountClaims, serviceAccountGroups, serviceAccountUserName } from './claims.ts';
import { algorithmOf, keyIdOf } from './token-issuer.ts';

/** Checks signature and issuer; the time and the world are the authenticator's business. */
export interface TokenVerifier {
  /** undefined: not a token of ours. Throws when the signature is wrong. */
  verify(token: string): Promise<ServiceAccountClaims | undefined>;
}

/** Verified tokens that are remembered, so that a signature is checked once a token and not once a request. */
const rememberedTokens = 4096;

/** `keys`: --service-account-key-file, PEM. `issuers`: --service-account-issuer; the first is the one that signs. */
export function createTokenVerifier(options: { issuers: readonly string[]; keys: readonly string[] }): TokenVerifier {
  const keys = options.keys.map((pem) => {
    const key = createPublicKey(pem);
    return { key, id: keyIdOf(key), algorithm: algorithmOf(key) };
  });
  const verified = new Map<string, ServiceAccountClaims>();
  return {
    async verify(token) {
      const known = verified.get(token);
      if (known !== undefined) return known;
      const issuer = issuerOf(token);
      if (issuer === undefined || !options.issuers.includes(issuer)) return undefined;
      const { kid } = decodeProtectedHeader(token);
      const candidates = keys.filter((k) => k.id === kid);
      let failure: unknown = new Error('no keys found');
      for (const { key, algorithm } of candidates.length > 0 ? candidates : keys) {
        try {
          const { payload } = await compactVerify(token, key, { algorithms: [algorithm] });
          // Signed by us: it has the claims that we give.
          const claims = JSON.parse(new TextDecoder().decode(payload)) as ServiceAccountClaims;
          if (verified.size >= rememberedTokens) verified.delete(verified.keys().next().value ?? '');
          verified.set(token, claims);
          return claims;
        } catch (error) {
          failure = error;
        }
      }
      throw new Error(`invalid bearer token: ${failure instanceof Error ? failure.message : String(failure)}`);
    },
  };
}

function issuerOf(token: string): string | undefined {
  if (token.split('.').length !== 3) return undefined;
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined; // three parts, but no JWT: somebody else's token
  }
}

export function serviceAccountTokens(options: {
  verifier: TokenVerifier;
  storages: Storages;
  clock: Clock;
  apiAudiences: readonly string[];
  metrics?: ServiceAccountMetrics | undefined;
}): TokenAuthenticator {
  const { verifier, storages, clock } = options;
  const requireObject = async <T extends KubeObject>(resource: Resource<T>, namespace: string, identity: ObjectIdentity): Promise<T> => {
    const object = await readObject(storages, resource, namespace, identity.name);
    const label = resource.kind === 'ServiceAccount' ? 'service account' : resource.kind.toLowerCase();
    if (object === undefined) throw new Error(`${label} ${namespace}/${identity.name} has been deleted`);
    const deleted = object.metadata.deletionTimestamp;
    // Upstream gives a terminating object's tokens a minute more than its grace period.
    if (deleted !== undefined && Date.parse(deleted) + 60_000 < clock.now())
      throw new Error(`${label} ${namespace}/${identity.name} has been deleted`);
    if (identity.uid !== undefined && object.metadata.uid !== identity.uid)
      throw new Error(`${label} UID (${object.metadata.uid}) does not match claim (${identity.uid})`);
    return object;
  };
  return {
    async authenticateToken(token, audiences, notes) {
      const claims = await verifier.verify(token);
      if (claims === undefined) return undefined;
      const now = clock.now() / 1000;
      if (claims.exp !== undefined && now >= claims.exp) throw new Error('service account token has expired');
      // A minute of leeway, for other control planes' clocks.
      if (claims.nbf !== undefined && now + 60 < claims.nbf) throw new Error('service account token is not valid yet');
      const wanted = audiences.length > 0 ? audiences : options.apiAudiences;
      const aud = typeof claims.aud === 'string' ? [claims.aud] : (claims.aud ?? []);
      const common = wanted.filter((a) => aud.includes(a));
      if (common.length === 0)
        throw new Error(
          `token audiences [${aud.map((a) => JSON.stringify(a)).join(' ')}] is invalid for the target audiences [${wanted.map((a) => JSON.stringify(a)).join(' ')}]`,
        );
      const { namespace, serviceaccount, pod, secret, node } = claims['kubernetes.io'];
      await requireObject(ServiceAccount, namespace, serviceaccount);
      if (secret !== undefined) await requireObject(Secret, namespace, secret);
      if (pod !== undefined) await requireObject(Pod, namespace, pod);
      // With a pod, the node is information only; alone, it is what the token lives by.
      else if (node !== undefined) await requireObject(Node, '', node);
      const { warnafter } = claims['kubernetes.io'];
      // Its client has not read it again in time: one day it will be too late.
      if (warnafter !== undefined && warnafter > 0 && now > warnafter) {
        options.metrics?.stale.inc();
        const late = Math.round(now - warnafter);
        notes?.auditAnnotation('authentication.k8s.io/stale-token', `subject: ${claims.sub}, seconds after warning threshold: ${late}`);
      } else options.metrics?.valid.inc();
      const extra: Record<string, string[]> = {};
      if (claims.jti) extra['authentication.kubernetes.io/credential-id'] = [`JTI=${claims.jti}`];
      if (pod !== undefined) {
        extra['authentication.kubernetes.io/pod-name'] = [pod.name];
        extra['authentication.kubernetes.io/pod-uid'] = [pod.uid ?? ''];
      }
      if (node !== undefined) {
        extra['authentication.kubernetes.io/node-name'] = [node.name];
        if (node.uid !== undefined) extra['authentication.kubernetes.io/node-uid'] = [node.uid];
      }
      return {
        user: {
          name: serviceAccountUserName(namespace, serviceaccount.name),
          ...(serviceaccount.uid === undefined ? {} : { uid: serviceaccount.uid }),
          groups: serviceAccountGroups(namespace),
          ...(Object.keys(extra).length > 0 ? { extra } : {}),
        },
        audiences: common,
      };
    },
  };
}
