/** What a PodDisruptionBudget allows, by its pods and how many there are to be. Pure. */
import { isPodReady, type Pod, type PodDisruptionBudget, type PodDisruptionBudgetStatus } from '../../api/index.ts';
import { timeOf } from '../framework/index.ts';

/** Upstream's DeletionTimeout: an evicted pod that is not being deleted by then counts again. */
export const deletionTimeoutMs = 2 * 60_000;

/** A number, or a percentage of `total`, rounded up. */
export function scaled(value: number | string, total: number): number {
  return typeof value === 'number' ? value : Math.ceil((Number(value.replace('%', '')) / 100) * total);
}

/** Whether the budget counts by what controllers ask for, not by the pods that are there. */
export function needsScale({ spec = {} }: PodDisruptionBudget): boolean {
  return spec.maxUnavailable !== undefined || typeof spec.minAvailable === 'string';
}

/** `scale` is how many pods the pods' controllers ask for. */
export function expectation(
  { spec = {} }: PodDisruptionBudget,
  pods: number,
  scale: number,
): { expectedPods: number; desiredHealthy: number } {
  if (spec.maxUnavailable !== undefined)
    return { expectedPods: scale, desiredHealthy: Math.max(0, scale - scaled(spec.maxUnavailable, scale)) };
  if (typeof spec.minAvailable === 'string') return { expectedPods: scale, desiredHealthy: scaled(spec.minAvailable, scale) };
  return { expectedPods: pods, desiredHealthy: spec.minAvailable ?? 0 };
}

export interface Disrupted {
  /** Evicted, and not being deleted yet. */
  pods: Record<string, string>;
  /** Of these, pods that should have been deleted long ago. */
  overdue: Pod[];
  /** When the next of them becomes overdue. */
  recheckAtMs: number | undefined;
}

export function disruptedPods(budget: PodDisruptionBudget, pods: readonly Pod[], nowMs: number): Disrupted {
  const result: Disrupted = { pods: {}, overdue: [], recheckAtMs: undefined };
  for (const pod of pods) {
    const at = budget.status?.disruptedPods?.[pod.metadata.name];
    if (at === undefined || pod.metadata.deletionTimestamp) continue;
    const due = timeOf(at) + deletionTimeoutMs;
    if (due < nowMs) {
      result.overdue.push(pod);
      continue;
    }
    result.pods[pod.metadata.name] = at;
    result.recheckAtMs = Math.min(result.recheckAtMs ?? Number.POSITIVE_INFINITY, due);
  }
  return result;
}

export function budgetStatus(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  expected: { expectedPods: number; desiredHealthy: number },
  disrupted: Record<string, string>,
  now: string,
): PodDisruptionBudgetStatus {
  const currentHealthy = pods.filter((p) => !p.metadata.deletionTimestamp && !disrupted[p.metadata.name] && isPodReady(p)).length;
  const { expectedPods, desiredHealthy } = expected;
  const disruptionsAllowed = expectedPods > 0 ? Math.max(0, currentHealthy - desiredHealthy) : 0;
  const enough = disruptionsAllowed > 0;
  return {
    disruptionsAllowed,
    currentHealthy,
    desiredHealthy,
    expectedPods,
    ...(Object.keys(disrupted).length > 0 ? { disruptedPods: disrupted } : {}),
    observedGeneration: budget.metadata.generation ?? 0,
    conditions: disruptionAllowed(budget, enough ? 'True' : 'False', enough ? 'SufficientPods' : 'InsufficientPods', '', now),
  };
}

/** The budget's conditions with this DisruptionAllowed. */
export function disruptionAllowed(budget: PodDisruptionBudget, status: 'True' | 'False', reason: string, message: string, now: string) {
  const type = 'DisruptionAllowed';
  const conditions = budget.status?.conditions ?? [];
  const present = conditions.find((c) => c.type === type);
  const lastTransitionTime = present?.status === status ? present.lastTransitionTime : now;
  const next = { type, status, reason, message, lastTransitionTime, observedGeneration: budget.metadata.generation ?? 0 };
  return [...conditions.filter((c) => c.type !== type), next];
}
