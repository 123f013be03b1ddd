import type { Plugin } from '../framework/plugin.ts';
import { status } from '../framework/status.ts';

const name = 'SchedulingGates';

/** Holds a pod back while it has scheduling gates (KEP-3521). */
export const schedulingGates = (): Plugin => ({
  name,
  events: () => [{ resource: 'TargetPod', actions: ['UpdatePodSchedulingGatesEliminated'] }],
  preEnqueue(pod) {
    const gates = pod.spec.schedulingGates ?? [];
    if (gates.length === 0) return undefined;
    return status(name, 'UnschedulableAndUnresolvable', `waiting for scheduling gates: [${gates.map((g) => g.name).join(' ')}]`);
  },
});
