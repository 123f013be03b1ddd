/** What a node's silence and its conditions mean. Pure. */
import type { Node, NodeCondition, Taint } from '../../../api/index.ts';

export const notReadyTaint = 'node.kubernetes.io/not-ready';
export const unreachableTaint = 'node.kubernetes.io/unreachable';

/** True, False, Unknown; Unknown for a node that has never said. */
export type Readiness = 'True' | 'False' | 'Unknown';

export const readyCondition = ({ status }: Node): NodeCondition | undefined => status?.conditions?.find((c) => c.type === 'Ready');

export function readinessOf(node: Node): Readiness {
  const status = readyCondition(node)?.status;
  return status === 'True' || status === 'False' ? status : 'Unknown';
}

/** The conditions that only the kubelet knows. */
const kubeletConditions = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'] as const;

/** The conditions of a node that has been silent too long; undefined where they say so already. */
export function silencedConditions(node: Node, now: string): NodeCondition[] | undefined {
  const conditions = [...(node.status?.conditions ?? [])];
  let changed = false;
  for (const type of kubeletConditions) {
    const at = conditions.findIndex((c) => c.type === type);
    const present = conditions[at];
    if (present?.status === 'Unknown') continue;
    changed = true;
    if (present)
      conditions[at] = {
        ...present,
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
        lastTransitionTime: now,
      };
    else
      conditions.push({
        type,
        status: 'Unknown',
        reason: 'NodeStatusNeverUpdated',
        message: 'Kubelet never posted node status.',
        lastHeartbeatTime: node.metadata.creationTimestamp,
        lastTransitionTime: now,
      });
  }
  return changed ? conditions : undefined;
}

const pressureTaints: Record<string, string> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
};
const unschedulableTaint = 'node.kubernetes.io/unschedulable';
const noScheduleKeys = new Set([notReadyTaint, unreachableTaint, unschedulableTaint, ...Object.values(pressureTaints)]);

/** The keys of the NoSchedule taints that the node's conditions call for. */
function noScheduleTaints(node: Node): string[] {
  const keys: string[] = [];
  for (const { type, status } of node.status?.conditions ?? []) {
    if (type === 'Ready' && status === 'False') keys.push(notReadyTaint);
    if (type === 'Ready' && status === 'Unknown') keys.push(unreachableTaint);
    const key = pressureTaints[type];
    if (key && status === 'True') keys.push(key);
  }
  if (node.spec.unschedulable) keys.push(unschedulableTaint);
  return keys;
}

/** The NoExecute taint that the node's readiness calls for. */
export function noExecuteTaint(node: Node): string | undefined {
  switch (readyCondition(node)?.status) {
    case 'False':
      return notReadyTaint;
    case 'Unknown':
      return unreachableTaint;
    default:
      return undefined;
  }
}

const isEviction = ({ key, effect }: Taint) => effect === 'NoExecute' && (key === notReadyTaint || key === unreachableTaint);

export const evictionTaint = (node: Node): Taint | undefined => node.spec.taints?.find(isEviction);

/**
 * The taints that the node is to have; undefined where it has them. Of a NoExecute taint `eviction` says whether it may be set on a
 * node that has none (one that is there changes its key at once), is to wait, or is to go.
 */
export function nodeTaints(node: Node, eviction: 'now' | 'later' | 'never', now: string): Taint[] | undefined {
  const present = node.spec.taints ?? [];
  const wantedKeys = noScheduleTaints(node);
  const execute = noExecuteTaint(node);
  const wanted: { key: string; effect: Taint['effect'] }[] = wantedKeys.map((key) => ({ key, effect: 'NoSchedule' }));
  if (execute && (eviction === 'now' || (eviction === 'later' && evictionTaint(node)))) wanted.push({ key: execute, effect: 'NoExecute' });
  const isWanted = (taint: Taint) => wanted.some((w) => w.key === taint.key && w.effect === taint.effect);
  const isOurs = (taint: Taint) => isEviction(taint) || (taint.effect === 'NoSchedule' && noScheduleKeys.has(taint.key));
  const kept = present.filter((taint) => !isOurs(taint) || isWanted(taint));
  const added = wanted.filter((w) => !present.some((taint) => taint.key === w.key && taint.effect === w.effect));
  if (kept.length === present.length && added.length === 0) return undefined;
  return [...kept, ...added.map((taint) => ({ ...taint, timeAdded: now }))];
}

/** Labels from before 1.14 that follow their successors. */
export function legacyLabels({ metadata: { labels = {} } }: Node): Record<string, string> | undefined {
  const missing: Record<string, string> = {};
  for (const name of ['os', 'arch']) {
    const value = labels[`kubernetes.io/${name}`];
    if (value && labels[`beta.kubernetes.io/${name}`] !== value) missing[`beta.kubernetes.io/${name}`] = value;
  }
  return Object.keys(missing).length > 0 ? missing : undefined;
}
