/** The next steps for a StatefulSet's pods: in order and one at a time, or all at once where the set is Parallel. */
import { isPodReady, isPodTerminal, type Pod, type StatefulSet, type StatefulSetStatus } from '../../api/index.ts';
import { countOf } from '../deployment/scaling.ts';
import { isPodAvailable } from '../framework/index.ts';
import { hasIdentity, ordinalOf, revisionLabel, startOf } from './identity.ts';

export type Step =
  | { do: 'create'; ordinal: number; revision: string }
  | { do: 'repair'; pod: Pod }
  /** Makes claims that the pod waits for. */
  | { do: 'claim'; pod: Pod }
  | { do: 'delete'; pod: Pod; why?: 'RecreatingFailedPod' | 'RecreatingTerminatedPod' };

export interface Revisions {
  /** Name of the revision that pods are updated from. */
  current: string;
  /** Name of the revision of the present template. */
  update: string;
}

const revisionOf = (pod: Pod) => pod.metadata.labels?.[revisionLabel];
const isRunningAndReady = (pod: Pod) => pod.status?.phase === 'Running' && isPodReady(pod);

/** The revision that a pod of this ordinal is made with. */
function revisionFor(set: StatefulSet, revisions: Revisions, ordinal: number): string {
  const { type = 'RollingUpdate', rollingUpdate } = set.spec.updateStrategy ?? {};
  const kept = type === 'RollingUpdate' && ordinal < startOf(set) + (rollingUpdate?.partition ?? 0);
  return kept ? revisions.current : revisions.update;
}

const isWell = (set: StatefulSet, nowMs: number) => (pod: Pod) =>
  isRunningAndReady(pod) && isPodAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs);

/** How many pods may be unavailable while the set is updated, and how many of its own are. */
export function updateBudget(set: StatefulSet, pods: readonly Pod[], nowMs: number): { maxUnavailable: number; unavailable: number } {
  const [first, replicas] = [startOf(set), set.spec.replicas ?? 1];
  const isAvailable = isWell(set, nowMs);
  const members = pods.filter((pod) => ordinalOf(pod) >= first && ordinalOf(pod) < first + replicas);
  return {
    maxUnavailable: Math.max(1, countOf(set.spec.updateStrategy?.rollingUpdate?.maxUnavailable, replicas, Math.floor, 1)),
    unavailable: members.filter((pod) => pod.metadata.deletionTimestamp !== undefined || !isAvailable(pod)).length,
  };
}

export function planPods(set: StatefulSet, revisions: Revisions, pods: readonly Pod[], nowMs: number): Step[] {
  const first = startOf(set);
  const end = first + (set.spec.replicas ?? 1);
  const inOrder = set.spec.podManagementPolicy !== 'Parallel';
  const isAvailable = isWell(set, nowMs);
  const byOrdinal = new Map(pods.map((pod) => [ordinalOf(pod), pod]));
  const surplus = pods.filter((pod) => ordinalOf(pod) < first || ordinalOf(pod) >= end).sort((a, b) => ordinalOf(b) - ordinalOf(a));
  const steps: Step[] = [];

  for (let ordinal = first; ordinal < end; ordinal++) {
    const pod = byOrdinal.get(ordinal);
    if (!pod) steps.push({ do: 'create', ordinal, revision: revisionFor(set, revisions, ordinal) });
    else if (isPodTerminal(pod)) {
      // Once it is being deleted, its going is all there is to wait for.
      const why = pod.status?.phase === 'Failed' ? 'RecreatingFailedPod' : 'RecreatingTerminatedPod';
      if (!pod.metadata.deletionTimestamp) steps.push({ do: 'delete', pod, why });
      if (inOrder) return steps;
    } else if (pod.status?.phase === 'Pending' && set.spec.volumeClaimTemplates?.length && hasIdentity(set, pod))
      steps.push({ do: 'claim', pod });
    else if (!pod.metadata.deletionTimestamp && !hasIdentity(set, pod)) steps.push({ do: 'repair', pod });
    if (inOrder && (!pod || pod.metadata.deletionTimestamp || !isAvailable(pod))) return steps;
  }

  // From the highest ordinal down; in order only while all others are well, but for the first that is not.
  const members = pods.filter((pod) => !surplus.includes(pod)).sort((a, b) => ordinalOf(a) - ordinalOf(b));
  const unwell = [...members, ...[...surplus].reverse()].find((pod) => !isRunningAndReady(pod) || pod.metadata.deletionTimestamp);
  for (const pod of surplus) {
    if (pod.metadata.deletionTimestamp) {
      if (inOrder) return steps;
      continue;
    }
    if (inOrder && !isAvailable(pod) && pod !== unwell) return steps;
    steps.push({ do: 'delete', pod });
    if (inOrder) return steps;
  }

  const { type = 'RollingUpdate', rollingUpdate } = set.spec.updateStrategy ?? {};
  if (type === 'OnDelete' || steps.some((step) => step.do !== 'claim')) return steps;
  const { maxUnavailable, unavailable } = updateBudget(set, pods, nowMs);
  const isUnavailable = (pod: Pod) => pod.metadata.deletionTimestamp !== undefined || !isAvailable(pod);
  const least = first + (rollingUpdate?.partition ?? 0);
  const outdated = members
    .filter((pod) => ordinalOf(pod) >= least && revisionOf(pod) !== revisions.update && !pod.metadata.deletionTimestamp)
    .reverse();
  // Those that are unavailable anyway cost nothing to replace.
  const useless = outdated.filter(isUnavailable);
  const budget = Math.max(0, maxUnavailable - unavailable);
  const others = outdated.filter((pod) => !isUnavailable(pod)).slice(0, budget);
  return [...steps, ...[...useless, ...others].map((pod) => ({ do: 'delete' as const, pod }))];
}

export function statefulSetStatus(set: StatefulSet, revisions: Revisions, pods: readonly Pod[], nowMs: number): StatefulSetStatus {
  const minReady = set.spec.minReadySeconds ?? 0;
  const alive = pods.filter((pod) => !pod.metadata.deletionTimestamp);
  const ofRevision = (name: string) => alive.filter((pod) => revisionOf(pod) === name).length;
  const ready = pods.filter(isRunningAndReady);
  const desired = set.spec.replicas ?? 1;
  const updated = ofRevision(revisions.update);
  const done =
    set.spec.updateStrategy?.type !== 'OnDelete' &&
    updated === desired &&
    pods.length === desired &&
    ready.filter((pod) => revisionOf(pod) === revisions.update).length === desired;
  const current = done ? revisions.update : revisions.current;
  const currentReplicas = ofRevision(current);
  return {
    observedGeneration: set.metadata.generation ?? 0,
    replicas: pods.length,
    ...(ready.length ? { readyReplicas: ready.length } : {}),
    ...(currentReplicas ? { currentReplicas } : {}),
    ...(updated ? { updatedReplicas: updated } : {}),
    currentRevision: current,
    updateRevision: revisions.update,
    collisionCount: set.status?.collisionCount ?? 0,
    availableReplicas: ready.filter((pod) => isPodAvailable(pod, minReady, nowMs)).length,
    ...(set.status?.conditions ? { conditions: set.status.conditions } : {}),
  };
}
