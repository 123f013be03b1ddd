import {
  type KubeObject,
  type LabelSelector,
  matchesRequiredNodeAffinity,
  type Pod,
  ReplicaSet,
  ReplicationController,
  type Resource,
  type Selector,
  Service,
  StatefulSet,
  selectorFromObject,
  type TopologySpreadConstraint,
  untoleratedTaint,
} from '../../api/index.ts';
import type { SharedInformerFactory } from '../../client/index.ts';
import type { SchedulerCache } from '../cache/cache.ts';
import type { NodeInfo } from '../cache/node-info.ts';
import { selectorWithLabelKeys } from '../cache/pod-info.ts';
import { selectorKey } from './selector-key.ts';

export const hostnameLabel = 'kubernetes.io/hostname';

/** A spread constraint, read for one pod. */
export interface Constraint {
  readonly maxSkew: number;
  readonly topologyKey: string;
  readonly selector: Selector;
  /** Fewer domains than this count as if an empty one was there; default 1. */
  readonly minDomains: number;
  readonly honorAffinity: boolean;
  readonly honorTaints: boolean;
  /** 1 when the constraint counts the pod itself. */
  readonly self: 0 | 1;
}

/** What the scheduler spreads by when neither the pod nor the profile says anything. */
export const systemDefaultConstraints: readonly TopologySpreadConstraint[] = [
  { topologyKey: hostnameLabel, whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 3 },
  { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 5 },
];

export function constraintsOf(pod: Pod, action: 'DoNotSchedule' | 'ScheduleAnyway'): Constraint[] {
  return (pod.spec.topologySpreadConstraints ?? [])
    .filter((c) => c.whenUnsatisfiable === action)
    .map((c) => read(c, selectorWithLabelKeys(c.labelSelector, pod, c.matchLabelKeys), pod));
}

function read(c: TopologySpreadConstraint, selector: Selector, pod: Pod): Constraint {
  return {
    maxSkew: c.maxSkew,
    topologyKey: c.topologyKey,
    selector,
    minDomains: c.minDomains ?? 1,
    honorAffinity: (c.nodeAffinityPolicy ?? 'Honor') === 'Honor',
    honorTaints: (c.nodeTaintsPolicy ?? 'Ignore') === 'Honor',
    self: selector.matches(pod.metadata.labels) ? 1 : 0,
  };
}

/** Default constraints for a pod that has none of its own: over the pods of its services and its owner. */
export function defaultConstraintsOf(
  pod: Pod,
  defaults: readonly TopologySpreadConstraint[],
  action: 'DoNotSchedule' | 'ScheduleAnyway',
  selectorOf: (pod: Pod) => Selector,
): Constraint[] {
  const wanted = defaults.filter((c) => c.whenUnsatisfiable === action);
  if (wanted.length === 0) return [];
  const selector = selectorOf(pod);
  return selector.requirements.length === 0 ? [] : wanted.map((c) => read(c, selector, pod));
}

/** What selects a pod's fellows: the selectors of its services and of the workload that owns it, together. */
export function createDefaultSelector(informers: SharedInformerFactory): (pod: Pod) => Selector {
  const services = informers.for(Service).lister;
  const get = <T extends KubeObject & { spec?: { selector?: unknown } }>(resource: Resource<T>) => {
    const { lister } = informers.for(resource);
    return (name: string, namespace: string): unknown => lister.get(name, namespace)?.spec?.selector;
  };
  const owners: Record<string, (name: string, namespace: string) => unknown> = {
    'apps/v1/ReplicaSet': get(ReplicaSet),
    'apps/v1/StatefulSet': get(StatefulSet),
    'v1/ReplicationController': get(ReplicationController),
  };
  return (pod) => {
    const { namespace = '', labels = {}, ownerReferences } = pod.metadata;
    const matchLabels: Record<string, string> = {};
    for (const { spec } of services.list(namespace)) {
      const selector = Object.entries(spec?.selector ?? {});
      if (selector.length > 0 && selector.every(([key, value]) => labels[key] === value)) Object.assign(matchLabels, spec?.selector);
    }
    const owner = ownerReferences?.find((o) => o.controller);
    const kind = owner ? `${owner.apiVersion}/${owner.kind}` : '';
    const owned = owner && owners[kind]?.(owner.name, namespace);
    if (!owned) return selectorFromObject({ matchLabels });
    // A replication controller's selector is the labels themselves.
    const selector = (kind === 'v1/ReplicationController' ? { matchLabels: owned } : owned) as LabelSelector;
    return selectorFromObject({ ...selector, matchLabels: { ...matchLabels, ...selector.matchLabels } });
  };
}

export function hasAllKeys(node: NodeInfo, constraints: readonly Constraint[]): boolean {
  for (const { topologyKey } of constraints) if (node.labels[topologyKey] === undefined) return false;
  return true;
}

/** Whether the pods of a node count for the constraint: by its node policies, nodes that the pod can't use may not (KEP-3094). */
export function includesNode(constraint: Constraint, pod: Pod, node: NodeInfo): boolean {
  if (constraint.honorAffinity && !matchesRequiredNodeAffinity(pod.spec, node.name, node.labels)) return false;
  return !(constraint.honorTaints && untoleratedTaint(node.hardTaints, pod.spec.tolerations));
}

/** How many pods the constraint counts on each node. Those that are on their way out do not count. */
export function countsByNode(cache: SchedulerCache, { selector }: Constraint, namespace: string): ReadonlyMap<string, number> {
  return cache.count(
    `spread/${namespace}/${selectorKey(selector)}`,
    ({ pod: { metadata } }) => metadata.namespace === namespace && !metadata.deletionTimestamp && selector.matches(metadata.labels),
  );
}
