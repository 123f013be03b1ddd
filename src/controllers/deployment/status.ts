/** A Deployment's status and what its conditions say of a rollout's progress. */
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../../api/index.ts';
import { conditionOf, timeOf, withCondition, withoutCondition } from '../framework/index.ts';
import { replicasOf } from './revisions.ts';
import { rollingLimits } from './scaling.ts';

export interface Now {
  ms: number;
  /** RFC 3339. */
  text: string;
}

const sum = (sets: readonly ReplicaSet[], of: (set: ReplicaSet) => number | undefined) => sets.reduce((n, set) => n + (of(set) ?? 0), 0);

/** No progress deadline is the largest int32 (upstream's MaxInt32). */
export function hasProgressDeadline(deployment: Deployment): boolean {
  const seconds = deployment.spec.progressDeadlineSeconds;
  return seconds !== undefined && seconds < 2 ** 31 - 1;
}

export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const desired = deployment.spec.replicas ?? 1;
  return (
    (status.updatedReplicas ?? 0) === desired &&
    (status.replicas ?? 0) === desired &&
    (status.availableReplicas ?? 0) === desired &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function isProgressing(deployment: Deployment, next: DeploymentStatus): boolean {
  const was = deployment.status ?? {};
  const old = (s: DeploymentStatus) => (s.replicas ?? 0) - (s.updatedReplicas ?? 0);
  return (
    (next.updatedReplicas ?? 0) > (was.updatedReplicas ?? 0) ||
    old(next) < old(was) ||
    (next.readyReplicas ?? 0) > (was.readyReplicas ?? 0) ||
    (next.availableReplicas ?? 0) > (was.availableReplicas ?? 0)
  );
}

/** When the rollout's time is up: counted from the last sign of progress. Undefined where no deadline runs. */
export function deadlineMs(deployment: Deployment, status: DeploymentStatus): number | undefined {
  if (!hasProgressDeadline(deployment)) return undefined;
  const progressing = conditionOf(status.conditions, 'Progressing');
  if (!progressing || progressing.reason === 'NewReplicaSetAvailable') return undefined;
  return timeOf(progressing.lastUpdateTime) + (deployment.spec.progressDeadlineSeconds ?? 0) * 1000;
}

export function countStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
  now: Now,
): DeploymentStatus {
  const available = sum(all, (set) => set.status?.availableReplicas);
  const total = replicasOf(all);
  const unavailable = Math.max(0, total - available);
  const desired = deployment.spec.replicas ?? 1;
  const enough = available >= desired - rollingLimits(deployment).unavailable;
  const previous = deployment.status;
  const terminating = sum(all, (set) => set.status?.terminatingReplicas);
  const availability = condition(
    'Available',
    enough ? 'True' : 'False',
    enough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    enough ? 'Deployment has minimum availability.' : 'Deployment does not have minimum availability.',
    now,
  );
  return {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: sum(all, (set) => set.status?.replicas),
    updatedReplicas: sum(current ? [current] : [], (set) => set.status?.replicas),
    readyReplicas: sum(all, (set) => set.status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: unavailable,
    terminatingReplicas: terminating,
    ...(previous?.collisionCount ? { collisionCount: previous.collisionCount } : {}),
    conditions: withCondition(previous?.conditions, availability),
  };
}

/** The status at the end of a reconcile, with the Progressing and ReplicaFailure conditions. */
export function rolloutStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
  now: Now,
): DeploymentStatus {
  const status = countStatus(deployment, all, current, now);
  const subject = current ? `ReplicaSet "${current.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
  if (!hasProgressDeadline(deployment)) status.conditions = withoutCondition(status.conditions, 'Progressing');
  else {
    const present = conditionOf(status.conditions, 'Progressing');
    const finished = status.replicas === status.updatedReplicas && present?.reason === 'NewReplicaSetAvailable';
    if (!finished) {
      if (isComplete(deployment, status)) {
        const done = condition('Progressing', 'True', 'NewReplicaSetAvailable', `${subject} has successfully progressed.`, now);
        status.conditions = withCondition(status.conditions, done);
      } else if (isProgressing(deployment, status)) {
        const moving = condition('Progressing', 'True', 'ReplicaSetUpdated', `${subject} is progressing.`, now);
        // Each sign of progress starts the deadline's time over, so the condition is written anew even where only its time changes.
        const since = present?.status === 'True' ? present.lastTransitionTime : moving.lastTransitionTime;
        status.conditions = [
          ...withoutCondition(status.conditions, 'Progressing'),
          { ...moving, ...(since ? { lastTransitionTime: since } : {}) },
        ];
      } else if (timedOut(deployment, status, now)) {
        const late = condition('Progressing', 'False', 'ProgressDeadlineExceeded', `${subject} has timed out progressing.`, now);
        status.conditions = withCondition(status.conditions, late);
      }
    }
  }
  const failure = [...(current ? [current] : []), ...all]
    .map((set) => conditionOf(set.status?.conditions, 'ReplicaFailure'))
    .find((c) => c !== undefined);
  status.conditions = withoutCondition(status.conditions, 'ReplicaFailure');
  if (failure) {
    const { reason = '', message = '', lastTransitionTime = now.text } = failure;
    const kept = conditionOf(deployment.status?.conditions, 'ReplicaFailure');
    const made = {
      type: 'ReplicaFailure',
      status: failure.status,
      reason,
      message,
      lastTransitionTime,
      lastUpdateTime: lastTransitionTime,
    };
    status.conditions.push(kept?.reason === reason && kept.status === failure.status ? kept : made);
  }
  return status;
}

/** Whether a rollout that has begun and is not paused has shown no progress for too long. */
function timedOut(deployment: Deployment, status: DeploymentStatus, now: Now): boolean {
  const present = conditionOf(status.conditions, 'Progressing');
  if (!present || deployment.spec.paused) return false;
  if (present.reason === 'ProgressDeadlineExceeded') return true;
  const deadline = deadlineMs(deployment, status);
  return deadline !== undefined && deadline < now.ms;
}

/** The Progressing condition that pausing, resuming, finding or making the new replica set gives; undefined for no change. */
export function progressNote(deployment: Deployment, reason: string, message: string, now: Now): DeploymentCondition[] | undefined {
  if (!hasProgressDeadline(deployment)) return undefined;
  const status =
    reason === 'DeploymentPaused' || reason === 'DeploymentResumed' ? 'Unknown' : reason === 'ReplicaSetCreateError' ? 'False' : 'True';
  const present = conditionOf(deployment.status?.conditions, 'Progressing');
  if (present?.reason === reason && present.status === status) return undefined;
  return withCondition(deployment.status?.conditions, condition('Progressing', status, reason, message, now));
}

function condition(type: string, status: string, reason: string, message: string, now: Now): DeploymentCondition {
  return { type, status, reason, message, lastUpdateTime: now.text, lastTransitionTime: now.text };
}
