/** Puts pods near to, or away from, other pods: required terms filter, preferred ones score. */
import { Namespace, type Pod } from '../../api/index.ts';
import type { NodeInfo } from '../cache/node-info.ts';
import { type PodInfo, requiredTermsOf, termMatches } from '../cache/pod-info.ts';
import type { InterPodAffinityArgs } from '../framework/config.ts';
import type { CycleState, StateData } from '../framework/cycle-state.ts';
import type { PluginFactory } from '../framework/handle.ts';
import { maxNodeScore } from '../framework/plugin.ts';
import { status } from '../framework/status.ts';
import { countMatching, matchesResolved, type ResolvedTerm, resolveTerm, TopologyCounts } from './affinity-counts.ts';

const name = 'InterPodAffinity';
const affinityUnmet = status(name, 'UnschedulableAndUnresolvable', "node(s) didn't match pod affinity rules");
const antiAffinityUnmet = status(name, 'Unschedulable', "node(s) didn't match pod anti-affinity rules");
const existingAntiAffinity = status(name, 'Unschedulable', "node(s) didn't satisfy existing pods anti-affinity rules");

class AffinityState implements StateData {
  readonly affinity: readonly ResolvedTerm[];
  readonly antiAffinity: readonly ResolvedTerm[];
  /** Pods that match all the affinity terms, pods that match an anti-affinity term, pods whose anti-affinity means this pod. */
  readonly counts: { affinity: TopologyCounts; antiAffinity: TopologyCounts; existing: TopologyCounts };

  constructor(affinity: readonly ResolvedTerm[], antiAffinity: readonly ResolvedTerm[], counts: AffinityState['counts']) {
    this.affinity = affinity;
    this.antiAffinity = antiAffinity;
    this.counts = counts;
  }

  clone(): AffinityState {
    const { affinity, antiAffinity, existing } = this.counts;
    return new AffinityState(this.affinity, this.antiAffinity, {
      affinity: affinity.clone(),
      antiAffinity: antiAffinity.clone(),
      existing: existing.clone(),
    });
  }
}

