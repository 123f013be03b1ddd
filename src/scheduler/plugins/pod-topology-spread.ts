/** Spreads pods over topology domains (KEP-895): `DoNotSchedule` constraints filter, `ScheduleAnyway` ones score. */
import type { Pod } from '../../api/index.ts';
import type { NodeInfo } from '../cache/node-info.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import type { PodTopologySpreadArgs } from '../framework/config.ts';
import type { CycleState, StateData } from '../framework/cycle-state.ts';
import type { PluginFactory } from '../framework/handle.ts';
import { maxNodeScore } from '../framework/plugin.ts';
import { status } from '../framework/status.ts';
import {
  type Constraint,
  constraintsOf,
  countsByNode,
  createDefaultSelector,
  defaultConstraintsOf,
  hasAllKeys,
  hostnameLabel,
  includesNode,
  systemDefaultConstraints,
} from './topology-constraints.ts';

const name = 'PodTopologySpread';
const skewed = status(name, 'Unschedulable', "node(s) didn't match pod topology spread constraints");
const labelMissing = status(
  name,
  'UnschedulableAndUnresolvable',
  "node(s) didn't match pod topology spread constraints (missing required label)",
);

/** Matching pods by domain, for each hard constraint. */
class HardState implements StateData {
  readonly constraints: readonly Constraint[];
  readonly domains: readonly Map<string, number>[];
  readonly #minima: (number | undefined)[] = [];

  constructor(constraints: readonly Constraint[], domains: readonly Map<string, number>[]) {
    this.constraints = constraints;
    this.domains = domains;
  }

  clone(): HardState {
    return new HardState(
      this.constraints,
      this.domains.map((d) => new Map(d)),
    );
  }

  add(at: number, domain: string, by: number): void {
    const counts = this.domains[at];
    const count = counts?.get(domain);
    if (!counts || count === undefined) return;
    counts.set(domain, count + by);
    this.#minima[at] = undefined;
  }

  /** Pods in the emptiest domain; none where there are too few domains. */
  minimum(at: number): number {
    const known = this.#minima[at];
    if (known !== undefined) return known;
    const counts = this.domains[at] ?? new Map<string, number>();
    let min = counts.size < (this.constraints[at]?.minDomains ?? 1) ? 0 : Number.MAX_SAFE_INTEGER;
    for (const count of counts.values()) if (count < min) min = count;
    this.#minima[at] = min;
    return min;
  }
}

interface SoftState extends StateData {
  constraints: readonly Constraint[];
  /** For each constraint: matching pods by domain; by node name for hostnames. */
  counts: readonly ReadonlyMap<string, number>[];
  weights: readonly number[];
  /** Nodes that lack a label that is spread over: they score nothing. */
  ignored: ReadonlySet<string>;
}

