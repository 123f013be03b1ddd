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

/**
 * The order in which pods go when there are too many (ActivePodsWithRanks): unassigned before assigned, pending before running,
 * not ready before ready, cheaper pod-deletion-cost first, more related pods on their node first, ready for a shorter time
 * first, more restarts first, younger first. Times count by their order of magnitude (LogarithmicScaleDown).
 */
export function compareForDeletion(nowMs: number, rank: (pod: Pod) => number): (a: Pod, b: Pod) => number {
  const magnitude = (ms: number) => Math.floor(Math.log2(Math.max(1, (nowMs - ms) / 1e-6)));
  const readySince = (pod: Pod) => timeOf(readyCondition(pod)?.lastTransitionTime);
  const created = (pod: Pod) => timeOf(pod.metadata.creationTimestamp);
  return (a, b) => {
    const bothReady = isPodReady(a) && isPodReady(b);
    return (
      Number(Boolean(a.spec.nodeName)) - Number(Boolean(b.spec.nodeName)) ||
      (phaseRank[a.status?.phase ?? 'Pending'] ?? 0) - (phaseRank[b.status?.phase ?? 'Pending'] ?? 0) ||
      Number(isPodReady(a)) - Number(isPodReady(b)) ||
      deletionCost(a) - deletionCost(b) ||
      rank(b) - rank(a) ||
      (bothReady ? magnitude(readySince(a)) - magnitude(readySince(b)) : 0) ||
      restarts(b) - restarts(a) ||
      magnitude(created(a)) - magnitude(created(b)) ||
      (a.metadata.uid < b.metadata.uid ? -1 : 1)
    );
  };
}

function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'];
  return text && /^-?\d+$/.test(text) ? Number(text) : 0;
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
