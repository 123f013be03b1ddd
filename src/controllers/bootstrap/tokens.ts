/** Bootstrap tokens: the secrets by which machines join a cluster. */
import { createHmac } from 'node:crypto';
import { ConfigMap, hasReason, Secret, semanticEqual } from '../../api/index.ts';
import { keyOf } from '../../client/index.ts';
import type { Clock } from '../../time/index.ts';
import { defineController, timeOf } from '../framework/index.ts';

const tokenType = 'bootstrap.kubernetes.io/token';
const tokenNamespace = 'kube-system';
const clusterInfo = { namespace: 'kube-public', name: 'cluster-info' };
const signaturePrefix = 'jws-kubeconfig-';
const tokens = { namespace: tokenNamespace, fieldSelector: `type=${tokenType}` };

const textOf = ({ data }: Secret, key: string) => Buffer.from(data?.[key] ?? '', 'base64').toString();

/** Milliseconds until the token is no longer good; Infinity for one that always is. */
function untilExpired(secret: Secret, clock: Clock): number {
  const expiration = textOf(secret, 'expiration');
  if (!expiration) return Number.POSITIVE_INFINITY;
  const at = timeOf(expiration);
  // What is no time has passed: a token must not live on by a mistake in writing.
  return Number.isNaN(at) ? 0 : at - clock.now();
}

/** A JSON Web Signature (RFC 7515, HS256) without its content: whoever knows the token can check the content by it. */
export function detachedSignature(content: string, tokenId: string, tokenSecret: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: tokenId })).toString('base64url');
  const payload = Buffer.from(content).toString('base64url');
  return `${header}..${createHmac('sha256', tokenSecret).update(`${header}.${payload}`).digest('base64url')}`;
}

/** Removes tokens whose time is over. */
export const tokenCleanerController = defineController('token-cleaner-controller', ({ client, clock, informers }, queue) => {
  const secrets = informers.for(Secret, tokens);
  const enqueue = (secret: Secret) => queue.add(keyOf(secret));
  secrets.addHandler({ add: enqueue, update: enqueue });
  return {
    informers: [secrets],
    workers: 1,
    async reconcile(key, signal) {
      const secret = secrets.lister.getByKey(key);
      if (!secret) return;
      const left = untilExpired(secret, clock);
      if (left > 0) return Number.isFinite(left) ? { requeueAfterMs: left } : {};
      const { name, namespace, uid } = secret.metadata;
      await client.delete(Secret, name, { namespace, preconditions: { uid }, signal }).catch((error: unknown) => {
        if (!hasReason(error, 'NotFound')) throw error;
      });
      return;
    },
  };
});

/** Signs the config map kube-public/cluster-info with every token that may sign. */
export const bootstrapSignerController = defineController('bootstrap-signer-controller', ({ client, clock, informers }, queue) => {
  const secrets = informers.for(Secret, tokens);
  const configMaps = informers.for(ConfigMap, { namespace: clusterInfo.namespace, fieldSelector: `metadata.name=${clusterInfo.name}` });
  const enqueue = () => queue.add(clusterInfo.name);
  secrets.addHandler({ add: enqueue, update: enqueue, delete: enqueue });
  configMaps.addHandler({ add: enqueue, update: enqueue });
  return {
    informers: [secrets, configMaps],
    workers: 1,
    async reconcile(name, signal) {
      const configMap = configMaps.lister.get(name, clusterInfo.namespace);
      const content = configMap?.data?.kubeconfig;
      if (!configMap || !content) return;
      const data = Object.fromEntries(Object.entries(configMap.data ?? {}).filter(([key]) => !key.startsWith(signaturePrefix)));
      for (const secret of secrets.lister.list()) {
        const id = textOf(secret, 'token-id');
        if (textOf(secret, 'usage-bootstrap-signing') !== 'true' || untilExpired(secret, clock) <= 0) continue;
        data[signaturePrefix + id] = detachedSignature(content, id, textOf(secret, 'token-secret'));
      }
      if (!semanticEqual(data, configMap.data)) await client.update(ConfigMap, { ...configMap, data }, { signal });
    },
  };
});
