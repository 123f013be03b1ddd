/** What a DaemonSet wants of each node, and how it changes its pods from one template to the next. */
import {
  type DaemonSet,
  type DaemonSetStatus,
  isPodReady,
  isPodTerminal,
  matchesRequiredNodeAffinity,
  type Node,
  type Pod,
  type PodSpec,
  type Toleration,
  untoleratedTaint,
} from '../../api/index.ts';
import { countOf } from '../deployment/scaling.ts';
import { isPodAvailable, timeOf } from '../framework/index.ts';

export const hashLabel = 'controller-revision-hash';

const daemonTolerations: readonly Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
];

/** A daemon's pod stays through its node's troubles. */
export function withDaemonTolerations(spec: PodSpec): PodSpec {
  const given = spec.tolerations ?? [];
  const added: Toleration[] = [...daemonTolerations];
  if (spec.hostNetwork) added.push({ key: 'node.kubernetes.io/network-unavailable', operator: 'Exists', effect: 'NoSchedule' });
  const missing = added.filter((a) => !given.some((g) => g.key === a.key && g.operator === a.operator && g.effect === a.effect));
  return { ...spec, tolerations: [...given, ...missing] };
}

/** The same spec, for this node alone: the scheduler binds it there (matchFields on metadata.name, in every term). */
export function pinnedToNode(spec: PodSpec, nodeName: string): PodSpec {
  const matchFields = [{ key: 'metadata.name', operator: 'In' as const, values: [nodeName] }];
  const { affinity } = spec;
  // A node selector term's fields replace what the template had: metadata.name is the only field there is.
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const nodeSelectorTerms = terms.length > 0 ? terms.map((term) => ({ ...term, matchFields })) : [{ matchFields }];
  const nodeAffinity = { ...affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } };
  return { ...spec, affinity: { ...affinity, nodeAffinity } };
}

/** The node that a daemon's pod is on, or is pinned to. */
export function nodeOf(pod: Pod): string {
  if (pod.spec.nodeName) return pod.spec.nodeName;
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  for (const term of terms) for (const field of term.matchFields ?? []) if (field.key === 'metadata.name') return field.values?.[0] ?? '';
  return '';
}

/** Whether a pod should be put on the node, and whether one that is there may stay. */
export function fitsNode(daemonSet: DaemonSet, node: Node): { run: boolean; stay: boolean } {
  const spec = withDaemonTolerations(daemonSet.spec.template.spec);
  if (spec.nodeName && spec.nodeName !== node.metadata.name) return { run: false, stay: false };
  if (!matchesRequiredNodeAffinity(spec, node.metadata.name, node.metadata.labels ?? {})) return { run: false, stay: false };
  const keepsAway = (effect: string) =>
    untoleratedTaint(
      (node.spec?.taints ?? []).filter((taint) => taint.effect === effect),
      spec.tolerations,
    ) !== undefined;
  if (keepsAway('NoExecute')) return { run: false, stay: false };
  return { run: !keepsAway('NoSchedule'), stay: true };
}

export interface DaemonPlan {
  /** Names of nodes that get a pod. */
  create: string[];
  remove: Pod[];
  /** Of `remove`, those that have ended: they are said so, and those that have failed go with growing delays. */
  ended: Pod[];
}

/** Bound ones first, then the oldest. */
const byCreation = (a: Pod, b: Pod) =>
  Number(Boolean(b.spec.nodeName)) - Number(Boolean(a.spec.nodeName)) ||
  timeOf(a.metadata.creationTimestamp) - timeOf(b.metadata.creationTimestamp) ||
  (a.metadata.name < b.metadata.name ? -1 : 1);

/** The pods by node; one that has ended and is being deleted is in nobody's way. */
export function groupByNode(pods: readonly Pod[]): Map<string, Pod[]> {
  const groups = new Map<string, Pod[]>();
  for (const pod of pods) {
    if (isPodTerminal(pod) && pod.metadata.deletionTimestamp) continue;
    const node = nodeOf(pod);
    const group = groups.get(node);
    if (group) group.push(pod);
    else groups.set(node, [pod]);
  }
  return groups;
}

const isUpdated = (pod: Pod, hash: string) => pod.metadata.labels?.[hashLabel] === hash;

/** One pod on each node that should have one, none elsewhere. */
export function planDaemons(daemonSet: DaemonSet, nodes: readonly Node[], pods: readonly Pod[], hash: string, nowMs: number): DaemonPlan {
  const plan: DaemonPlan = { create: [], remove: [], ended: [] };
  const groups = groupByNode(pods);
  const surge = limits(daemonSet, 1).surge > 0;
  for (const node of nodes) {
    const { run, stay } = fitsNode(daemonSet, node);
    const here = (groups.get(node.metadata.name) ?? []).filter((pod) => !pod.metadata.deletionTimestamp);
    const anyLeft = (groups.get(node.metadata.name) ?? []).length > 0;
    if (!stay) plan.remove.push(...here);
    else if (!anyLeft) {
      if (run) plan.create.push(node.metadata.name);
    } else {
      const finished = here.filter(isPodTerminal);
      plan.ended.push(...finished);
      plan.remove.push(...finished);
      const alive = here.filter((pod) => !isPodTerminal(pod)).sort(byCreation);
      if (!surge) plan.remove.push(...alive.slice(1));
      else {
        const old = alive.filter((pod) => !isUpdated(pod, hash));
        const updated = alive.filter((pod) => isUpdated(pod, hash));
        plan.remove.push(...old.slice(1), ...updated.slice(1));
        // The old pod stays, as long as it is of use, until the new one can take its place.
        const [[before], [after]] = [old, updated];
        const replaced = after && isPodAvailable(after, daemonSet.spec.minReadySeconds ?? 0, nowMs);
        if (before && after && (replaced || !isPodReady(before))) plan.remove.push(before);
      }
    }
  }
  return plan;
}

