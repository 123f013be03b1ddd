/** Whether this node takes a pod that was bound to it (the scheduler may have seen an older state, or not been asked). */
import { compareQuantities, type Node, type Pod, podRequests, type ResourceList, tryParseQuantity, zeroQuantity } from '../../api/index.ts';

export interface Rejection {
  reason: string;
  message: string;
}

/** `others`: pods that this node runs already. Undefined: the pod is welcome. */
export function admitPod(pod: Pod, others: readonly Pod[], node: Pick<Node, 'metadata'>, allocatable: ResourceList): Rejection | undefined {
  for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {})) {
    if (node.metadata.labels?.[key] === value) continue;
    return {
      reason: 'NodeAffinity',
      message: "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    };
  }
  const limit = Number(allocatable.pods ?? Number.POSITIVE_INFINITY);
  if (others.length + 1 > limit) return outOf('pods', 1, others.length, limit);
  const requested = podRequests(pod.spec);
  for (const [name, amount] of requested) {
    if (amount.nano === 0n) continue;
    const capacity = tryParseQuantity(allocatable[name] ?? '0') ?? zeroQuantity;
    const used = others.reduce((sum, other) => sum + (podRequests(other.spec).get(name)?.nano ?? 0n), 0n);
    if (compareQuantities({ nano: used + amount.nano, format: 'DecimalSI' }, capacity) <= 0) continue;
    const unit = name === 'cpu' ? 1_000_000n : 1_000_000_000n;
    return outOf(name, Number(amount.nano / unit), Number(used / unit), Number(capacity.nano / unit));
  }
  return undefined;
}

function outOf(resource: string, requested: number, used: number, capacity: number): Rejection {
  return {
    reason: `OutOf${resource}`,
    message: `Pod was rejected: Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  };
}
