/** Evicting pods with respect for their disruption budgets: POST pods/NAME/eviction (KEP-85). */
import {
  type DeleteOptions,
  errors,
  hasReason,
  type KubeObject,
  Pod,
  PodDisruptionBudget,
  type policyV1,
  policyV1beta1,
  type Resource,
  type Status,
  StatusError,
  selectorFromObject,
} from '../../api/index.ts';
import { timestamp } from '../../time/index.ts';
import { contextWith, objectAnswer } from '../exchange.ts';
import { deleteObject } from '../registry/delete.ts';
import { readDocument } from '../registry/read-body.ts';
import type { HandlerCall, SubresourceHandler } from '../registry/resource-handler.ts';
import { deleteOptionsOf } from '../registry/write-options.ts';
import type { RestDependencies } from './index.ts';

const evictionKind: Resource<policyV1.Eviction> = {
  group: 'policy',
  version: 'v1',
  kind: 'Eviction',
  plural: 'evictions',
  namespaced: true,
};
const success: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
/** As upstream says it here. */
const budgetName = { group: 'policy', plural: 'poddisruptionbudget' };
/** A budget whose controller does not keep up is not made worse. */
const maxDisruptedPods = 2000;
const unprocessedRetrySeconds = 10;
/** So often a pod that no budget counts is looked at again because it changes. */
const attempts = 20;

function tooMany(cause: string, retryAfterSeconds: number): StatusError {
  return new StatusError(429, 'TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: [{ reason: 'DisruptionBudget', message: cause }],
    ...(retryAfterSeconds > 0 ? { retryAfterSeconds } : {}),
  });
}

const isReady = (pod: Pod) => pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;

/** Pods that no budget counts: going, finished, or never started. */
const isUncounted = (pod: Pod) =>
  pod.metadata.deletionTimestamp !== undefined || ['Succeeded', 'Failed', 'Pending'].includes(pod.status?.phase ?? '');

