/** How many replicas each replica set of a Deployment should have, by upstream's arithmetic. */
import type { Deployment, ReplicaSet } from '../../api/index.ts';
import { desiredReplicasAnnotation, maxReplicasAnnotation, oldestFirst, replicasOf } from './revisions.ts';

/** A replica set and the number that it should have. */
export interface Scale {
  set: ReplicaSet;
  replicas: number;
}

/** A count, or a share of `total` rounded up or down. */
export function countOf(
  value: number | string | undefined,
  total: number,
  round: (n: number) => number,
  fallback: number | string,
): number {
  const given = value ?? fallback;
  if (typeof given === 'number') return given;
  const percent = /^(\d+)%$/.exec(given)?.[1];
  return percent === undefined ? 0 : round((Number(percent) * total) / 100);
}

/** The surge and the unavailability that a rolling update may have; never both zero, or it could not move. */
export function rollingLimits(deployment: Deployment): { surge: number; unavailable: number } {
  if (deployment.spec.strategy?.type === 'Recreate') return { surge: 0, unavailable: 0 };
  const replicas = deployment.spec.replicas ?? 1;
  const rolling = deployment.spec.strategy?.rollingUpdate;
  const surge = countOf(rolling?.maxSurge, replicas, Math.ceil, '25%');
  const unavailable = countOf(rolling?.maxUnavailable, replicas, Math.floor, '25%');
  return { surge, unavailable: Math.min(surge === 0 && unavailable === 0 ? 1 : unavailable, replicas) };
}

export function maxReplicas(deployment: Deployment): number {
  const replicas = deployment.spec.replicas ?? 1;
  return replicas === 0 ? 0 : replicas + rollingLimits(deployment).surge;
}

/** The new replica set's size in a rolling update: as large as the surge lets it be beside what is there. */
export function newReplicas(deployment: Deployment, all: readonly ReplicaSet[], current: ReplicaSet): number {
  const desired = deployment.spec.replicas ?? 1;
  const present = current.spec.replicas ?? 0;
  if (deployment.spec.strategy?.type === 'Recreate') return desired;
  if (present > desired) return desired;
  const room = maxReplicas(deployment) - replicasOf(all);
  return room <= 0 ? present : present + Math.min(room, desired - present);
}

const availableOf = (sets: readonly ReplicaSet[]) => sets.reduce((sum, set) => sum + (set.status?.availableReplicas ?? 0), 0);

/** Old replica sets' new sizes in a rolling update: unhealthy pods first, then as many as availability lets go. */
export function scaleDownOld(deployment: Deployment, all: readonly ReplicaSet[], old: readonly ReplicaSet[], current: ReplicaSet): Scale[] {
  if (replicasOf(old) === 0) return [];
  const desired = deployment.spec.replicas ?? 1;
  const minAvailable = desired - rollingLimits(deployment).unavailable;
  const newUnavailable = (current.spec.replicas ?? 0) - (current.status?.availableReplicas ?? 0);
  let budget = replicasOf(all) - minAvailable - newUnavailable;
  if (budget <= 0) return [];

  const sizes = new Map(old.map((set) => [set, set.spec.replicas ?? 0]));
  for (const set of oldestFirst(old)) {
    const size = sizes.get(set) ?? 0;
    const unhealthy = Math.max(0, size - (set.status?.availableReplicas ?? 0));
    const removed = Math.min(budget, unhealthy);
    sizes.set(set, size - removed);
    budget -= removed;
  }

  let surplus = availableOf(all) - minAvailable;
  for (const set of oldestFirst(old)) {
    if (surplus <= 0) break;
    const size = sizes.get(set) ?? 0;
    const removed = Math.min(size, surplus);
    sizes.set(set, size - removed);
    surplus -= removed;
  }
  return [...sizes].filter(([set, replicas]) => replicas !== (set.spec.replicas ?? 0)).map(([set, replicas]) => ({ set, replicas }));
}

/** Whether the Deployment's size has changed since its replica sets were last told. */
export function isScalingEvent(deployment: Deployment, all: readonly ReplicaSet[]): boolean {
  return all.some((set) => {
    const desired = set.metadata.annotations?.[desiredReplicasAnnotation];
    return (set.spec.replicas ?? 0) > 0 && desired !== undefined && Number(desired) !== (deployment.spec.replicas ?? 1);
  });
}

/**
 * A change of size while a rollout is under way (or paused): the one active replica set takes it, or the active ones share it in
 * proportion to their sizes, so that a rollout that fails does not get all of it.
 */
export function scaleInProportion(deployment: Deployment, current: ReplicaSet | undefined, old: readonly ReplicaSet[]): Scale[] {
  const desired = deployment.spec.replicas ?? 1;
  const everybody = [...(current ? [current] : []), ...old];
  const active = everybody.filter((set) => (set.spec.replicas ?? 0) > 0);
  if (active.length <= 1) {
    const only = active[0] ?? current ?? oldestFirst(old).at(-1);
    return only && (only.spec.replicas ?? 0) !== desired ? [{ set: only, replicas: desired }] : [];
  }
  if (current && isSaturated(deployment, current)) {
    return old.filter((set) => (set.spec.replicas ?? 0) > 0).map((set) => ({ set, replicas: 0 }));
  }
  if (deployment.spec.strategy?.type === 'Recreate') return [];

  const total = replicasOf(active);
  const toAdd = (desired > 0 ? maxReplicas(deployment) : 0) - total;
  // Larger ones first; of equals the newer when growing, the older when shrinking.
  const ordered = oldestFirst(active);
  if (toAdd > 0) ordered.reverse();
  ordered.sort((a, b) => (b.spec.replicas ?? 0) - (a.spec.replicas ?? 0));
  let added = 0;
  const scales = ordered.map((set) => {
    const replicas = set.spec.replicas ?? 0;
    let share = 0;
    if (toAdd !== 0) {
      const fraction = proportion(deployment, set, toAdd);
      const left = toAdd - added;
      share = toAdd > 0 ? Math.min(fraction, left) : Math.max(fraction, left);
    }
    added += share;
    return { set, replicas: replicas + share };
  });
  const [first] = scales;
  if (first) first.replicas = Math.max(0, first.replicas + toAdd - added);
  return scales;
}

/** The replica set's part of a change, by its share of the size that the Deployment had. */
function proportion(deployment: Deployment, set: ReplicaSet, toAdd: number): number {
  const replicas = set.spec.replicas ?? 0;
  if (replicas === 0 || toAdd === 0) return 0;
  if ((deployment.spec.replicas ?? 1) === 0) return -replicas;
  const before = Number(set.metadata.annotations?.[maxReplicasAnnotation]) || (deployment.status?.replicas ?? 0);
  return before === 0 ? 0 : Math.round((replicas * maxReplicas(deployment)) / before) - replicas;
}

/** The new replica set has all that is desired, and knows it. */
function isSaturated(deployment: Deployment, set: ReplicaSet): boolean {
  const desired = deployment.spec.replicas ?? 1;
  const told = Number(set.metadata.annotations?.[desiredReplicasAnnotation] ?? Number.NaN);
  return (set.spec.replicas ?? 0) === desired && told === desired && (set.status?.availableReplicas ?? 0) === desired;
}
