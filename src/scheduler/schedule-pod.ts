/** One pod's search for a node: filter, score, choose. Synchronous: the cluster stands still meanwhile. */
import type { Random } from '../time/index.ts';
import type { SchedulerCache } from './cache/cache.ts';
import type { NodeInfo } from './cache/node-info.ts';
import type { PodInfo } from './cache/pod-info.ts';
import { type Diagnosis, emptyDiagnosis, FitError, NoNodesError } from './fit-error.ts';
import type { CycleState } from './framework/cycle-state.ts';
import type { Plugin } from './framework/plugin.ts';
import type { Profile } from './framework/profile.ts';
import { type Status, status } from './framework/status.ts';
import type { Nominator } from './queue/nominator.ts';

export interface Algorithm {
  readonly cache: SchedulerCache;
  readonly nominator: Nominator;
  readonly random: Random;
  /** Of all profiles that do not say otherwise; 0 means adaptive. */
  readonly percentageOfNodesToScore: number;
  /** Where the next search starts. */
  nextStart: number;
  /** Told how long each extension point took, as a start time that `now` gave. */
  readonly observe?: ((point: string, profile: Profile, startedMs: number) => void) | undefined;
  readonly now: () => number;
}

export interface Placement {
  readonly nodeName: string;
  readonly feasibleNodes: number;
  readonly evaluatedNodes: number;
}

/**
 * The node for a pod.
 * @throws FitError when none fits, NoNodesError when there is none.
 */
export function schedulePod(algorithm: Algorithm, profile: Profile, state: CycleState, pod: PodInfo): Placement {
  const { cache } = algorithm;
  if (cache.nodes.length === 0) throw new NoNodesError();
  const diagnosis = emptyDiagnosis();
  const feasible = findFeasible(algorithm, profile, state, pod, diagnosis);
  const evaluatedNodes = feasible.length + diagnosis.byNode.size;
  const [only] = feasible;
  if (!only) throw new FitError(cache.nodes.length, diagnosis);
  if (feasible.length === 1) return { nodeName: only.name, feasibleNodes: 1, evaluatedNodes };
  const scores = prioritize(algorithm, profile, state, pod, feasible);
  return { nodeName: selectHost(feasible, scores, algorithm.random), feasibleNodes: feasible.length, evaluatedNodes };
}

export function findFeasible(
  algorithm: Algorithm,
  profile: Profile,
  state: CycleState,
  pod: PodInfo,
  diagnosis: Diagnosis,
  { ignoreNomination = false } = {},
): readonly NodeInfo[] {
  const { cache } = algorithm;
  let started = algorithm.now();
  const nodeNames = runPreFilters(profile, state, pod, cache.nodes, diagnosis);
  algorithm.observe?.('PreFilter', profile, started);
  if (nodeNames === 'none') return [];
  started = algorithm.now();
  const nominated = pod.pod.status?.nominatedNodeName;
  if (nominated && !ignoreNomination) {
    // The node that was freed for the pod is likely to take it; the others need not be looked at then.
    const node = cache.node(nominated);
    if (node && (!nodeNames || nodeNames.has(nominated)) && !filterWithNominated(algorithm, profile, state, pod, node)) return [node];
  }
  let nodes = cache.nodes;
  if (nodeNames) nodes = [...nodeNames].flatMap((name) => cache.node(name) ?? []);
  const wanted = nodesToFind(profile.percentageOfNodesToScore ?? algorithm.percentageOfNodesToScore, nodes.length);
  const active = activeFilters(profile, state);
  const feasible: NodeInfo[] = [];
  const start = algorithm.nextStart % Math.max(1, nodes.length);
  let seen = 0;
  for (; seen < nodes.length && feasible.length < wanted; seen++) {
    const node = nodes[(start + seen) % nodes.length];
    if (!node) break;
    const refused =
      algorithm.nominator.size > 0 ? filterWithNominated(algorithm, profile, state, pod, node) : runFilters(active, state, pod, node);
    if (!refused) feasible.push(node);
    else {
      diagnosis.byNode.set(node.name, refused);
      if (refused.code === 'Error') throw refused.error ?? new Error(refused.reasons.join(', '));
      diagnosis.plugins.add(refused.plugin);
      if (refused.code === 'Pending') diagnosis.pendingPlugins.add(refused.plugin);
    }
  }
  algorithm.nextStart = (start + seen) % Math.max(1, nodes.length);
  algorithm.observe?.('Filter', profile, started);
  return feasible;
}

/** The nodes to look at (all when undefined), or `none`. */
function runPreFilters(
  profile: Profile,
  state: CycleState,
  pod: PodInfo,
  nodes: readonly NodeInfo[],
  diagnosis: Diagnosis,
): ReadonlySet<string> | undefined | 'none' {
  let nodeNames: ReadonlySet<string> | undefined;
  const limiting: string[] = [];
  for (const plugin of profile.at.preFilter) {
    const result = plugin.preFilter(state, pod, nodes);
    if (!result) continue;
    if (result.status) {
      const { status: refused } = result;
      if (refused.code === 'Error') throw refused.error ?? new Error(refused.reasons.join(', '));
      diagnosis.plugins.add(refused.plugin);
      if (refused.code === 'Pending') diagnosis.pendingPlugins.add(refused.plugin);
      diagnosis.preFilterMessage = refused.reasons.join(', ');
      diagnosis.absent = refused;
      return 'none';
    }
    if (!result.nodeNames) continue;
    limiting.push(plugin.name);
    nodeNames = nodeNames ? nodeNames.intersection(result.nodeNames) : result.nodeNames;
    if (nodeNames.size > 0) continue;
    for (const name of limiting) diagnosis.plugins.add(name);
    diagnosis.preFilterMessage =
      limiting.length === 1
        ? `node(s) didn't satisfy plugin ${limiting[0]}`
        : `node(s) didn't satisfy plugin(s) [${limiting.join(' ')}] simultaneously`;
    diagnosis.absent = status(plugin.name, 'UnschedulableAndUnresolvable', diagnosis.preFilterMessage);
    return 'none';
  }
  if (nodeNames) {
    for (const name of limiting) diagnosis.plugins.add(name);
    diagnosis.absent = status(
      limiting[0] ?? '',
      'UnschedulableAndUnresolvable',
      `node(s) didn't satisfy plugin(s) [${limiting.sort().join(' ')}]`,
    );
  }
  return nodeNames;
}

