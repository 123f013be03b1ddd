/** How many pods of each PodDisruptionBudget may be evicted now: what the eviction subresource goes by. */
import {
  deepEqual,
  formatLabelSelector,
  hasReason,
  isPodReady,
  isPodTerminal,
  Pod,
  PodDisruptionBudget,
  type PodDisruptionBudget as PodDisruptionBudgetType,
  type Pod as PodType,
  selectorFromObject,
  semanticEqual,
} from '../../api/index.ts';
import { controllerOf, keyOf } from '../../client/index.ts';
import { timestamp } from '../../time/index.ts';
import { defineController, messageOf, timeOf } from '../framework/index.ts';
import { budgetStatus, deletionTimeoutMs, disruptedPods, disruptionAllowed, expectation, needsScale } from './budget.ts';
import { createScaleFinder } from './scale.ts';

const stalePrefix = 'stale ';
const unmanagedMessage = (selector: string) =>
  `Pods selected by this PodDisruptionBudget (selector: ${selector}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`;

export const disruptionController = defineController('disruption-controller', ({ client, clock, informers, recorder }, queue) => {
  const budgets = informers.for(PodDisruptionBudget);
  const pods = informers.for(Pod);
  const scales = createScaleFinder(client, informers);
  const events = recorder('controllermanager');

  const concern = (...states: PodType[]): void => {
    for (const budget of budgets.lister.list(states[0]?.metadata.namespace))
      if (states.some((pod) => selectorFromObject(budget.spec?.selector).matches(pod.metadata.labels))) queue.add(keyOf(budget));
  };
  const watchStale = (pod: PodType): void => {
    const target = disruptionTarget(pod);
    if (target) queue.addAfter(stalePrefix + keyOf(pod), timeOf(target.lastTransitionTime) + deletionTimeoutMs - clock.now());
  };
  budgets.addHandler({ add: (b) => queue.add(keyOf(b)), update: (b) => queue.add(keyOf(b)) });
  pods.addHandler({
    add(pod) {
      concern(pod);
      watchStale(pod);
    },
    update(pod, previous) {
      watchStale(pod);
      const same =
        isPodReady(pod) === isPodReady(previous) &&
        pod.metadata.deletionTimestamp === previous.metadata.deletionTimestamp &&
        controllerOf(pod)?.uid === controllerOf(previous)?.uid &&
        deepEqual(pod.metadata.labels, previous.metadata.labels);
      if (!same) concern(pod, previous);
    },
    delete: (pod) => concern(pod),
  });
  // What controllers ask for is what budgets are shares of.
  for (const informer of scales.informers)
    informer.addHandler({
      update(object: { metadata: { namespace?: string }; spec?: { replicas?: number } }, previous: { spec?: { replicas?: number } }) {
        if (object.spec?.replicas === previous.spec?.replicas) return;
        for (const budget of budgets.lister.list(object.metadata.namespace)) if (needsScale(budget)) queue.add(keyOf(budget));
      },
    });

  const write = async (budget: PodDisruptionBudgetType, status: PodDisruptionBudgetType['status'], signal: AbortSignal) => {
    if (!semanticEqual(status, budget.status))
      await client.updateStatus(PodDisruptionBudget, { ...budget, ...(status ? { status } : {}) }, { signal });
  };

  /** A pod that was to be ended for the sake of others, and was not, is like any other. */
  const clearStale = async (key: string, signal: AbortSignal) => {
    const pod = pods.lister.getByKey(key);
    const target = pod && disruptionTarget(pod);
    if (!pod || !target) return;
    const left = timeOf(target.lastTransitionTime) + deletionTimeoutMs - clock.now();
    if (left > 0) return { requeueAfterMs: left };
    const { name, namespace, uid } = pod.metadata;
    const conditions = [{ type: 'DisruptionTarget', status: 'False', lastTransitionTime: timestamp(clock) }];
    const patch = { metadata: { uid }, status: { conditions } };
    await client.patch(Pod, name, 'strategic', patch, { namespace, subresource: 'status', signal }).catch((error: unknown) => {
      if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
    });
    return undefined;
  };

  return {
    informers: [budgets, pods, ...scales.informers],
    async reconcile(key, signal) {
      if (key.startsWith(stalePrefix)) return clearStale(key.slice(stalePrefix.length), signal);
      const budget = budgets.lister.getByKey(key);
      if (!budget) return;
      const selector = selectorFromObject(budget.spec?.selector);
      const selected = pods.lister.list(budget.metadata.namespace).filter((pod) => selector.matches(pod.metadata.labels));
      if (selected.length === 0) events.event(budget, 'Normal', 'NoPods', 'No matching pods found');
      let replicas = 0;
      if (needsScale(budget)) {
        try {
          const scale = await scales.find(selected, signal);
          replicas = scale.replicas;
          if (scale.unmanaged.length > 0)
            events.event(budget, 'Warning', 'UnmanagedPods', unmanagedMessage(formatLabelSelector(budget.spec?.selector)));
        } catch (error) {
          if (signal.aborted) throw error;
          const message = messageOf(error);
          events.event(budget, 'Warning', 'CalculateExpectedPodCountFailed', `Failed to calculate the number of expected pods: ${message}`);
          // In doubt nothing may be disrupted.
          const conditions = disruptionAllowed(budget, 'False', 'SyncFailed', message, timestamp(clock));
          await write(budget, { ...budget.status, disruptionsAllowed: 0, conditions }, signal);
          throw error;
        }
      }
      const now = clock.now();
      const disrupted = disruptedPods(budget, selected, now);
      for (const pod of disrupted.overdue)
        events.event(pod, 'Warning', 'NotDeleted', `Pod was expected by PDB ${key} to be deleted but it wasn't`);
      await write(
        budget,
        budgetStatus(budget, selected, expectation(budget, selected.length, replicas), disrupted.pods, timestamp(clock)),
        signal,
      );
      return disrupted.recheckAtMs === undefined ? {} : { requeueAfterMs: disrupted.recheckAtMs - now + 1 };
    },
  };
});

/** The pod is marked as one to be ended, and is not ending. */
function disruptionTarget(pod: PodType) {
  if (pod.metadata.deletionTimestamp || isPodTerminal(pod)) return undefined;
  return pod.status?.conditions?.find((c) => c.type === 'DisruptionTarget' && c.status === 'True');
}
