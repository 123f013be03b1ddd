/** Deployments: a replica set for each revision of the template, and an orderly change from one to the next. */
import type { Deployment, DeploymentCondition, ReplicaSet } from '../../api/index.ts';
import {
  Deployment as DeploymentResource,
  hasReason,
  Pod,
  ReplicaSet as ReplicaSetResource,
  selectorFromObject,
  semanticEqual,
} from '../../api/index.ts';
import { controllerOf, controllerRef, isControlledBy, keyOf } from '../../client/index.ts';
import { timestamp } from '../../time/index.ts';
import {
  claim,
  conditionOf,
  controlledBy,
  defineController,
  indexByController,
  isNamespaceTerminating,
  messageOf,
  templateHash,
} from '../framework/index.ts';
import {
  hashLabel,
  newReplicaSet,
  newReplicaSetAnnotations,
  nextRevision,
  oldPodsRunning,
  revisionAnnotation,
  sizeAnnotations,
  surplusHistory,
} from './revisions.ts';
import { rollback } from './rollback.ts';
import { isScalingEvent, maxReplicas, newReplicas, type Scale, scaleDownOld, scaleInProportion } from './scaling.ts';
import { countStatus, deadlineMs, isComplete, type Now, progressNote, rolloutStatus } from './status.ts';

/** A reconcile's working state: the Deployment and its replica sets as they are after its own writes. */
interface Rollout {
  deployment: Deployment;
  sets: ReplicaSet[];
  signal: AbortSignal;
}

