/** ReplicaSet and ReplicationController: as many pods of one template as are asked for. The two differ in how they spell their selector. */
import {
  isPodReady,
  type KubeObject,
  type Pod,
  Pod as PodResource,
  type PodTemplateSpec,
  type ReplicaSetStatus,
  type Resource,
  type Selector,
  semanticEqual,
} from '../api/index.ts';
import { controllerOf, controllerRef, keyOf } from '../client/index.ts';
import { timestamp } from '../time/index.ts';
import {
  type Controller,
  claim,
  compareForDeletion,
  conditionOf,
  createExpectations,
  createPodControl,
  defineController,
  indexByController,
  isNamespaceTerminating,
  isPodActive,
  isPodAvailable,
  isPodTerminating,
  messageOf,
  podFromTemplate,
  slowStart,
  untilNextAvailable,
  withCondition,
  withoutCondition,
} from './framework/index.ts';

/** Upstream's BurstReplicas: pods made or removed in one go. */
const burst = 500;

/** What the two kinds have in common. */
export interface Replicated extends KubeObject {
  spec: { replicas?: number; minReadySeconds?: number; template?: PodTemplateSpec };
  status?: ReplicaSetStatus;
}

export interface ReplicaKind<T extends Replicated> {
  /** The controller's name. */
  name: string;
  resource: Resource<T>;
  /** The source of its events. */
  component: string;
  selector(object: T): Selector;
}

/** How many pods to create, and which to delete. */
export interface ReplicaPlan {
  create: number;
  remove: Pod[];
}

/** `related` counts pods by node that do the same work: of the nodes with most of them pods go first. */
export function planReplicas(
  desired: number,
  active: readonly Pod[],
  related: readonly Pod[],
  nowMs: number,
  hasCosts = true,
): ReplicaPlan {
  const difference = desired - active.length;
  if (difference >= 0) return { create: Math.min(difference, burst), remove: [] };
  const perNode = new Map<string, number>();
  for (const pod of related) {
    const node = pod.spec.nodeName;
    if (node && isPodActive(pod)) perNode.set(node, (perNode.get(node) ?? 0) + 1);
  }
  const rank = (pod: Pod) => perNode.get(pod.spec.nodeName ?? '') ?? 0;
  return { create: 0, remove: [...active].sort(compareForDeletion(nowMs, rank, hasCosts)).slice(0, Math.min(-difference, burst)) };
}

/** The status that the pods give. `failure` is what went wrong in making or removing pods. */
export function replicaStatus(
  object: Replicated,
  active: readonly Pod[],
  terminating: readonly Pod[],
  now: { ms: number; text: string },
  failure?: { reason: 'FailedCreate' | 'FailedDelete'; message: string },
): ReplicaSetStatus {
  const minReady = object.spec.minReadySeconds ?? 0;
  const wanted = Object.entries(object.spec.template?.metadata?.labels ?? {});
  const ready = active.filter(isPodReady);
  const current = object.status?.conditions;
  const type = 'ReplicaFailure';
  const conditions = failure
    ? conditionOf(current, type)
      ? current
      : withCondition(current, { type, status: 'True', lastTransitionTime: now.text, ...failure })
    : withoutCondition(current, type);
  const full = active.filter((pod) => wanted.every(([k, v]) => pod.metadata.labels?.[k] === v)).length;
  const available = ready.filter((pod) => isPodAvailable(pod, minReady, now.ms)).length;
  return {
    replicas: active.length,
    ...(full ? { fullyLabeledReplicas: full } : {}),
    ...(ready.length ? { readyReplicas: ready.length } : {}),
    ...(available ? { availableReplicas: available } : {}),
    ...(object.kind === 'ReplicaSet' ? { terminatingReplicas: terminating.length } : {}),
    observedGeneration: object.metadata.generation ?? 0,
    ...(conditions?.length ? { conditions } : {}),
  };
}

