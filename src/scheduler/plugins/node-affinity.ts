import {
  matchesRequiredNodeAffinity,
  type Node,
  type NodeAffinity,
  type Pod,
  selectorSelectsNode,
  termSelectsNode,
} from '../../api/index.ts';
import type { NodeInfo } from '../cache/node-info.ts';
import type { PluginFactory } from '../framework/handle.ts';
import { normalizeByMaximum } from '../framework/plugin.ts';
import { status } from '../framework/status.ts';

const name = 'NodeAffinity';
const mismatch = status(name, 'UnschedulableAndUnresolvable', "node(s) didn't match Pod's node affinity/selector");
const enforcedMismatch = status(name, 'UnschedulableAndUnresolvable', "node(s) didn't match scheduler-enforced node affinity");
const conflict = status(name, 'UnschedulableAndUnresolvable', 'pod affinity terms conflict');

/** Node selectors and node affinity, the pod's own and what the profile adds to it (`addedAffinity`). */
export const nodeAffinity: PluginFactory = (args) => {
  const added = args.addedAffinity as NodeAffinity | undefined;
  const addedRequired = added?.requiredDuringSchedulingIgnoredDuringExecution;
  const addedPreferred = added?.preferredDuringSchedulingIgnoredDuringExecution ?? [];

  const preferredOf = (pod: Pod) => pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const fits = (pod: Pod, nodeName: string, labels: NodeInfo['labels']) =>
    (!addedRequired || selectorSelectsNode(addedRequired, nodeName, labels)) && matchesRequiredNodeAffinity(pod.spec, nodeName, labels);
  const nodeFits = (pod: Pod, node: Node | undefined) => !node || fits(pod, node.metadata.name, node.metadata.labels ?? {});

  return {
    name,
    events: () => [
      {
        resource: 'Node',
        actions: ['Add', 'UpdateNodeLabel'],
        hint: (pod, previous, node) => nodeFits(pod, node as Node | undefined) && !(previous && nodeFits(pod, previous as Node)),
      },
    ],

    preFilter(state, { pod }) {
      const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
      if (!addedRequired && !pod.spec.nodeSelector && !required) {
        state.skipFilter.add(name);
        return undefined;
      }
      return preselect(pod);
    },

    filter(_state, { pod }, node) {
      if (addedRequired && !selectorSelectsNode(addedRequired, node.name, node.labels)) return enforcedMismatch;
      return matchesRequiredNodeAffinity(pod.spec, node.name, node.labels) ? undefined : mismatch;
    },

    preScore: (_state, { pod }) => (preferredOf(pod).length + addedPreferred.length === 0 ? status(name, 'Skip') : undefined),

    score(_state, { pod }, node) {
      let score = 0;
      for (const terms of [addedPreferred, preferredOf(pod)]) {
        for (const { weight, preference } of terms)
          if (weight !== 0 && termSelectsNode(preference, node.name, node.labels)) score += weight;
      }
      return score;
    },

    normalizeScores: (_state, _pod, _nodes, scores) => normalizeByMaximum(scores, false),
  };
};

/** Where every term names its nodes (as a DaemonSet's pods do), only these need to be looked at. */
function preselect(pod: Pod) {
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (!terms || terms.length === 0) return undefined;
  const nodeNames = new Set<string>();
  for (const { matchFields = [] } of terms) {
    const lists = matchFields.filter((r) => r.key === 'metadata.name' && r.operator === 'In').map((r) => new Set(r.values));
    const [first, ...rest] = lists;
    if (!first) return undefined;
    for (const nodeName of rest.reduce((all, list) => all.intersection(list), first)) nodeNames.add(nodeName);
  }
  return nodeNames.size === 0 ? { status: conflict } : { nodeNames };
}