export const deploymentController = defineController('deployment-controller', ({ client, clock, informers, recorder }, queue) => {
  const deployments = informers.for(DeploymentResource);
  const replicaSets = informers.for(ReplicaSetResource);
  const pods = informers.for(Pod);
  indexByController(replicaSets);
  indexByController(pods);
  const events = recorder('deployment-controller');
  const now = (): Now => ({ ms: clock.now(), text: timestamp(clock) });

  const enqueueOwner = (set: ReplicaSet): void => {
    const reference = controllerOf(set);
    if (reference?.kind === 'Deployment') queue.add(keyOf({ metadata: { ...set.metadata, name: reference.name } }));
    else if (!reference) {
      for (const d of deployments.lister.list(set.metadata.namespace)) {
        if (selectorFromObject(d.spec.selector).matches(set.metadata.labels)) queue.add(keyOf(d));
      }
    }
  };
  deployments.addHandler({ add: (d) => queue.add(keyOf(d)), update: (d) => queue.add(keyOf(d)), delete: (d) => queue.add(keyOf(d)) });
  replicaSets.addHandler({
    add: enqueueOwner,
    update: (set, previous) => {
      if (controllerOf(previous)?.uid !== controllerOf(set)?.uid) enqueueOwner(previous);
      enqueueOwner(set);
    },
    delete: enqueueOwner,
  });
  // Recreate waits for the last pod of the old replica sets to go.
  pods.addHandler({
    delete(pod) {
      const owner = controllerOf(pod);
      const set = owner?.kind === 'ReplicaSet' ? replicaSets.lister.get(owner.name, pod.metadata.namespace) : undefined;
      if (set) enqueueOwner(set);
    },
  });

  const put = (rollout: Rollout, set: ReplicaSet): void => {
    const at = rollout.sets.findIndex((s) => s.metadata.uid === set.metadata.uid);
    if (at < 0) rollout.sets.push(set);
    else rollout.sets[at] = set;
  };
  const old = (rollout: Rollout, current: ReplicaSet | undefined) => rollout.sets.filter((s) => s.metadata.uid !== current?.metadata.uid);

  const writeConditions = async (rollout: Rollout, conditions: DeploymentCondition[] | undefined): Promise<void> => {
    if (!conditions) return;
    const status = { ...rollout.deployment.status, conditions };
    rollout.deployment = await client.updateStatus(DeploymentResource, { ...rollout.deployment, status }, { signal: rollout.signal });
  };

  /** Scales a replica set and keeps its size annotations right, with an event where its size changes. */
  const scale = async (rollout: Rollout, { set, replicas }: Scale): Promise<ReplicaSet> => {
    const { deployment, signal } = rollout;
    const present = set.spec.replicas ?? 0;
    const annotations = { ...set.metadata.annotations, ...sizeAnnotations(deployment.spec.replicas ?? 1, maxReplicas(deployment)) };
    if (replicas === present && semanticEqual(annotations, set.metadata.annotations)) return set;
    const next = { ...set, metadata: { ...set.metadata, annotations }, spec: { ...set.spec, replicas } };
    const written = await client.update(ReplicaSetResource, next, { signal });
    put(rollout, written);
    if (replicas !== present) {
      const way = replicas > present ? 'up' : 'down';
      const message = `Scaled ${way} replica set ${set.metadata.name} from ${present} to ${replicas}`;
      events.event(deployment, 'Normal', 'ScalingReplicaSet', message);
    }
    return written;
  };

  /** Gives the Deployment its new replica set's revision. */
  const noteRevision = async (rollout: Rollout, set: ReplicaSet): Promise<void> => {
    const revision = set.metadata.annotations?.[revisionAnnotation];
    const { deployment, signal } = rollout;
    if (!revision || deployment.metadata.annotations?.[revisionAnnotation] === revision) return;
    const metadata = { ...deployment.metadata, annotations: { ...deployment.metadata.annotations, [revisionAnnotation]: revision } };
    rollout.deployment = await client.update(DeploymentResource, { ...deployment, metadata }, { signal });
  };

  /** The new replica set with its annotations in order; made where there is none and `make` says so. */
  const syncNewReplicaSet = async (rollout: Rollout, make: boolean): Promise<ReplicaSet | undefined> => {
    const { deployment, signal } = rollout;
    const found = newReplicaSet(deployment, rollout.sets);
    const revision = nextRevision(old(rollout, found));
    if (!found) return make ? createReplicaSet(rollout, revision) : undefined;
    const annotations = newReplicaSetAnnotations(deployment, found.metadata.annotations, revision);
    const minReadySeconds = deployment.spec.minReadySeconds ?? 0;
    if (!semanticEqual(annotations, found.metadata.annotations) || (found.spec.minReadySeconds ?? 0) !== minReadySeconds) {
      const next = { ...found, metadata: { ...found.metadata, annotations }, spec: { ...found.spec, minReadySeconds } };
      put(rollout, await client.update(ReplicaSetResource, next, { signal }));
    }
    const current = newReplicaSet(deployment, rollout.sets) ?? found;
    await noteRevision(rollout, current);
    if (!conditionOf(rollout.deployment.status?.conditions, 'Progressing')) {
      const message = `Found new replica set "${current.metadata.name}"`;
      await writeConditions(rollout, progressNote(rollout.deployment, 'FoundNewReplicaSet', message, now()));
    }
    return current;
  };

  const createReplicaSet = async (rollout: Rollout, revision: bigint): Promise<ReplicaSet | undefined> => {
    const { deployment, signal } = rollout;
    const { namespace } = deployment.metadata;
    const { template, selector } = deployment.spec;
    const hash = templateHash(template, deployment.status?.collisionCount);
    const labels = { ...template.metadata?.labels, [hashLabel]: hash };
    const name = `${deployment.metadata.name}-${hash}`;
    const draft = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name,
        ...(namespace ? { namespace } : {}),
        labels,
        annotations: {
          ...newReplicaSetAnnotations(deployment, undefined, revision),
          ...sizeAnnotations(deployment.spec.replicas ?? 1, maxReplicas(deployment)),
        },
        ownerReferences: [controllerRef(deployment, DeploymentResource)],
      },
      spec: {
        replicas: 0,
        minReadySeconds: deployment.spec.minReadySeconds ?? 0,
        selector: { ...selector, matchLabels: { ...selector?.matchLabels, [hashLabel]: hash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    };
    const replicas = newReplicas(deployment, rollout.sets, {
      ...draft,
      metadata: { ...draft.metadata, uid: '', resourceVersion: '', creationTimestamp: '' },
    });
    draft.spec.replicas = replicas;
    let made: ReplicaSet;
    try {
      made = await client.create(ReplicaSetResource, draft, { namespace, signal });
      if (replicas > 0) events.event(deployment, 'Normal', 'ScalingReplicaSet', `Scaled up replica set ${name} from 0 to ${replicas}`);
    } catch (error) {
      if (signal.aborted) throw error;
      if (hasReason(error, 'AlreadyExists')) {
        const existing = await client.get(ReplicaSetResource, name, { namespace, signal });
        if (isControlledBy(existing, deployment) && newReplicaSet(deployment, [existing])) made = existing;
        else {
          const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 };
          await client.updateStatus(DeploymentResource, { ...deployment, status }, { signal });
          throw error;
        }
      } else {
        // A namespace that is going away takes the Deployment along.
        if (isNamespaceTerminating(error)) return undefined;
        const message = `Failed to create new replica set "${name}": ${messageOf(error)}`;
        await writeConditions(rollout, progressNote(deployment, 'ReplicaSetCreateError', message, now()));
        events.event(deployment, 'Warning', 'ReplicaSetCreateError', message);
        throw error;
      }
    }
    put(rollout, made);
    await noteRevision(rollout, made);
    await writeConditions(rollout, progressNote(rollout.deployment, 'NewReplicaSetCreated', `Created new replica set "${name}"`, now()));
    return made;
  };

  const cleanUp = async (rollout: Rollout, current: ReplicaSet | undefined): Promise<void> => {
    for (const set of surplusHistory(rollout.deployment, old(rollout, current))) {
      const { name, namespace, uid } = set.metadata;
      await client
        .delete(ReplicaSetResource, name, { namespace, preconditions: { uid }, propagationPolicy: 'Background', signal: rollout.signal })
        .catch((error: unknown) => {
          if (!hasReason(error, 'NotFound')) throw error;
        });
    }
  };

  const writeStatus = async (rollout: Rollout, status: Deployment['status']): Promise<void> => {
    if (semanticEqual(status, rollout.deployment.status)) return;
    rollout.deployment = await client.updateStatus(
      DeploymentResource,
      { ...rollout.deployment, ...(status ? { status } : {}) },
      { signal: rollout.signal },
    );
  };

  /** Paused, or a change of size in the middle of a rollout. */
  const syncSizes = async (rollout: Rollout): Promise<void> => {
    const current = await syncNewReplicaSet(rollout, false);
    for (const change of scaleInProportion(rollout.deployment, current, old(rollout, current))) await scale(rollout, change);
    if (rollout.deployment.spec.paused) await cleanUp(rollout, current);
    await writeStatus(rollout, countStatus(rollout.deployment, rollout.sets, current && byUid(rollout, current), now()));
  };

  const byUid = (rollout: Rollout, set: ReplicaSet) => rollout.sets.find((s) => s.metadata.uid === set.metadata.uid) ?? set;

  const finish = async (rollout: Rollout, current: ReplicaSet | undefined) => {
    const status = rolloutStatus(rollout.deployment, rollout.sets, current && byUid(rollout, current), now());
    if (current && isComplete(rollout.deployment, status)) await cleanUp(rollout, current);
    await writeStatus(rollout, status);
    const deadline = deadlineMs(rollout.deployment, status);
    const running =
      !isComplete(rollout.deployment, status) && conditionOf(status.conditions, 'Progressing')?.reason !== 'ProgressDeadlineExceeded';
    return deadline !== undefined && running ? { requeueAfterMs: Math.max(0, deadline - clock.now()) + 1000 } : {};
  };

  const rollingUpdate = async (rollout: Rollout) => {
    const current = await syncNewReplicaSet(rollout, true);
    if (!current) return {};
    const grown = await scale(rollout, { set: current, replicas: newReplicas(rollout.deployment, rollout.sets, current) });
    if (grown.spec.replicas === current.spec.replicas) {
      for (const change of scaleDownOld(rollout.deployment, rollout.sets, old(rollout, grown), grown)) await scale(rollout, change);
    }
    return finish(rollout, grown);
  };

  const recreate = async (rollout: Rollout) => {
    const found = await syncNewReplicaSet(rollout, false);
    const active = old(rollout, found).filter((s) => (s.spec.replicas ?? 0) > 0);
    for (const set of active) await scale(rollout, { set, replicas: 0 });
    if (active.length > 0 || oldPodsRunning((set) => controlledBy(pods, set), rollout.sets, found)) return finish(rollout, found);
    const current = await syncNewReplicaSet(rollout, true);
    if (!current) return {};
    return finish(rollout, await scale(rollout, { set: current, replicas: rollout.deployment.spec.replicas ?? 1 }));
  };

  const reconcile = async (key: string, signal: AbortSignal) => {
    const deployment = deployments.lister.getByKey(key);
    if (!deployment) return {};
    const selector = selectorFromObject(deployment.spec.selector);
    if (selector.everything) {
      events.event(deployment, 'Warning', 'SelectingAll', 'This deployment is selecting all pods. A non-empty selector is required.');
      return {};
    }
    const sets = await claim({ client, informer: replicaSets, owner: deployment, ownerResource: DeploymentResource, selector, signal });
    const rollout: Rollout = { deployment, sets, signal };
    if (deployment.metadata.deletionTimestamp) {
      await writeStatus(rollout, countStatus(deployment, sets, newReplicaSet(deployment, sets), now()));
      return {};
    }
    const progressing = conditionOf(deployment.status?.conditions, 'Progressing');
    const { paused } = deployment.spec;
    if (progressing?.reason !== 'ProgressDeadlineExceeded') {
      if (paused && progressing?.reason !== 'DeploymentPaused') {
        await writeConditions(rollout, progressNote(deployment, 'DeploymentPaused', 'Deployment is paused', now()));
      } else if (!paused && progressing?.reason === 'DeploymentPaused') {
        await writeConditions(rollout, progressNote(deployment, 'DeploymentResumed', 'Deployment is resumed', now()));
      }
    }
    if (paused) {
      await syncSizes(rollout);
      return {};
    }
    const back = rollback(rollout.deployment, sets);
    if (back) {
      const { type, reason, message } = back.event;
      await client.update(DeploymentResource, back.deployment, { signal });
      events.event(deployment, type, reason, message);
      return {};
    }
    if (isScalingEvent(deployment, sets)) {
      await syncSizes(rollout);
      return {};
    }
    return deployment.spec.strategy?.type === 'Recreate' ? recreate(rollout) : rollingUpdate(rollout);
  };

  return { informers: [deployments, replicaSets, pods], reconcile };
});