export const podTopologySpread: PluginFactory = (args, { cache, informers }) => {
  const { defaultConstraints = [], defaultingType = 'System' } = args as PodTopologySpreadArgs;
  const systemDefaulted = defaultingType === 'System';
  const defaults = systemDefaulted ? systemDefaultConstraints : defaultConstraints;
  const selectorOf = createDefaultSelector(informers);

  const constraintsFor = (pod: Pod, action: 'DoNotSchedule' | 'ScheduleAnyway') =>
    pod.spec.topologySpreadConstraints?.length ? constraintsOf(pod, action) : defaultConstraintsOf(pod, defaults, action, selectorOf);

  /** Whether a pod that came, went or changed its labels counts for one of the waiting pod's constraints. */
  const counts = (waiting: Pod, other: Pod | undefined) =>
    other?.metadata.namespace === waiting.metadata.namespace &&
    constraintsFor(waiting, 'DoNotSchedule').some((c) => c.selector.matches(other?.metadata.labels));

  const imagine = (state: CycleState, { pod }: PodInfo, other: PodInfo, node: NodeInfo, by: 1 | -1) => {
    const hard = state.read<HardState>(name);
    if (!hard || other.pod.metadata.namespace !== pod.metadata.namespace || !hasAllKeys(node, hard.constraints)) return;
    for (const [i, constraint] of hard.constraints.entries()) {
      if (!constraint.selector.matches(other.pod.metadata.labels) || !includesNode(constraint, pod, node)) continue;
      hard.add(i, node.labels[constraint.topologyKey] ?? '', by);
    }
  };

  return {
    name,
    events: () => [
      {
        resource: 'AssignedPod',
        actions: ['Add', 'Delete', 'UpdatePodLabel'],
        // The casts hold: the events are about pods.
        hint: (pod, previous, current) => counts(pod, previous as Pod | undefined) || counts(pod, current as Pod | undefined),
      },
      { resource: 'TargetPod', actions: ['UpdatePodLabel', 'UpdatePodToleration'] },
      { resource: 'Node', actions: ['Add', 'Delete', 'UpdateNodeLabel', 'UpdateNodeTaint'] },
    ],

    preFilter(state, { pod }, nodes) {
      const constraints = constraintsFor(pod, 'DoNotSchedule');
      if (constraints.length === 0) {
        state.skipFilter.add(name);
        return undefined;
      }
      // Domains one constraint after the other: every node is looked at for every pod, so the inner loop is kept bare.
      const domains = constraints.map((constraint) => {
        const byNode = countsByNode(cache, constraint, pod.metadata.namespace ?? '');
        const counts = new Map<string, number>();
        for (const node of nodes) {
          if (!hasAllKeys(node, constraints) || !includesNode(constraint, pod, node)) continue;
          const domain = node.labels[constraint.topologyKey] ?? '';
          const count = byNode.get(node.name) ?? 0;
          const known = counts.get(domain);
          if (known === undefined || count > 0) counts.set(domain, (known ?? 0) + count);
        }
        return counts;
      });
      state.write(name, new HardState(constraints, domains));
      return undefined;
    },

    filter(state, _pod, node) {
      const hard = state.read<HardState>(name);
      if (!hard) return undefined;
      let i = 0;
      for (const { topologyKey, self, maxSkew } of hard.constraints) {
        const domain = node.labels[topologyKey];
        if (domain === undefined) return labelMissing;
        if ((hard.domains[i]?.get(domain) ?? 0) + self - hard.minimum(i) > maxSkew) return skewed;
        i++;
      }
      return undefined;
    },

    addPod: (state, pod, other, node) => imagine(state, pod, other, node, 1),
    removePod: (state, pod, other, node) => imagine(state, pod, other, node, -1),

    preScore(state, { pod }, feasible) {
      const constraints = constraintsFor(pod, 'ScheduleAnyway');
      if (constraints.length === 0) return status(name, 'Skip');
      const namespace = pod.metadata.namespace ?? '';
      // The system's own defaults must not shut out nodes of clusters that have no zones.
      const requireAll = (pod.spec.topologySpreadConstraints?.length ?? 0) > 0 || !systemDefaulted;
      state.write(
        `${name}/soft`,
        softState(pod, constraints, feasible, requireAll, (c) => countsByNode(cache, c, namespace), cache.nodes),
      );
      return undefined;
    },

    score(state, _pod, node) {
      const soft = state.read<SoftState>(`${name}/soft`);
      if (!soft || soft.ignored.has(node.name)) return 0;
      let score = 0;
      for (const [i, { topologyKey, maxSkew }] of soft.constraints.entries()) {
        const domain = node.labels[topologyKey];
        if (domain === undefined) continue;
        const count = soft.counts[i]?.get(topologyKey === hostnameLabel ? node.name : domain) ?? 0;
        score += count * (soft.weights[i] ?? 0) + (maxSkew - 1);
      }
      return Math.round(score);
    },

    normalizeScores(state, _pod, nodes, scores) {
      const ignored = state.read<SoftState>(`${name}/soft`)?.ignored ?? new Set<string>();
      let [min, max] = [Number.MAX_SAFE_INTEGER, 0];
      for (const [i, node] of nodes.entries()) {
        if (ignored.has(node.name)) continue;
        const score = scores[i] ?? 0;
        if (score < min) min = score;
        if (score > max) max = score;
      }
      for (const [i, node] of nodes.entries()) {
        if (ignored.has(node.name)) scores[i] = 0;
        else scores[i] = max === 0 ? maxNodeScore : Math.trunc((maxNodeScore * (max + min - (scores[i] ?? 0))) / max);
      }
    },
  };
};

function softState(
  pod: Pod,
  constraints: readonly Constraint[],
  feasible: readonly NodeInfo[],
  requireAll: boolean,
  countOf: (constraint: Constraint) => ReadonlyMap<string, number>,
  nodes: readonly NodeInfo[],
): SoftState {
  const ignored = new Set<string>();
  const domains = constraints.map(() => new Map<string, number>());
  for (const node of feasible) {
    if (requireAll && !hasAllKeys(node, constraints)) {
      ignored.add(node.name);
      continue;
    }
    for (const [i, { topologyKey }] of constraints.entries()) {
      const domain = node.labels[topologyKey];
      if (topologyKey !== hostnameLabel && domain !== undefined) domains[i]?.set(domain, 0);
    }
  }
  // The more domains, the less one pod in one of them says.
  const weights = constraints.map(({ topologyKey }, i) =>
    Math.log((topologyKey === hostnameLabel ? feasible.length - ignored.size : (domains[i]?.size ?? 0)) + 2),
  );
  const byNode = constraints.map(countOf);
  for (const [i, constraint] of constraints.entries()) {
    if (constraint.topologyKey === hostnameLabel) continue;
    const counts = byNode[i];
    if (!counts || counts.size === 0) continue;
    for (const node of nodes) {
      const count = counts.get(node.name);
      const domain = node.labels[constraint.topologyKey];
      if (!count || domain === undefined || (requireAll && !hasAllKeys(node, constraints)) || !includesNode(constraint, pod, node))
        continue;
      const known = domains[i]?.get(domain);
      if (known !== undefined) domains[i]?.set(domain, known + count);
    }
  }
  const counts = constraints.map(
    ({ topologyKey }, i) => (topologyKey === hostnameLabel ? byNode[i] : domains[i]) ?? new Map<string, number>(),
  );
  return { constraints, counts, weights, ignored };
}
