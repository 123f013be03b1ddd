import { featuresForScheduling, type Node, type Pod, semanticEqual } from '../../api/index.ts';
import type { Plugin } from '../framework/plugin.ts';
import { status } from '../framework/status.ts';

const name = 'NodeDeclaredFeatures';
const lacking = status(name, 'UnschedulableAndUnresolvable', "node(s) didn't match Pod's required features");

const requiredBy = (pod: unknown) => featuresForScheduling((pod as Pod).spec);

/** A pod that needs what not every kubelet can goes to a node that declares it (KEP-5328). */
export const nodeDeclaredFeatures = (): Plugin => ({
  name,
  events: () => [
    {
      resource: 'Node',
      actions: ['Add', 'UpdateNodeDeclaredFeature'],
      hint: (_pod, previous, current) =>
        // The events of nodes are about nodes.
        previous === undefined ||
        !semanticEqual((previous as Node).status?.declaredFeatures, (current as Node | undefined)?.status?.declaredFeatures),
    },
    {
      resource: 'TargetPod',
      actions: ['Update'],
      hint: (_pod, previous, current) => !semanticEqual(requiredBy(previous), requiredBy(current)),
    },
  ],
  preFilter(state, { pod }) {
    if (featuresForScheduling(pod.spec).length === 0) state.skipFilter.add(name);
    return undefined;
  },
  filter(_state, { pod }, { node }) {
    const declared = node.status?.declaredFeatures ?? [];
    return featuresForScheduling(pod.spec).every((feature) => declared.includes(feature)) ? undefined : lacking;
  },
});
