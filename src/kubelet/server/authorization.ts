/** What one may ask a kubelet: each path stands for a subresource of its node, which the API server decides on. */
import type { Delegation, ReviewedUser } from '../../client/index.ts';

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

export function authorization({ delegation, nodeName }: { delegation: Delegation; nodeName: string }) {
  return async (user: ReviewedUser, method: string, path: string): Promise<Verdict> => {
    const verb = verbs[method] ?? '';
    const subresources = subresourcesOf(path);
    for (const subresource of subresources) {
      const resourceAttributes = { verb, version: 'v1', resource: 'nodes', subresource, name: nodeName };
      if ((await delegation.decide(user, { resourceAttributes })).allowed) return { allowed: true };
    }
    return {
      allowed: false,
      message: `Forbidden (user=${user.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}])\n`,
    };
  };
}