type FilterPlugin = Profile['at']['filter'][number];

export function activeFilters(profile: Profile, state: CycleState): readonly FilterPlugin[] {
  return state.skipFilter.size === 0 ? profile.at.filter : profile.at.filter.filter((p) => !state.skipFilter.has(p.name));
}

export function runFilters(filters: readonly FilterPlugin[], state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined {
  for (const plugin of filters) {
    const refused = plugin.filter(state, pod, node);
    if (refused) return refused;
  }
  return undefined;
}

/**
 * Filters a node as if the pods nominated to it, of no less priority, ran there already. The pod must fit without them, too: they
 * may never come, and its affinity may have found only them.
 */
export function filterWithNominated(
  { nominator }: Pick<Algorithm, 'nominator'>,
  profile: Profile,
  state: CycleState,
  pod: PodInfo,
  node: NodeInfo,
): Status | undefined {
  const active = activeFilters(profile, state);
  let imagined: { node: NodeInfo; state: CycleState } | undefined;
  for (const other of nominator.on(node.name)) {
    if (other.priority < pod.priority || other.key === pod.key || node.pods.has(other.key)) continue;
    imagined ??= { node: node.clone(), state: state.clone() };
    imagined.node.addPod(other);
    runAddPod(profile, imagined.state, pod, other, imagined.node);
  }
  if (imagined) {
    const refused = runFilters(active, imagined.state, pod, imagined.node);
    if (refused) return refused;
  }
  return runFilters(active, state, pod, node);
}

export function runAddPod(profile: Profile, state: CycleState, pod: PodInfo, other: PodInfo, node: NodeInfo): void {
  for (const plugin of profile.at.addPod) if (!state.skipFilter.has(plugin.name)) plugin.addPod(state, pod, other, node);
}

export function runRemovePod(profile: Profile, state: CycleState, pod: PodInfo, other: PodInfo, node: NodeInfo): void {
  for (const plugin of profile.at.removePod) if (!state.skipFilter.has(plugin.name)) plugin.removePod(state, pod, other, node);
}

const minNodesToFind = 100;
const minPercentage = 5;

/** How many nodes that fit are enough: the fewer in proportion, the larger the cluster. A percentage of 0 is chosen by size. */
export function nodesToFind(percentage: number, nodeCount: number): number {
  if (nodeCount < minNodesToFind) return nodeCount;
  const chosen = percentage > 0 ? percentage : Math.max(minPercentage, 50 - Math.trunc(nodeCount / 125));
  if (chosen >= 100) return nodeCount;
  return Math.max(minNodesToFind, Math.trunc((nodeCount * chosen) / 100));
}

export function prioritize(
  algorithm: Algorithm,
  profile: Profile,
  state: CycleState,
  pod: PodInfo,
  nodes: readonly NodeInfo[],
): Float64Array {
  let started = algorithm.now();
  for (const plugin of profile.at.preScore) {
    const answer = plugin.preScore(state, pod, nodes);
    if (answer?.code === 'Skip') state.skipScore.add(plugin.name);
    else if (answer) throw answer.error ?? new Error(answer.reasons.join(', '));
  }
  algorithm.observe?.('PreScore', profile, started);
  started = algorithm.now();
  const totals = new Float64Array(nodes.length);
  for (const plugin of profile.at.score) {
    if (state.skipScore.has(plugin.name)) continue;
    addScores(plugin, profile.weights.get(plugin.name) ?? 1, state, pod, nodes, totals);
  }
  algorithm.observe?.('Score', profile, started);
  return totals;
}

function addScores(
  plugin: Plugin & Required<Pick<Plugin, 'score'>>,
  weight: number,
  state: CycleState,
  pod: PodInfo,
  nodes: readonly NodeInfo[],
  totals: Float64Array,
): void {
  const scores = new Float64Array(nodes.length);
  let i = 0;
  for (const node of nodes) scores[i++] = plugin.score(state, pod, node);
  plugin.normalizeScores?.(state, pod, nodes, scores);
  for (let at = 0; at < scores.length; at++) totals[at] = (totals[at] ?? 0) + weight * (scores[at] ?? 0);
}

/** One of the best nodes, each with the same chance. */
export function selectHost(nodes: readonly NodeInfo[], scores: Float64Array, random: Random): string {
  let best = '';
  let bestScore = Number.NEGATIVE_INFINITY;
  let ties = 0;
  for (const [i, node] of nodes.entries()) {
    const score = scores[i] ?? 0;
    if (score < bestScore) continue;
    ties = score > bestScore ? 1 : ties + 1;
    bestScore = score;
    if (ties === 1 || random.next() * ties < 1) best = node.name;
  }
  return best;
}