export const interPodAffinity: PluginFactory = (args, { cache, informers }) => {
  const { hardPodAffinityWeight = 1, ignorePreferredTermsOfExistingPods = false } = args as Partial<InterPodAffinityArgs>;
  const namespaceLister = informers.for(Namespace).lister;
  const labelsOf = (namespace: string) => namespaceLister.get(namespace)?.metadata.labels;
  const namespaces = function* () {
    for (const { metadata } of namespaceLister.list()) yield { name: metadata.name, labels: metadata.labels };
  };
  const resolve = (terms: PodInfo['affinity']) => terms.map((term) => resolveTerm(term, namespaces()));

  const existingPods = (pod: Pod): TopologyCounts => {
    const counts = new TopologyCounts();
    const labels = labelsOf(pod.metadata.namespace ?? '');
    for (const node of cache.nodesWithRequiredAntiAffinity) {
      for (const other of node.podsWithRequiredAntiAffinity) {
        for (const term of other.antiAffinity) if (termMatches(term, pod, labels)) counts.add(node, term.topologyKey, 1);
      }
    }
    return counts;
  };

  const imagine = (state: CycleState, { pod }: PodInfo, other: PodInfo, node: NodeInfo, by: 1 | -1) => {
    const known = state.read<AffinityState>(name);
    if (!known) return;
    const labels = labelsOf(pod.metadata.namespace ?? '');
    for (const term of other.antiAffinity) if (termMatches(term, pod, labels)) known.counts.existing.add(node, term.topologyKey, by);
    if (known.affinity.length > 0 && known.affinity.every((t) => matchesResolved(t, other)))
      for (const term of known.affinity) known.counts.affinity.add(node, term.topologyKey, by);
    for (const term of known.antiAffinity) if (matchesResolved(term, other)) known.counts.antiAffinity.add(node, term.topologyKey, by);
  };

  /** Whether a pod that came, went or changed may settle what the waiting pod waits for. */
  const matters = (waiting: Pod, other: Pod | undefined): boolean => {
    if (!other) return false;
    const info = requiredTermsOf(waiting);
    const labels = labelsOf(other.metadata.namespace ?? '');
    if ([...info.affinity, ...info.antiAffinity].some((t) => termMatches(t, other, labels))) return true;
    const own = labelsOf(waiting.metadata.namespace ?? '');
    return requiredTermsOf(other).antiAffinity.some((t) => termMatches(t, waiting, own));
  };

  return {
    name,
    events: () => [
      {
        resource: 'AssignedPod',
        actions: ['Add', 'Delete', 'UpdatePodLabel'],
        // The casts hold: the events are about pods.
        hint: (pod, previous, current) => matters(pod, previous as Pod | undefined) || matters(pod, current as Pod | undefined),
      },
      { resource: 'TargetPod', actions: ['UpdatePodLabel'] },
      { resource: 'Node', actions: ['Add', 'UpdateNodeLabel'] },
    ],

    preFilter(state, pod) {
      const existing = existingPods(pod.pod);
      if (existing.isEmpty && pod.affinity.length + pod.antiAffinity.length === 0) {
        state.skipFilter.add(name);
        return undefined;
      }
      const affinity = resolve(pod.affinity);
      const antiAffinity = resolve(pod.antiAffinity);
      const counts = { affinity: new TopologyCounts(), antiAffinity: new TopologyCounts(), existing };
      const add = (to: TopologyCounts, matching: ReadonlyMap<string, number>, terms: readonly ResolvedTerm[]) => {
        for (const [nodeName, count] of matching) {
          const node = cache.node(nodeName);
          if (node) for (const term of terms) to.add(node, term.topologyKey, count);
        }
      };
      if (affinity.length > 0) add(counts.affinity, countMatching(cache, affinity), affinity);
      for (const term of antiAffinity) add(counts.antiAffinity, countMatching(cache, [term]), [term]);
      state.write(name, new AffinityState(affinity, antiAffinity, counts));
      return undefined;
    },

    filter(state, pod, node) {
      const known = state.read<AffinityState>(name);
      if (!known) return undefined;
      if (!satisfiesAffinity(known, pod, node)) return affinityUnmet;
      const { antiAffinity, existing } = known.counts;
      for (const { topologyKey } of known.antiAffinity) {
        const value = node.labels[topologyKey];
        if (value !== undefined && antiAffinity.get(topologyKey, value) > 0) return antiAffinityUnmet;
      }
      for (const key of existing.keys) {
        const value = node.labels[key];
        if (value !== undefined && existing.get(key, value) > 0) return existingAntiAffinity;
      }
      return undefined;
    },

    addPod: (state, pod, other, node) => imagine(state, pod, other, node, 1),
    removePod: (state, pod, other, node) => imagine(state, pod, other, node, -1),

    preScore(state, pod) {
      const prefers = pod.preferredAffinity.length + pod.preferredAntiAffinity.length > 0;
      if (ignorePreferredTermsOfExistingPods && !prefers) return status(name, 'Skip');
      const scores = new TopologyCounts();
      for (const [terms, sign] of [[pod.preferredAffinity, 1] as const, [pod.preferredAntiAffinity, -1] as const]) {
        for (const term of resolve(terms)) {
          for (const [nodeName, count] of countMatching(cache, [term])) {
            const node = cache.node(nodeName);
            if (node) scores.add(node, term.topologyKey, sign * term.weight * count);
          }
        }
      }
      const labels = labelsOf(pod.pod.metadata.namespace ?? '');
      for (const node of cache.nodesWithAffinity) {
        for (const other of node.podsWithAffinity) {
          const add = (terms: PodInfo['affinity'], weightOf: (t: PodInfo['affinity'][number]) => number) => {
            for (const term of terms) if (termMatches(term, pod.pod, labels)) scores.add(node, term.topologyKey, weightOf(term));
          };
          // A pod that must be near pods like this one draws it, symmetrically.
          if (hardPodAffinityWeight > 0) add(other.affinity, () => hardPodAffinityWeight);
          add(other.preferredAffinity, (t) => t.weight);
          add(other.preferredAntiAffinity, (t) => -t.weight);
        }
      }
      if (scores.isEmpty) return status(name, 'Skip');
      state.write(`${name}/scores`, { scores } as StateData);
      return undefined;
    },

    score(state, _pod, node) {
      const scores = state.read<StateData & { scores: TopologyCounts }>(`${name}/scores`)?.scores;
      let score = 0;
      for (const key of scores?.keys ?? []) {
        const value = node.labels[key];
        if (value !== undefined) score += scores?.get(key, value) ?? 0;
      }
      return score;
    },

    normalizeScores(_state, _pod, _nodes, scores) {
      let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      for (const score of scores) {
        if (score < min) min = score;
        if (score > max) max = score;
      }
      for (let i = 0; i < scores.length; i++)
        scores[i] = max > min ? Math.trunc((maxNodeScore * ((scores[i] ?? 0) - min)) / (max - min)) : 0;
    },
  };
};

/** All terms must be met in the node's domains. The first of a group of pods that want to be together may go anywhere. */
function satisfiesAffinity({ affinity, counts }: AffinityState, pod: PodInfo, node: NodeInfo): boolean {
  let allThere = true;
  for (const { topologyKey } of affinity) {
    const value = node.labels[topologyKey];
    if (value === undefined) return false;
    if (counts.affinity.get(topologyKey, value) <= 0) allThere = false;
  }
  return allThere || (counts.affinity.isEmpty && affinity.every((t) => matchesResolved(t, pod)));
}