/** A pod that is not ready may go where its budget says so, or where the others suffice. */
function isFree(pod: Pod, { spec, status }: PodDisruptionBudget): boolean {
  if (isReady(pod)) return false;
  if (spec.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

const stillProcessed = (name: string) =>
  tooMany(`The disruption budget ${name} is still being processed by the server.`, unprocessedRetrySeconds);

/** Why a budget lets nobody go: what its controller says, where its counts don't tell. */
function denial({ metadata: { name }, status = {} }: PodDisruptionBudget): string {
  const { currentHealthy = 0, desiredHealthy = 0, conditions = [] } = status;
  const denied = `The disruption budget ${name} does not allow evicting pods currently`;
  const said = conditions.find((c) => c.type === 'DisruptionAllowed' && c.status === 'False' && c.message);
  if (said?.reason === 'SyncFailed') return `${denied} because it failed sync: ${said.message}`;
  if (currentHealthy <= desiredHealthy)
    return `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  return said ? `${denied} (${said.reason}): ${said.message}` : denied;
}

/** The budget with one disruption less. Throws where none is left. */
export function spend(budget: PodDisruptionBudget, podName: string, now: string): PodDisruptionBudget {
  const { name, generation = 0 } = budget.metadata;
  const status = budget.status ?? {};
  const { disruptionsAllowed = 0, observedGeneration = 0, disruptedPods = {} } = status;
  if (observedGeneration < generation) throw stillProcessed(name);
  if (disruptionsAllowed < 0) throw errors.forbidden(budgetName, name, 'pdb disruptions allowed is negative');
  if (Object.keys(disruptedPods).length > maxDisruptedPods)
    throw errors.forbidden(budgetName, name, 'DisruptedPods map too big - too many evictions not confirmed by PDB controller');
  if (disruptionsAllowed === 0) throw tooMany(denial(budget), 0);
  const conditions =
    disruptionsAllowed === 1
      ? [
          ...(status.conditions ?? []).filter(({ type }) => type !== 'DisruptionAllowed'),
          {
            type: 'DisruptionAllowed',
            status: 'False',
            reason: 'InsufficientPods',
            message: '',
            observedGeneration,
            lastTransitionTime: now,
          },
        ]
      : status.conditions;
  return {
    ...budget,
    status: {
      ...status,
      disruptionsAllowed: disruptionsAllowed - 1,
      // The controller counts the pod as gone from here on, until it sees it go.
      disruptedPods: { ...disruptedPods, [podName]: now },
      ...(conditions === undefined ? {} : { conditions }),
    },
  };
}

async function evictionOf(call: HandlerCall): Promise<policyV1.Eviction> {
  const { value } = await readDocument(call.context, 'Eviction');
  const beta = (value as { apiVersion?: unknown } | undefined)?.apiVersion === 'policy/v1beta1';
  // Both versions have the same fields.
  const kind = beta ? { ...evictionKind, version: policyV1beta1.PodDisruptionBudget.version } : evictionKind;
  return call.body(kind);
}

async function budgetsOf({ storageOf }: RestDependencies, pod: Pod): Promise<PodDisruptionBudget[]> {
  const namespace = pod.metadata.namespace ?? '';
  const { items } = await storageOf(PodDisruptionBudget).list({ namespace });
  const matching = items.filter(
    ({ object }) => object.spec.selector && selectorFromObject(object.spec.selector).matches(pod.metadata.labels),
  );
  return matching.map(({ object }) => object);
}

/** Whether a pod is past what could make it count again. */
const isOver = ({ metadata, status }: Pod) =>
  metadata.deletionTimestamp !== undefined || ['Succeeded', 'Failed'].includes(status?.phase ?? '');

/** The pod with the condition that tells whoever made it that it did not fail by itself (KEP-3329). */
function withDisruption(pod: Pod, now: string): Pod {
  const conditions = pod.status?.conditions ?? [];
  const before = conditions.find(({ type }) => type === 'DisruptionTarget');
  const condition = {
    type: 'DisruptionTarget',
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastTransitionTime: (before?.status === 'True' && before.lastTransitionTime) || now,
  };
  return { ...pod, status: { ...pod.status, conditions: [...conditions.filter((c) => c !== before), condition] } };
}

const isPinned = ({ preconditions }: DeleteOptions) => preconditions?.resourceVersion !== undefined;
const pinnedTo = (options: DeleteOptions, resourceVersion: string | undefined): DeleteOptions => ({
  ...options,
  preconditions: { ...options.preconditions, resourceVersion },
});

/** Upstream's resource in these messages is the kind. */
const podOfMessages = { ...Pod, plural: 'Pod' };

/** Throws Conflict where the pod is not the one that the eviction is for. */
function checkPreconditions({ metadata: { name, uid, resourceVersion } }: Pod, { preconditions: asked }: DeleteOptions): void {
  if (asked?.uid && asked.uid !== uid) {
    const why = `the UID in the precondition (${asked.uid}) does not match the UID in record (${uid})`;
    throw errors.conflict(podOfMessages, name, `${why}. The object might have been deleted and then recreated`);
  }
  if (!asked?.resourceVersion || asked.resourceVersion === resourceVersion) return;
  const why = `the ResourceVersion in the precondition (${asked.resourceVersion}) does not match the ResourceVersion in record`;
  throw errors.conflict(podOfMessages, name, `${why} (${resourceVersion}). The object might have been modified`);
}

/** Notes that the pod is evicted, and deletes it. Admission was asked of the eviction, and is not asked of the deletion. */
async function end({ storageOf, clock }: RestDependencies, call: HandlerCall, options: DeleteOptions): Promise<void> {
  const { context } = call;
  const { namespace, name } = context.info;
  let deletion = options;
  if ((options.dryRun?.length ?? 0) === 0) {
    const now = timestamp(clock);
    const noted = await storageOf(Pod).update(namespace, name, {}, ({ object, revision }) => {
      checkPreconditions({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } }, options);
      return withDisruption(object, now);
    });
    if (isPinned(options)) deletion = pinnedTo(options, String(noted.revision));
  }
  const deleting = contextWith(context, { info: { ...context.info, verb: 'delete', subresource: '' } });
  await deleteObject(call.registry, deleting, call.served, namespace, name, deletion, { isAdmitted: true });
}

/** The pod, unless it could go without its budget being asked: then it has gone. Throws Conflict where it changes all the time. */
async function endUncounted(dependencies: RestDependencies, call: HandlerCall, options: DeleteOptions): Promise<Pod | undefined> {
  for (let attempt = 1; ; attempt++) {
    // What is served below pods is a Pod.
    const pod = (await call.object()).object as KubeObject as Pod;
    if (!isUncounted(pod)) {
      // Before the budget is spent on it.
      if ((options.dryRun?.length ?? 0) === 0) checkPreconditions(pod, options);
      return pod;
    }
    try {
      // It must not become one that its budget counts in between.
      await end(dependencies, call, isOver(pod) || isPinned(options) ? options : pinnedTo(options, pod.metadata.resourceVersion));
      return undefined;
    } catch (error) {
      if (isPinned(options) || !hasReason(error, 'Conflict') || attempt === attempts) throw error;
    }
  }
}

async function evict(dependencies: RestDependencies, call: HandlerCall) {
  const { storageOf, clock } = dependencies;
  const { namespace, name } = call.context.info;
  const eviction = await evictionOf(call);
  if (eviction.metadata.name !== name) throw errors.badRequest('name in URL does not match name in Eviction object');
  await call.admit('CREATE', evictionKind, eviction);
  const dryRun = call.options.dryRun || (eviction.deleteOptions?.dryRun?.length ?? 0) > 0;
  const asked = deleteOptionsOf(call.registry, call.context, { ...eviction.deleteOptions });
  const options: DeleteOptions = { ...asked, ...(dryRun ? { dryRun: ['All'] } : {}) };
  const pod = await endUncounted(dependencies, call, options);
  if (pod === undefined) return objectAnswer(success, 201);
  const [budget, ...others] = await budgetsOf(dependencies, pod);
  if (others.length > 0)
    throw new StatusError(500, '', 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.');
  const isUnguarded = budget !== undefined && isFree(pod, budget);
  if (budget !== undefined && !isUnguarded) {
    const now = timestamp(clock);
    if (dryRun) spend(budget, name, now);
    else await storageOf(PodDisruptionBudget).update(namespace, budget.metadata.name, {}, ({ object }) => spend(object, name, now));
  }
  try {
    // It must not have become one of those that the budget counts.
    await end(dependencies, call, isUnguarded && !isPinned(options) ? pinnedTo(options, pod.metadata.resourceVersion) : options);
  } catch (error) {
    if (isUnguarded && !isPinned(options) && hasReason(error, 'Conflict')) throw stillProcessed(budget.metadata.name);
    throw error;
  }
  return objectAnswer(success, 201);
}

export function evictionHandler(dependencies: RestDependencies): SubresourceHandler {
  return {
    group: '',
    resource: 'pods',
    subresource: 'eviction',
    verbs: ['create'],
    kind: { group: 'policy', version: 'v1', kind: 'Eviction' },
    handle: (call) => evict(dependencies, call),
  };
}
