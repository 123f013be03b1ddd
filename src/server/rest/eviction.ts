/** Evicting pods with respect for their disruption budgets: POST pods/NAME/eviction (KEP-85). */
import {
  type DeleteOptions,
  errors,
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
import type { RestDependencies } from './index.ts';

const evictionKind: Resource<policyV1.Eviction> = {
  group: 'policy',
  version: 'v1',
  kind: 'Eviction',
  plural: 'evictions',
  namespaced: true,
};
const success: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
/** A budget whose controller does not keep up is not made worse. */
const maxDisruptedPods = 2000;
const unprocessedRetrySeconds = 10;

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

/** The budget with one disruption less. Throws where none is left. */
export function spend(budget: PodDisruptionBudget, podName: string, now: string): PodDisruptionBudget {
  const { name, generation = 0 } = budget.metadata;
  const status = budget.status ?? {};
  const { disruptionsAllowed = 0, observedGeneration = 0, disruptedPods = {}, desiredHealthy = 0, currentHealthy = 0 } = status;
  if (observedGeneration < generation)
    throw tooMany(`The disruption budget ${name} is still being processed by the server.`, unprocessedRetrySeconds);
  if (disruptionsAllowed < 0) throw errors.forbidden(PodDisruptionBudget, name, 'pdb disruptions allowed is negative');
  if (Object.keys(disruptedPods).length > maxDisruptedPods)
    throw errors.forbidden(PodDisruptionBudget, name, 'DisruptedPods map too big - too many evictions not confirmed by PDB controller');
  if (disruptionsAllowed === 0)
    throw tooMany(`The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`, 0);
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

async function budgetOf({ storageOf }: RestDependencies, pod: Pod): Promise<PodDisruptionBudget | undefined> {
  const namespace = pod.metadata.namespace ?? '';
  const { items } = await storageOf(PodDisruptionBudget).list({ namespace });
  const matching = items.filter(
    ({ object }) => object.spec.selector && selectorFromObject(object.spec.selector).matches(pod.metadata.labels),
  );
  if (matching.length > 1)
    throw new StatusError(500, '', 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.');
  return matching[0]?.object;
}

async function evict(dependencies: RestDependencies, call: HandlerCall) {
  const { storageOf, clock } = dependencies;
  const { namespace, name } = call.context.info;
  const eviction = await evictionOf(call);
  if (eviction.metadata.name && eviction.metadata.name !== name)
    throw errors.badRequest('name in URL does not match name in Eviction object');
  await call.admit('CREATE', evictionKind, eviction);
  const dryRun = call.options.dryRun || (eviction.deleteOptions?.dryRun?.length ?? 0) > 0;
  const options: DeleteOptions = { ...eviction.deleteOptions, ...(dryRun ? { dryRun: ['All'] } : {}) };
  // What is served below pods is a Pod.
  const pod = (await call.object()).object as KubeObject as Pod;
  const { uid } = options.preconditions ?? {};
  if (uid !== undefined && uid !== pod.metadata.uid)
    throw errors.conflict(Pod, name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata.uid}`);
  const budget = isUncounted(pod) ? undefined : await budgetOf(dependencies, pod);
  if (budget !== undefined && !isFree(pod, budget)) {
    const now = timestamp(clock);
    if (dryRun) spend(budget, name, now);
    else await storageOf(PodDisruptionBudget).update(namespace, budget.metadata.name, {}, ({ object }) => spend(object, name, now));
  }
  const { context } = call;
  // The pod's deletion passes admission as any other.
  const deleting = contextWith(context, { info: { ...context.info, verb: 'delete', subresource: '' } });
  await deleteObject(call.registry, deleting, call.served, namespace, name, options);
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
