import type { Plugin } from '../framework/plugin.ts';
import { status } from '../framework/status.ts';

const name = 'NodeName';
const mismatch = status(name, 'UnschedulableAndUnresolvable', "node(s) didn't match the requested node name");

/** A pod that names its node gets that one. */
export const nodeName = (): Plugin => ({
  name,
  events: () => [{ resource: 'Node', actions: ['Add'] }],
  filter: (_state, { pod }, node) => (pod.spec.nodeName && pod.spec.nodeName !== node.name ? mismatch : undefined),
});
