/** What one may ask a kubelet: each path stands for a subresource of its node, which the API server decides on. */
import { SubjectAccessReview } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import type { Clock } from '../../time/index.ts';
import type { KubeletUser } from './authentication.ts';
import { expiringCache } from './expiring-cache.ts';

/** --authorization-webhook-cache-authorized-ttl and -unauthorized-ttl's defaults. */
const allowedTtlMs = 300_000;
const deniedTtlMs = 30_000;

const verbs: Record<string, string> = { POST: 'create', GET: 'get', HEAD: 'get', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/** Paths that less than `proxy` is enough for; the second group (KEP-2862) is served to who may `proxy`, too. */
const coarse: Record<string, string> = { stats: 'stats', metrics: 'metrics', logs: 'log', checkpoint: 'checkpoint' };
const fine: Record<string, string> = { pods: 'pods', runningpods: 'pods', healthz: 'healthz', configz: 'configz' };

/** Subresources of the node, any of which allows the path. */
export function subresourcesOf(path: string): string[] {
  const first = path.split('/')[1] ?? '';
  const own = coarse[first];
  if (own !== undefined) return [own];
  const narrow = fine[first];
  return narrow === undefined ? ['proxy'] : [narrow, 'proxy'];
}

export type Verdict = { allowed: true } | { allowed: false; message: string };

export function authorization({ client, clock, nodeName }: { client: Client; clock: Clock; nodeName: string }) {
  const decisions = expiringCache<boolean>(clock, (allowed) => (allowed ? allowedTtlMs : deniedTtlMs));

  const isAllowed = (user: KubeletUser, verb: string, subresource: string): Promise<boolean> =>
    decisions(JSON.stringify([user, verb, subresource]), async () => {
      const review = await client.create(SubjectAccessReview, {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        metadata: {},
        spec: {
          user: user.name,
          groups: [...user.groups],
          ...(user.uid === undefined ? {} : { uid: user.uid }),
          ...(user.extra === undefined ? {} : { extra: Object.fromEntries(Object.entries(user.extra).map(([k, v]) => [k, [...v]])) }),
          resourceAttributes: { verb, version: 'v1', resource: 'nodes', subresource, name: nodeName },
        },
      });
      return review.status?.allowed ?? false;
    });

  return async (user: KubeletUser, method: string, path: string): Promise<Verdict> => {
    const verb = verbs[method] ?? '';
    const subresources = subresourcesOf(path);
    for (const subresource of subresources) if (await isAllowed(user, verb, subresource)) return { allowed: true };
    return {
      allowed: false,
      message: `Forbidden (user=${user.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}])\n`,
    };
  };
}
