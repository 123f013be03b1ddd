import { type Node, type Toleration, toleratesTaint, untoleratedTaint } from '../../api/index.ts';
import { normalizeByMaximum, type Plugin } from '../framework/plugin.ts';
import { type Status, status } from '../framework/status.ts';

const name = 'TaintToleration';

/** Few different taints keep pods off; their statuses are made once. */
const statuses = new Map<string, Status>();

function refusal(key: string, value: string): Status {
  const reason = `node(s) had untolerated taint {${key}: ${value}}`;
  let known = statuses.get(reason);
  if (!known) {
    known = status(name, 'UnschedulableAndUnresolvable', reason);
    if (statuses.size > 1000) statuses.clear();
    statuses.set(reason, known);
  }
  return known;
}

/** Keeps pods off nodes with hard taints that they do not tolerate; prefers nodes with few soft ones. */
export const taintToleration = (): Plugin => ({
  name,
  events: () => [
    {
      resource: 'Node',
      actions: ['Add', 'UpdateNodeTaint'],
      hint: (pod, _previous, node) => {
        const hard = (node as Node | undefined)?.spec.taints?.filter((t) => t.effect !== 'PreferNoSchedule') ?? [];
        return !untoleratedTaint(hard, pod.spec.tolerations);
      },
    },
    { resource: 'TargetPod', actions: ['UpdatePodToleration'] },
  ],
  filter(_state, { pod }, node) {
    const taint = untoleratedTaint(node.hardTaints, pod.spec.tolerations);
    return taint ? refusal(taint.key, taint.value ?? '') : undefined;
  },
  score(_state, { pod }, node) {
    if (node.softTaints.length === 0) return 0;
    const tolerations = pod.spec.tolerations?.filter(mattersToSoftTaints) ?? [];
    return node.softTaints.filter((taint) => !tolerations.some((t) => toleratesTaint(t, taint))).length;
  },
  normalizeScores: (_state, _pod, _nodes, scores) => normalizeByMaximum(scores, true),
});

const mattersToSoftTaints = (t: Toleration) => !t.effect || t.effect === 'PreferNoSchedule';
