import { isDeepStrictEqual } from 'node:util';
import type { Pod } from '../../api/index.ts';

/** Whether a change of the API's object asks for anything: what the kubelet itself wrote to its status does not. */
export function concernsKubelet(next: Pod, before: Pod): boolean {
  const { generation, labels, annotations } = next.metadata;
  const gates = (pod: Pod) =>
    (pod.spec.readinessGates ?? []).map(({ conditionType }) => pod.status?.conditions?.find((c) => c.type === conditionType)?.status);
  return (
    generation !== before.metadata.generation ||
    !isDeepStrictEqual([labels, annotations, gates(next)], [before.metadata.labels, before.metadata.annotations, gates(before)]) ||
    !isDeepStrictEqual(next.spec, before.spec)
  );
}