export function replicaController<T extends Replicated>(kind: ReplicaKind<T>): Controller {
  return defineController(kind.name, ({ client, clock, config, informers, recorder }, queue) => {
    const owners = informers.for(kind.resource);
    const pods = informers.for(PodResource);
    indexByController(pods);
    indexByController(owners);
    const expectations = createExpectations(clock);
    const known = (pod: Pod) => pods.lister.getByKey(keyOf(pod))?.metadata.uid === pod.metadata.uid;
    const control = createPodControl({ client, recorder: recorder(kind.component), expectations, known });

    const enqueueOwner = (pod: Pod): void => {
      const reference = controllerOf(pod);
      if (reference) {
        if (reference.kind === kind.resource.kind) queue.add(keyOf({ metadata: { ...pod.metadata, name: reference.name } }));
        return;
      }
      if (pod.metadata.deletionTimestamp) return;
      for (const owner of owners.lister.list(pod.metadata.namespace))
        if (kind.selector(owner).matches(pod.metadata.labels)) queue.add(keyOf(owner));
    };
    owners.addHandler({
      add: (owner) => queue.add(keyOf(owner)),
      update: (owner) => queue.add(keyOf(owner)),
      delete: (owner) => {
        expectations.forget(keyOf(owner));
        queue.add(keyOf(owner));
      },
    });
    pods.addHandler({
      add(pod) {
        expectations.observe('created', pod.metadata.uid);
        if (pod.metadata.deletionTimestamp) expectations.observe('deleted', pod.metadata.uid);
        enqueueOwner(pod);
      },
      update(pod, previous) {
        if (pod.metadata.deletionTimestamp) expectations.observe('deleted', pod.metadata.uid);
        if (controllerOf(previous)?.uid !== controllerOf(pod)?.uid) enqueueOwner(previous);
        enqueueOwner(pod);
      },
      delete(pod) {
        expectations.observe('created', pod.metadata.uid);
        expectations.observe('deleted', pod.metadata.uid);
        enqueueOwner(pod);
      },
    });

    /** Pods of the replica sets that have the same controller as this one: of one Deployment. */
    const relatedPods = (owner: T, own: readonly Pod[]): readonly Pod[] => {
      const parent = controllerOf(owner)?.uid;
      if (!parent) return own;
      return owners.lister
        .byIndex('controller-uid', parent)
        .flatMap((sibling) => pods.lister.byIndex('controller-uid', sibling.metadata.uid));
    };

    const apply = async (owner: T, plan: ReplicaPlan, signal: AbortSignal): Promise<void> => {
      const { template } = owner.spec;
      if (plan.create > 0 && template) {
        const draft = podFromTemplate(template, owner, controllerRef(owner, kind.resource));
        await slowStart(plan.create, async () => void (await control.create(owner, draft, signal)));
      }
      const results = await Promise.allSettled(plan.remove.map((pod) => control.delete(owner, pod, signal)));
      const failed = results.find((r) => r.status === 'rejected');
      if (failed) throw failed.reason;
    };

    const reconcile = async (key: string, signal: AbortSignal) => {
      const owner = owners.lister.getByKey(key);
      if (!owner) return;
      const mayAct = expectations.satisfied(key);
      const selector = kind.selector(owner);
      const claimed = await claim({
        client,
        informer: pods,
        owner,
        ownerResource: kind.resource,
        selector,
        adoptable: isPodActive,
        releasable: isPodActive,
        signal,
      });
      const active = claimed.filter(isPodActive);
      let failure: Parameters<typeof replicaStatus>[4];
      let thrown: unknown;
      if (mayAct && !owner.metadata.deletionTimestamp) {
        const plan = planReplicas(owner.spec.replicas ?? 1, active, relatedPods(owner, claimed), clock.now(), config.podDeletionCost);
        try {
          await apply(owner, plan, signal);
        } catch (error) {
          if (signal.aborted) throw error;
          failure = { reason: plan.create > 0 ? 'FailedCreate' : 'FailedDelete', message: messageOf(error) };
          if (!isNamespaceTerminating(error)) thrown = error;
        }
      }
      const now = { ms: clock.now(), text: timestamp(clock) };
      const status = replicaStatus(owner, active, claimed.filter(isPodTerminating), now, failure);
      if (!semanticEqual(status, owner.status)) await client.updateStatus(kind.resource, { ...owner, status }, { signal });
      if (thrown) throw thrown;
      const wait = untilNextAvailable(active, owner.spec.minReadySeconds ?? 0, now.ms);
      return wait === undefined ? {} : { requeueAfterMs: wait };
    };

    return { informers: [owners, pods], reconcile };
  });
}
