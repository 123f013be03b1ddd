import {
  Deployment,
  hasReason,
  type KubeObject,
  type OwnerReference,
  type Pod,
  parseApiVersion,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../api/index.ts';
import { type Client, controllerOf, type SharedInformerFactory } from '../../client/index.ts';
import { type DiscoveredResource, discover } from '../framework/index.ts';

export interface Scale {
  /** How many pods the pods' controllers ask for together. */
  replicas: number;
  /** Pods that no controller looks after. */
  unmanaged: Pod[];
}

/** Finds how many pods the controllers of pods ask for: from informers for the kinds that upstream knows, else by the scale subresource. */
export function createScaleFinder(client: Client, informers: SharedInformerFactory) {
  const known = {
    'apps/ReplicaSet': informers.for(ReplicaSet),
    'apps/StatefulSet': informers.for(StatefulSet),
    '/ReplicationController': informers.for(ReplicationController),
  } as const;
  const deployments = informers.for(Deployment);
  const discovered = new Map<string, DiscoveredResource>();

  const resourceOf = async (apiVersion: string, kind: string, signal: AbortSignal): Promise<DiscoveredResource | undefined> => {
    const { group } = parseApiVersion(apiVersion);
    const key = `${group}/${kind}`;
    if (!discovered.has(key))
      for (const resource of (await discover(client, signal)).resources) discovered.set(`${resource.group}/${resource.kind}`, resource);
    return discovered.get(key);
  };

  const scaleOf = async (
    namespace: string,
    owner: OwnerReference,
    signal: AbortSignal,
  ): Promise<{ uid: string; replicas: number } | undefined> => {
    const key = `${parseApiVersion(owner.apiVersion).group}/${owner.kind}`;
    if (key in known) {
      const object = known[key as keyof typeof known].lister.get(owner.name, namespace);
      if (object?.metadata.uid !== owner.uid) return undefined;
      const parent = object.kind === 'ReplicaSet' || key === 'apps/ReplicaSet' ? controllerOf(object) : undefined;
      const deployment = parent?.kind === 'Deployment' ? deployments.lister.get(parent.name, namespace) : undefined;
      const source = deployment && deployment.metadata.uid === parent?.uid ? deployment : object;
      return { uid: source.metadata.uid, replicas: source.spec?.replicas ?? 1 };
    }
    const resource = await resourceOf(owner.apiVersion, owner.kind, signal);
    if (!resource) return undefined;
    try {
      const scale = await client.get<KubeObject & { spec?: { replicas?: number } }>(resource, owner.name, {
        namespace,
        subresource: 'scale',
        signal,
      });
      return scale.metadata.uid === owner.uid ? { uid: owner.uid, replicas: scale.spec?.replicas ?? 0 } : undefined;
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw error;
      throw new Error(`${resource.plural}.${resource.group} does not implement the scale subresource`);
    }
  };

  return {
    informers: [...Object.values(known), deployments],
    async find(pods: readonly Pod[], signal: AbortSignal): Promise<Scale> {
      const byController = new Map<string, number>();
      const asked = new Set<string>();
      const unmanaged: Pod[] = [];
      for (const pod of pods) {
        const owner = controllerOf(pod);
        if (!owner) {
          unmanaged.push(pod);
          continue;
        }
        if (asked.has(owner.uid)) continue;
        asked.add(owner.uid);
        const scale = await scaleOf(pod.metadata.namespace ?? '', owner, signal);
        if (!scale) throw new Error(`found no controllers for pod ${JSON.stringify(pod.metadata.name)}`);
        byController.set(scale.uid, scale.replicas);
      }
      return { replicas: [...byController.values()].reduce((sum, n) => sum + n, 0), unmanaged };
    },
  };
}
