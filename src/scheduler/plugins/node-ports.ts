import type { Pod } from '../../api/index.ts';
import { podInfoOf } from '../cache/pod-info.ts';
import type { Plugin } from '../framework/plugin.ts';
import { status } from '../framework/status.ts';

const name = 'NodePorts';
const taken = status(name, 'Unschedulable', "node(s) didn't have free ports for the requested pod ports");

/** Host ports: one pod to each on a node. */
export const nodePorts = (): Plugin => ({
  name,
  events: () => [
    {
      resource: 'AssignedPod',
      actions: ['Delete'],
      hint: (_pod, previous) => previous !== undefined && podInfoOf(previous as Pod).hostPorts.length > 0,
    },
    { resource: 'Node', actions: ['Add'] },
  ],
  preFilter(state, { hostPorts }) {
    if (hostPorts.length === 0) state.skipFilter.add(name);
    return undefined;
  },
  filter: (_state, { hostPorts }, node) => (hostPorts.some((port) => node.isPortTaken(port)) ? taken : undefined),
});
