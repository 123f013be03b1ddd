import { type coreV1, type KubeObject, Node, type Pod } from '../../api/index.ts';
import type { AdmissionPlugin } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, isCreate } from './context.ts';

const copied = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region'];

/** A pod learns in which zone and region it runs: from its node's labels when it is bound, or when it is made with a node (KEP-4742). */
export function podTopologyLabels(context: AdmissionContext): AdmissionPlugin {
  const isOn = context.isEnabled?.('PodTopologyLabelsAdmission') ?? true;
  return {
    name: 'PodTopologyLabels',
    handles: (r) => isOn && r.group === '' && r.resource === 'pods' && (r.subresource === '' || r.subresource === 'binding') && isCreate(r),
    async admit({ object, subresource }) {
      const { target } = object as KubeObject as coreV1.Binding;
      const nodeName = subresource === '' ? (object as Pod).spec?.nodeName : target.kind === 'Node' ? target.name : undefined;
      const node = nodeName ? await readObject(context.storages, Node, '', nodeName) : undefined;
      const labels = Object.entries(node?.metadata.labels ?? {}).filter(([key]) => copied.includes(key));
      if (labels.length === 0 || object === undefined) return;
      // Whatever the pod says of itself.
      object.metadata.labels = { ...object.metadata.labels, ...Object.fromEntries(labels) };
    },
  };
}
