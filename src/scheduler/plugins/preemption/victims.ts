import { type Pod, type PodDisruptionBudget, selectorFromObject } from '../../../api/index.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { PodInfo } from '../../cache/pod-info.ts';
import type { CycleState } from '../../framework/cycle-state.ts';
import type { Handle } from '../../framework/handle.ts';
import { type Status, status } from '../../framework/status.ts';

export interface Candidate {
  readonly nodeName: string;
  /** The most important first. */
  readonly victims: readonly PodInfo[];
  /** How many of them a disruption budget would have spared. */
  readonly violations: number;
}

export const preemptionName = 'DefaultPreemption';
const noVictims = status(preemptionName, 'UnschedulableAndUnresolvable', 'No preemption victims found for incoming pod');

/** When a pod began, in ms; one that has not counts as beginning now. */
export const startedAt = (pod: Pod): number => (pod.status?.startTime ? Date.parse(pod.status.startTime) : Number.POSITIVE_INFINITY);

/** Negative when `a` is the more important: the higher priority, or the longer run. */
export function byImportance(a: PodInfo, b: PodInfo): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  const [x, y] = [startedAt(a.pod), startedAt(b.pod)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** The fewest, least important pods of a node whose going would let the pod in; or why none would. */
export function selectVictims(
  handle: Pick<Handle, 'filter' | 'addPod' | 'removePod'>,
  cycle: CycleState,
  pod: PodInfo,
  real: NodeInfo,
  budgets: readonly PodDisruptionBudget[],
): Candidate | Status {
  const lower = [...real.pods.values()].filter((other) => other.priority < pod.priority);
  if (lower.length === 0) return noVictims;
  const node = real.clone();
  const state = cycle.clone();
  const remove = (other: PodInfo) => {
    node.removePod(other.key);
    handle.removePod(state, pod, other, node);
  };
  const add = (other: PodInfo) => {
    node.addPod(other);
    handle.addPod(state, pod, other, node);
  };
  for (const other of lower) remove(other);
  const refused = handle.filter(state, pod, node);
  if (refused) return refused;

  const { violating, others } = splitByBudget(lower.sort(byImportance), budgets);
  const victims: PodInfo[] = [];
  /** Leaves a pod where it is if the new one fits beside it. */
  const reprieve = (other: PodInfo): boolean => {
    add(other);
    if (!handle.filter(state, pod, node)) return true;
    remove(other);
    victims.push(other);
    return false;
  };
  let violations = 0;
  for (const other of violating) if (!reprieve(other)) violations++;
  for (const other of others) reprieve(other);
  return { nodeName: node.name, victims: victims.sort(byImportance), violations };
}

function splitByBudget(pods: readonly PodInfo[], budgets: readonly PodDisruptionBudget[]) {
  const left = budgets.map((b) => b.status?.disruptionsAllowed ?? 0);
  const violating: PodInfo[] = [];
  const others: PodInfo[] = [];
  for (const info of pods) {
    const { name, namespace, labels } = info.pod.metadata;
    let violates = false;
    for (const [i, budget] of budgets.entries()) {
      const selector = selectorFromObject(budget.spec?.selector);
      // An empty selector takes in nothing here, and a pod that is being disrupted already has been counted.
      if (budget.metadata.namespace !== namespace || !labels || selector.everything || !selector.matches(labels)) continue;
      if (budget.status?.disruptedPods?.[name] !== undefined) continue;
      left[i] = (left[i] ?? 0) - 1;
      if ((left[i] ?? 0) < 0) violates = true;
    }
    (violates ? violating : others).push(info);
  }
  return { violating, others };
}

/** Each answers a number of which the least is best; the next decides among equals. */
const criteria: readonly ((c: Candidate) => number)[] = [
  (c) => c.violations,
  (c) => c.victims[0]?.priority ?? Number.NEGATIVE_INFINITY,
  // Shifted, so that a few pods of negative priority do not count for less than none.
  (c) => c.victims.reduce((sum, v) => sum + v.priority + 2 ** 31, 0),
  (c) => c.victims.length,
  // The node whose most important victim has run for the shortest time.
  (c) => -Math.min(...c.victims.filter((v) => v.priority === c.victims[0]?.priority).map((v) => startedAt(v.pod))),
];

/** The node on which preemption does the least harm. */
export function pickCandidate(candidates: readonly Candidate[]): Candidate | undefined {
  let best = candidates.filter((c) => c.victims.length === 0);
  if (best.length > 0) return best[0];
  best = [...candidates];
  for (const criterion of criteria) {
    if (best.length <= 1) break;
    const values = best.map(criterion);
    const least = values.reduce((a, b) => Math.min(a, b));
    best = best.filter((_, i) => values[i] === least);
  }
  return best[0];
}
