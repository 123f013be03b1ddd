/** Which replica set of a Deployment is which: the new one has the Deployment's template, the others are its history. */

import type { Deployment, Pod, PodTemplateSpec, ReplicaSet } from '../../api/index.ts';
import { lastAppliedAnnotation, rollbackAnnotation, semanticEqual } from '../../api/index.ts';
import { timeOf } from '../framework/index.ts';

export const hashLabel = 'pod-template-hash';
export const revisionAnnotation = 'deployment.kubernetes.io/revision';
export const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history';
export const desiredReplicasAnnotation = 'deployment.kubernetes.io/desired-replicas';
export const maxReplicasAnnotation = 'deployment.kubernetes.io/max-replicas';
/** Upstream's maxRevHistoryLengthInChars. */
const maxHistoryChars = 2000;

/** Annotations that a Deployment does not hand down to its replica sets. */
export const ownAnnotations: ReadonlySet<string> = new Set([
  lastAppliedAnnotation,
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
  rollbackAnnotation,
]);

const byAge = (a: ReplicaSet, b: ReplicaSet) =>
  timeOf(a.metadata.creationTimestamp) - timeOf(b.metadata.creationTimestamp) || (a.metadata.name < b.metadata.name ? -1 : 1);

export const oldestFirst = (sets: readonly ReplicaSet[]): ReplicaSet[] => [...sets].sort(byAge);

export function withoutHash(template: PodTemplateSpec | undefined): unknown {
  const { [hashLabel]: _, ...labels } = template?.metadata?.labels ?? {};
  return { ...template, metadata: { ...template?.metadata, labels } };
}

/** The oldest replica set with the Deployment's template: a rare second one is history. */
export function newReplicaSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const wanted = withoutHash(deployment.spec.template);
  return oldestFirst(sets).find((set) => semanticEqual(withoutHash(set.spec.template), wanted));
}

export const replicasOf = (sets: readonly ReplicaSet[]): number => sets.reduce((sum, set) => sum + (set.spec.replicas ?? 0), 0);

/** Go's int64, which numbers do not hold; undefined for what is none. */
export function parseRevision(text: string | undefined): bigint | undefined {
  if (text === undefined || !/^[+-]?\d{1,19}$/.test(text)) return undefined;
  const value = BigInt(text);
  return value === BigInt.asIntN(64, value) ? value : undefined;
}

/** 0 where there is none that can be read. */
export const revisionOf = (object: { metadata: { annotations?: Record<string, string> } }): bigint =>
  parseRevision(object.metadata.annotations?.[revisionAnnotation]) ?? 0n;

export const compareRevisions = (a: ReplicaSet, b: ReplicaSet): number => {
  const [first, second] = [revisionOf(a), revisionOf(b)];
  return first < second ? -1 : first > second ? 1 : 0;
};

/** One more than the highest, at least 1; beyond what int64 holds it is negative, as for Go, which no replica set is given. */
export function nextRevision(sets: readonly ReplicaSet[]): bigint {
  const last = [...sets].sort(compareRevisions).at(-1);
  const highest = last ? revisionOf(last) : 0n;
  return BigInt.asIntN(64, (highest > 0n ? highest : 0n) + 1n);
}

/** The annotations of the new replica set: what the Deployment hands down, its revision, and the revisions that it had before. */
export function newReplicaSetAnnotations(
  deployment: Deployment,
  present: Record<string, string> | undefined,
  revision: bigint,
): Record<string, string> {
  const result = { ...present };
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) if (!ownAnnotations.has(key)) result[key] = value;
  const before = present?.[revisionAnnotation];
  // What somebody has written there that is no revision is theirs.
  if (before && parseRevision(before) === undefined) return result;
  if ((parseRevision(before) ?? 0n) < revision) {
    result[revisionAnnotation] = String(revision);
    const history = (present?.[revisionHistoryAnnotation] ?? '').split(',').filter((r) => r !== '');
    if (before !== undefined) {
      history.push(before);
      while (history.join(',').length > maxHistoryChars) history.shift();
      result[revisionHistoryAnnotation] = history.join(',');
    }
  }
  return result;
}

export function sizeAnnotations(desired: number, max: number): Record<string, string> {
  return { [desiredReplicasAnnotation]: String(desired), [maxReplicasAnnotation]: String(max) };
}

/** Old replica sets that go because there are more than the history limit: empty, settled ones, lowest revision first. */
export function surplusHistory(deployment: Deployment, old: readonly ReplicaSet[]): ReplicaSet[] {
  const limit = deployment.spec.revisionHistoryLimit ?? Number.POSITIVE_INFINITY;
  if (limit >= 2 ** 31 - 1) return [];
  const alive = old.filter((set) => !set.metadata.deletionTimestamp);
  const surplus = alive.length - limit;
  if (surplus <= 0) return [];
  return [...alive]
    .sort((a, b) => compareRevisions(a, b) || byAge(a, b))
    .slice(0, surplus)
    .filter((set) => settledAtZero(set));
}

const settledAtZero = ({ metadata, spec, status }: ReplicaSet): boolean =>
  (status?.replicas ?? 0) === 0 && (spec.replicas ?? 0) === 0 && (metadata.generation ?? 0) <= (status?.observedGeneration ?? 0);

/** Whether pods of the old replica sets still run: Recreate waits for them to be gone. */
export function oldPodsRunning(
  podsOf: (set: ReplicaSet) => readonly Pod[],
  all: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
): boolean {
  return all.some(
    (set) =>
      set.metadata.uid !== current?.metadata.uid &&
      podsOf(set).some((pod) => pod.status?.phase !== 'Failed' && pod.status?.phase !== 'Succeeded'),
  );
}