/** Pods of nodes that are gone; the pod garbage collector removes those that are bound. */
export function strayPods(nodes: ReadonlySet<string>, pods: readonly Pod[]): Pod[] {
  return pods.filter((pod) => !pod.spec.nodeName && !pod.metadata.deletionTimestamp && nodeOf(pod) !== '' && !nodes.has(nodeOf(pod)));
}

function limits(daemonSet: DaemonSet, desired: number): { unavailable: number; surge: number } {
  const rolling = daemonSet.spec.updateStrategy?.rollingUpdate;
  const surge = countOf(rolling?.maxSurge, desired, Math.ceil, 0);
  const unavailable = countOf(rolling?.maxUnavailable, desired, Math.ceil, surge > 0 ? 0 : 1);
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

/** The next step of a rolling update: old pods to remove, or nodes to put a new pod on beside the old. */
export function planRollingUpdate(
  daemonSet: DaemonSet,
  nodes: readonly Node[],
  pods: readonly Pod[],
  hash: string,
  nowMs: number,
): Omit<DaemonPlan, 'ended'> {
  const isAvailable = (pod: Pod) => isPodAvailable(pod, daemonSet.spec.minReadySeconds ?? 0, nowMs);
  const wanted = nodes.filter((node) => fitsNode(daemonSet, node).run).map((node) => node.metadata.name);
  const { surge, unavailable } = limits(daemonSet, wanted.length);
  const groups = groupByNode(pods);
  // Pods that merely may stay on their node are updated, too, though it gets none anew.
  const places = new Set([...wanted, ...groups.keys()]);
  const [urgent, calm]: [string[], string[]] = [[], []];
  const [useless, useful]: [Pod[], Pod[]] = [[], []];
  const replaced: Pod[] = [];
  let lacking = 0;
  let surging = 0;
  for (const name of places) {
    const here = (groups.get(name) ?? []).filter((pod) => !pod.metadata.deletionTimestamp);
    const outdated = here.filter((pod) => !isUpdated(pod, hash));
    const current = here.filter((pod) => isUpdated(pod, hash));
    const [[old], [updated]] = [outdated, current];
    // Too many at one place: that is put right first, and until then nothing is counted on there.
    const crowded = outdated.length > 1 || current.length > 1;
    if (surge > 0) {
      if (crowded) surging++;
      else if (old && !updated) (isAvailable(old) ? calm : urgent).push(name);
      else if (old && updated) {
        if (isAvailable(updated)) replaced.push(old);
        else surging++;
      }
    } else if (crowded || (old && updated) || (!old && !updated)) lacking++;
    else if (updated) lacking += Number(!isAvailable(updated));
    else if (old && isAvailable(old)) useful.push(old);
    else if (old) {
      // It goes without waiting for its turn.
      useless.push(old);
      lacking++;
    }
  }
  if (surge > 0) return { create: [...urgent, ...calm.slice(0, Math.max(0, surge - surging))], remove: replaced };
  return { create: [], remove: [...useless, ...useful.slice(0, Math.max(0, unavailable - lacking))] };
}

export function daemonStatus(
  daemonSet: DaemonSet,
  nodes: readonly Node[],
  pods: readonly Pod[],
  hash: string,
  nowMs: number,
): DaemonSetStatus {
  const groups = groupByNode(pods);
  const minReady = daemonSet.spec.minReadySeconds ?? 0;
  const count = { desired: 0, current: 0, misscheduled: 0, ready: 0, updated: 0, available: 0 };
  for (const node of nodes) {
    const here = groups.get(node.metadata.name) ?? [];
    if (!fitsNode(daemonSet, node).run) {
      if (here.length > 0) count.misscheduled++;
      continue;
    }
    count.desired++;
    const [oldest] = [...here].sort(byCreation);
    if (!oldest) continue;
    count.current++;
    if (isPodReady(oldest)) count.ready++;
    if (isPodAvailable(oldest, minReady, nowMs)) count.available++;
    if (isUpdated(oldest, hash)) count.updated++;
  }
  const previous = daemonSet.status;
  return {
    currentNumberScheduled: count.current,
    numberMisscheduled: count.misscheduled,
    desiredNumberScheduled: count.desired,
    numberReady: count.ready,
    observedGeneration: daemonSet.metadata.generation ?? 0,
    ...(count.updated ? { updatedNumberScheduled: count.updated } : {}),
    ...(count.available ? { numberAvailable: count.available } : {}),
    ...(count.desired > count.available ? { numberUnavailable: count.desired - count.available } : {}),
    ...(previous?.collisionCount === undefined ? {} : { collisionCount: previous.collisionCount }),
    ...(previous?.conditions ? { conditions: previous.conditions } : {}),
  };
}
