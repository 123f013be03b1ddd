import { createPublicKey, type KeyObject } from 'node:crypto';
import { compactVerify, decodeJwt, decodeProtectedHeader, errors as joseErrors } from 'jose';
import type { KubeObject, Resource } from '../../../api/index.ts';
import { errors, Node, Pod, Secret, ServiceAccount } from '../../../api/index.ts';
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
      const candidates = kid ? keys.filter(({ id }) => id === kid) : keys;
      if (candidates.length === 0) throw new Error('invalid signature, no keys found');
      for (const { key, algorithm } of candidates) {
        const payload = await verifiedPayload(token, key, algorithm);
        if (payload === undefined) continue;
        // Signed by us: it has the claims that we give.
        const claims = JSON.parse(new TextDecoder().decode(payload)) as ServiceAccountClaims;
        if (verified.size >= rememberedTokens) verified.delete(verified.keys().next().value ?? '');
        verified.set(token, claims);
        return claims;
      }
      throw new Error(wrongSignature);
    },
  };
}

/** In the words of the library that upstream verifies with. */
export const wrongSignature = 'go-jose/go-jose: error in cryptographic primitive';

/** What is signed; undefined where it is not by this key. */
export async function verifiedPayload(token: string, key: KeyObject, algorithm: string): Promise<Uint8Array | undefined> {
  try {
    return (await compactVerify(token, key, { algorithms: [algorithm] })).payload;
  } catch (error) {
    if (error instanceof joseErrors.JOSEError) return undefined;
    throw error;
  }
}

function issuerOf(token: string): string | undefined {
  if (token.split('.').length !== 3) return undefined;
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined; // three parts, but no JWT: somebody else's token
  }
}

/** Other control planes' clocks, and deletions that are under way, may be this far off. */
const leewaySeconds = 60;

function checkTime({ exp, nbf, iat }: Partial<ServiceAccountClaims>, now: number): void {
  if (nbf !== undefined && now + leewaySeconds < nbf) throw new Error('service account token is not valid yet');
  if (exp !== undefined && now - leewaySeconds > exp) throw new Error('service account token has expired');
  if (iat !== undefined && now + leewaySeconds < iat) throw new Error('service account token is issued in the future');
}

const audiencesOf = ({ aud }: { aud?: string | readonly string[] }): readonly string[] => (typeof aud === 'string' ? [aud] : (aud ?? []));

const quoted = (audiences: readonly string[]) => `[${audiences.map((audience) => JSON.stringify(audience)).join(' ')}]`;

/** Those of a token's audiences that are wanted, by default the API's own. Throws where there are none. */
export function commonAudiences(good: readonly string[], wanted: readonly string[], apiAudiences: readonly string[]): readonly string[] {
  const target = wanted.length > 0 ? wanted : apiAudiences;
  const common = good.filter((audience) => target.includes(audience));
  if (common.length === 0 && apiAudiences.length > 0)
    throw new Error(`token audiences ${quoted(good)} is invalid for the target audiences ${quoted(target)}`);
  return common;
}

export function serviceAccountTokens(options: {
  verifier: TokenVerifier;
  storages: Storages;
  clock: Clock;
  apiAudiences: readonly string[];
  metrics?: ServiceAccountMetrics | undefined;
}): TokenAuthenticator {
  const { verifier, storages, clock } = options;
  /** An object that the token lives by. Throws in upstream's words when it is another's, or gone (`whenGone`). */
  const requireObject = async <T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    { name, uid = '' }: ObjectIdentity,
    whenGone: () => Error,
  ): Promise<void> => {
    const object = await readObject(storages, resource, namespace, name);
    const what = resource.kind === 'ServiceAccount' ? undefined : resource.kind.toLowerCase();
    if (object === undefined) throw what ? whenGone() : errors.notFound(resource, name);
    const { uid: present, deletionTimestamp: deleted } = object.metadata;
    if (uid !== present)
      throw new Error(
        what
          ? `${what} UID (${present}) does not match service account ${what} ref claim (${uid})`
          : `service account UID (${present}) does not match claim (${uid})`,
      );
    if (deleted !== undefined && Date.parse(deleted) + leewaySeconds * 1000 < clock.now()) throw whenGone();
  };
  const invalidated = () => new Error('service account token has been invalidated');
  return {
    async authenticateToken(token, audiences, notes) {
      const claims = await verifier.verify(token);
      if (claims === undefined) return undefined;
      const good = audiencesOf(claims);
      if (good.length === 0) {
        // Of somebody else who has the key: it is for the API, as those in Secrets are.
        notes?.auditAnnotation('authentication.k8s.io/legacy-token', claims.sub);
        options.metrics?.legacy.inc();
      }
      const common = commonAudiences(good.length > 0 ? good : options.apiAudiences, audiences, options.apiAudiences);
      const now = clock.now() / 1000;
      checkTime(claims, now);
      const { namespace, serviceaccount, pod, secret, node } = claims['kubernetes.io'];
      await requireObject(
        ServiceAccount,
        namespace,
        serviceaccount,
        () => new Error(`service account ${namespace}/${serviceaccount.name} has been deleted`),
      );
      if (secret !== undefined) await requireObject(Secret, namespace, secret, invalidated);
      if (pod !== undefined) await requireObject(Pod, namespace, pod, invalidated);
      // With a pod, the node is information only; alone, it is what the token lives by.
      else if (node !== undefined) await requireObject(Node, '', node, invalidated);
      const { warnafter } = claims['kubernetes.io'];
      // Its client has not read it again in time: one day it will be too late.
      if (warnafter && now > warnafter) {
        options.metrics?.stale.inc();
        const late = Math.round(now - warnafter);
        notes?.auditAnnotation('authentication.k8s.io/stale-token', `subject: ${claims.sub}, seconds after warning threshold: ${late}`);
      } else if (warnafter) options.metrics?.valid.inc();
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
