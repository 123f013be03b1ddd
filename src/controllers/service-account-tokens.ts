/** Tokens that do not expire, for Secrets of type kubernetes.io/service-account-token that somebody makes, as before there were token requests. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { CompactSign } from 'jose';
import { hasReason, Secret, type Secret as SecretType, ServiceAccount, type ServiceAccount as ServiceAccountType } from '../api/index.ts';
import { keyOf } from '../client/index.ts';
import { defineController } from './framework/index.ts';

const tokenType = 'kubernetes.io/service-account-token';
const nameAnnotation = 'kubernetes.io/service-account.name';
const uidAnnotation = 'kubernetes.io/service-account.uid';
const accountIndex = 'service-account';
const secretPrefix = 'secret ';
const accountPrefix = 'account ';

const curves: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' };

const base64 = (text: string) => Buffer.from(text).toString('base64');
const accountNameOf = ({ metadata }: SecretType) => metadata.annotations?.[nameAnnotation] ?? '';

/** The claims by which API servers know such a token (upstream's LegacyClaims). */
async function sign(key: KeyObject, account: ServiceAccountType, secret: SecretType): Promise<string> {
  const { name, namespace = '', uid } = account.metadata;
  const claim = (what: string) => `kubernetes.io/serviceaccount/${what}`;
  const claims = {
    iss: 'kubernetes/serviceaccount',
    sub: `system:serviceaccount:${namespace}:${name}`,
    [claim('namespace')]: namespace,
    [claim('secret.name')]: secret.metadata.name,
    [claim('service-account.name')]: name,
    [claim('service-account.uid')]: uid,
  };
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const header = {
    alg: key.asymmetricKeyType === 'rsa' ? 'RS256' : (curves[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? 'ES256'),
    kid: createHash('sha256').update(publicKey).digest('base64url'),
  };
  return new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader(header).sign(key);
}

export const serviceAccountTokenController = defineController(
  'serviceaccount-token-controller',
  ({ client, informers, config }, queue) => {
    const accounts = informers.for(ServiceAccount);
    const secrets = informers.for(Secret, { fieldSelector: `type=${tokenType}` });
    secrets.addIndex(accountIndex, (secret) => [`${secret.metadata.namespace}/${accountNameOf(secret)}`]);
    const key = config.serviceAccountKey === undefined ? undefined : createPrivateKey(config.serviceAccountKey);
    const enqueue = (secret: SecretType) => queue.add(secretPrefix + keyOf(secret));
    secrets.addHandler({
      add: enqueue,
      update: enqueue,
      delete: (secret) => queue.add(`${accountPrefix}${secret.metadata.namespace}/${accountNameOf(secret)}`),
    });
    accounts.addHandler({
      add: (account) => queue.add(accountPrefix + keyOf(account)),
      delete: (account) => queue.add(accountPrefix + keyOf(account)),
    });

    const remove = async ({ metadata: { name, namespace, uid } }: SecretType, signal: AbortSignal): Promise<void> => {
      await client.delete(Secret, name, { namespace, preconditions: { uid }, signal }).catch((error: unknown) => {
        if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
      });
    };

    const accountOf = async (secret: SecretType, signal: AbortSignal): Promise<ServiceAccountType | undefined> => {
      const { namespace } = secret.metadata;
      const name = accountNameOf(secret);
      const uid = secret.metadata.annotations?.[uidAnnotation];
      const isTheOne = (account: ServiceAccountType | undefined) => account !== undefined && (!uid || account.metadata.uid === uid);
      const cached = accounts.lister.get(name, namespace);
      if (cached && isTheOne(cached)) return cached;
      // The cache may be late, and what is deleted is gone.
      const fresh = await client.get(ServiceAccount, name, { namespace, signal }).catch((error: unknown) => {
        if (hasReason(error, 'NotFound')) return undefined;
        throw error;
      });
      return isTheOne(fresh) ? fresh : undefined;
    };

    const fill = async (name: string, signal: AbortSignal): Promise<void> => {
      const secret = secrets.lister.getByKey(name);
      if (!secret || !key || secret.metadata.deletionTimestamp) return;
      const account = await accountOf(secret, signal);
      if (!account) return remove(secret, signal);
      const { namespace = '' } = secret.metadata;
      const wanted = {
        ...(config.rootCa === undefined ? {} : { 'ca.crt': base64(config.rootCa) }),
        namespace: base64(namespace),
        token: secret.data?.token || base64(await sign(key, account, secret)),
      };
      const annotations = {
        ...secret.metadata.annotations,
        [nameAnnotation]: account.metadata.name,
        [uidAnnotation]: account.metadata.uid,
      };
      const complete =
        Object.entries(wanted).every(([field, value]) => secret.data?.[field] === value) &&
        secret.metadata.annotations?.[uidAnnotation] === account.metadata.uid;
      if (complete) return;
      await client.update(
        Secret,
        { ...secret, metadata: { ...secret.metadata, annotations }, data: { ...secret.data, ...wanted } },
        { signal },
      );
    };

    /** Of an account that is gone the tokens go; one that is there lists no token that is gone. */
    const tidy = async (name: string, signal: AbortSignal): Promise<void> => {
      const account = accounts.lister.getByKey(name);
      const [namespace] = name.split('/');
      if (!account) {
        for (const secret of secrets.lister.byIndex(accountIndex, name)) queue.add(secretPrefix + keyOf(secret));
        return;
      }
      const listed = account.secrets ?? [];
      const missing: string[] = [];
      for (const { name: secret = '' } of listed) {
        if (secrets.lister.get(secret, namespace)) continue;
        const gone = await client.get(Secret, secret, { namespace, signal }).then(
          () => false,
          (error: unknown) => hasReason(error, 'NotFound'),
        );
        if (gone) missing.push(secret);
      }
      if (missing.length === 0) return;
      const kept = listed.filter(({ name: secret = '' }) => !missing.includes(secret));
      await client.update(ServiceAccount, { ...account, secrets: kept }, { signal });
    };

    return {
      informers: [accounts, secrets],
      async reconcile(item, signal) {
        if (item.startsWith(secretPrefix)) await fill(item.slice(secretPrefix.length), signal);
        else await tidy(item.slice(accountPrefix.length), signal);
      },
    };
  },
  { queueName: 'serviceaccount_tokens_secret' },
);
