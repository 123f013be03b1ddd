import { type Node, type Toleration, toleratesTaint, untoleratedTaint } from '../../api/index.ts';
import { normalizeByMaximum, type Plugin } from '../framework/plugin.ts';
import { status } from '../framework/status.ts';

const name = 'TaintToleration';

const untolerated = status(name, 'UnschedulableAndUnresolvable', 'node(s) had untolerated taint(s)');

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
  filter: (_state, { pod }, node) => (untoleratedTaint(node.hardTaints, pod.spec.tolerations) ? untolerated : undefined),
  score(_state, { pod }, node) {
    if (node.softTaints.length === 0) return 0;
    const tolerations = pod.spec.tolerations?.filter(mattersToSoftTaints) ?? [];
    return node.softTaints.filter((taint) => !tolerations.some((t) => toleratesTaint(t, taint))).length;
  },
  normalizeScores: (_state, _pod, _nodes, scores) => normalizeByMaximum(scores, true),
});

const mattersToSoftTaints = (t: Toleration) => !t.effect || t.effect === 'PreferNoSchedule';
