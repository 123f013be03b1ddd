/** What workload controllers ask of pods, in upstream's terms (k8s.io/kubernetes/pkg/controller). */
import { isPodReady, isPodTerminal, type KubeObject, type OwnerReference, type Pod, type PodTemplateSpec } from '../../api/index.ts';

/** Milliseconds since the epoch; NaN for none. */
export const timeOf = (timestamp: string | undefined): number => (timestamp ? Date.parse(timestamp) : Number.NaN);

/** Neither finished nor being deleted. */
export function isPodActive(pod: Pod): boolean {
  return !isPodTerminal(pod) && !pod.metadata.deletionTimestamp;
}

/** Being deleted and not yet finished. */
export function isPodTerminating(pod: Pod): boolean {
  return !isPodTerminal(pod) && pod.metadata.deletionTimestamp !== undefined;
}

const readyCondition = (pod: Pod) => pod.status?.conditions?.find((c) => c.type === 'Ready');

/** Ready for at least `minReadySeconds`. */
export function isPodAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  return availableAtMs(pod, minReadySeconds) <= nowMs;
}

/** When the pod becomes available if it stays ready; Infinity while it is not ready. */
export function availableAtMs(pod: Pod, minReadySeconds: number): number {
  const ready = readyCondition(pod);
  if (ready?.status !== 'True') return Number.POSITIVE_INFINITY;
  if (minReadySeconds === 0) return 0;
  const since = timeOf(ready.lastTransitionTime);
  return Number.isNaN(since) ? Number.POSITIVE_INFINITY : since + minReadySeconds * 1000;
}

/** Milliseconds until the next of the ready pods becomes available; undefined where none is on its way. */
export function untilNextAvailable(pods: readonly Pod[], minReadySeconds: number, nowMs: number): number | undefined {
  const next = Math.min(...pods.map((pod) => availableAtMs(pod, minReadySeconds)).filter((at) => at > nowMs));
  return Number.isFinite(next) ? next - nowMs : undefined;
}

const phaseRank: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };
const restarts = (pod: Pod) => Math.max(0, ...(pod.status?.containerStatuses ?? []).map((s) => s.restartCount));
const readySince = (pod: Pod) => timeOf(readyCondition(pod)?.lastTransitionTime);
const created = (pod: Pod) => timeOf(pod.metadata.creationTimestamp);
const byUid = (a: Pod, b: Pod) => (a.metadata.uid < b.metadata.uid ? -1 : 1);

/** Unassigned before assigned, pending before running, not ready before ready. */
const byProgress = (a: Pod, b: Pod): number =>
  Number(Boolean(a.spec.nodeName)) - Number(Boolean(b.spec.nodeName)) ||
  (phaseRank[a.status?.phase ?? 'Pending'] ?? 0) - (phaseRank[b.status?.phase ?? 'Pending'] ?? 0) ||
  Number(isPodReady(a)) - Number(isPodReady(b));

/** The order in which a Job's pods go when there are too many (upstream's ActivePods): what has come the least far goes first. */
export function compareActivePods(a: Pod, b: Pod): number {
  const younger = (of: (pod: Pod) => number) => (of(b) || 0) - (of(a) || 0);
  return byProgress(a, b) || (isPodReady(a) ? younger(readySince) : 0) || restarts(b) - restarts(a) || younger(created);
}

/**
 * The order in which pods go when there are too many (ActivePodsWithRanks): those that have come the least far, cheaper
 * pod-deletion-cost first, more related pods on their node first, ready for a shorter time first, more restarts first, younger
 * first. Times that differ count by their order of magnitude, and of one magnitude the uid decides (LogarithmicScaleDown).
 * `hasCosts`: pods may say what it costs to delete them (PodDeletionCost).
 */
export function compareForDeletion(nowMs: number, rank: (pod: Pod) => number, hasCosts: boolean): (a: Pod, b: Pod) => number {
  const magnitude = (ms: number) => (nowMs > ms ? Math.floor(Math.log2((nowMs - ms) * 1e6)) : -1);
  const younger = (of: (pod: Pod) => number, a: Pod, b: Pod) => {
    const [x, y] = [of(a), of(b)];
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) return 0;
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) ? -1 : 1;
    return magnitude(x) - magnitude(y) || byUid(a, b);
  };
  return (a, b) =>
    byProgress(a, b) ||
    (hasCosts ? deletionCost(a) - deletionCost(b) : 0) ||
    rank(b) - rank(a) ||
    (isPodReady(a) ? younger(readySince, a, b) : 0) ||
    restarts(b) - restarts(a) ||
    younger(created, a, b) ||
    byUid(a, b);
}

function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'];
  return text && /^(0|-?[1-9]\d*)$/.test(text) && Math.abs(Number(text)) < 2 ** 31 ? Number(text) : 0;
}

/** A pod as the template says, named after its owner. */
export function podFromTemplate(template: PodTemplateSpec, owner: KubeObject, reference: OwnerReference) {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  // A prefix that is no valid name by itself is shortened by the server.
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${owner.metadata.name}-`,
      ...(owner.metadata.namespace ? { namespace: owner.metadata.namespace } : {}),
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...(finalizers ? { finalizers } : {}),
      ownerReferences: [reference],
    },
    spec: template.spec,
  };
}
