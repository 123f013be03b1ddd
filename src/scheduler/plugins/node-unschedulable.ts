import { type Node, type Taint, untoleratedTaint } from '../../api/index.ts';
import type { Plugin } from '../framework/plugin.ts';
import { status } from '../framework/status.ts';

const name = 'NodeUnschedulable';
const cordoned = status(name, 'UnschedulableAndUnresolvable', 'node(s) were unschedulable');
const taint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Keeps pods off cordoned nodes, unless they tolerate the taint that says the same. */
export const nodeUnschedulable = (): Plugin => ({
  name,
  events: () => [
    {
      resource: 'Node',
      actions: ['Add', 'UpdateNodeTaint'],
      hint: (_pod, _previous, node) => !(node as Node | undefined)?.spec.unschedulable,
    },
    { resource: 'TargetPod', actions: ['UpdatePodToleration'] },
  ],
  filter: (_state, { pod }, { node }) =>
    node.spec.unschedulable && untoleratedTaint([taint], pod.spec.tolerations) ? cordoned : undefined,
});
