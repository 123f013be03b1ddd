import { createPublicKey } from 'node:crypto';
import { compactVerify, decodeJwt } from 'jose';
import { Secret, ServiceAccount } from '../../../api/index.ts';
import { type Clock, timestamp } from '../../../time/index.ts';
import type { ServiceAccountMetrics } from '../../metrics/service-account-metrics.ts';
import type { AuthenticationNotes } from '../../request.ts';
import { readObject, type Storages } from '../../storages.ts';
import type { TokenAuthenticator } from '../token.ts';
import { serviceAccountGroups, serviceAccountUserName } from './claims.ts';
import { algorithmOf } from './token-issuer.ts';

export const legacyIssuer = 'kubernetes/serviceaccount';

/** The labels by which upstream's cleaner knows what is not used any more. */
const lastUsedLabel = 'kubernetes.io/legacy-token-last-used';
const invalidSinceLabel = 'kubernetes.io/legacy-token-invalid-since';
const dayMs = 24 * 3600 * 1000;

/** Where the use of tokens is recorded. */
export interface LegacyTokenTracking {
  clock: Clock;
  metrics?: ServiceAccountMetrics | undefined;
  /** Labels a Secret; fails silently: the token is good all the same. */
  label(secret: Secret, labels: Record<string, string>): Promise<void>;
}

/** Tokens without expiry in Secrets of type kubernetes.io/service-account-token: good as long as the Secret holds them. */
export function legacySecretTokens(options: {
  keys: readonly string[];
  storages: Storages;
  apiAudiences: readonly string[];
  tracking: LegacyTokenTracking;
}): TokenAuthenticator {
  const { clock, metrics, label } = options.tracking;
  /** Throws for a token that has been marked invalid; else says that it is used. */
  const track = async (secret: Secret, account: ServiceAccount, notes: AuthenticationNotes | undefined): Promise<void> => {
    const { name, namespace = '', labels = {} } = secret.metadata;
    if (labels[invalidSinceLabel]) {
      metrics?.legacyInvalid.inc();
      notes?.auditAnnotation('authentication.k8s.io/legacy-token-invalidated', `${namespace}/${name}`);
      throw new Error(
        `the token in secret ${namespace}/${name} for service account ${namespace}/${account.metadata.name} has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the '${invalidSinceLabel}' label from the secret to temporarily allow use of this token`,
      );
    }
    metrics?.legacy.inc();
    notes?.auditAnnotation('authentication.k8s.io/legacy-token', serviceAccountUserName(namespace, account.metadata.name));
    // What its account lists was made by the controllers of before 1.24.
    if (account.secrets?.some((reference) => reference.name === name)) {
      metrics?.legacyAuto.inc();
      notes?.warn(
        'Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens.',
      );
    } else metrics?.legacyManual.inc();
    const today = timestamp(clock).slice(0, 10);
    // Other API servers' clocks may be ahead.
    const tomorrow = new Date(clock.now() + dayMs).toISOString().slice(0, 10);
    const used = labels[lastUsedLabel];
    if (used !== today && used !== tomorrow) await label(secret, { [lastUsedLabel]: today });
  };
  const keys = options.keys.map((pem) => createPublicKey(pem));
  return {
    async authenticateToken(token, audiences, notes) {
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
      await track(secret, account, notes);
      const wanted = audiences.length > 0 ? audiences : options.apiAudiences;
      const common = wanted.filter((a) => options.apiAudiences.includes(a));
      if (common.length === 0) throw new Error('token audiences are invalid for the target audiences');
      return { user: { name: serviceAccountUserName(namespace, name), uid, groups: serviceAccountGroups(namespace) }, audiences: common };
    },
  };
}
