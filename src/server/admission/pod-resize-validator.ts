import { compareQuantities, Node, type Pod, podRequests, quantityMilliValue, quantityValue } from '../../api/index.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import { readObject } from '../storages.ts';
import { type AdmissionContext, isUpdate, refuse } from './context.ts';

const osLabel = 'kubernetes.io/os';

/** A pod that runs is resized only on Linux, and to no more than its node has (KEP-1287). */
export function podResizeValidator(context: AdmissionContext): AdmissionPlugin {
  const isOn = context.isEnabled?.('InPlacePodVerticalScaling') ?? true;
  return {
    name: 'PodResizeValidator',
    handles: (r) => isOn && r.group === '' && r.resource === 'pods' && r.subresource === 'resize' && isUpdate(r),
    async validate(request) {
      // What is served as pods.
      const pod = request.object as Pod;
      const { nodeName } = pod.spec;
      if (!nodeName || pod.metadata.generation === request.oldObject?.metadata.generation) return;
      const node = await readObject(context.storages, Node, '', nodeName);
      if (node === undefined) throw refuse(request, `node ${JSON.stringify(nodeName)} not found`);
      const os = node.metadata.labels?.[osLabel] ?? 'linux';
      if (os !== 'linux') {
        const why = `pod resize is only supported on linux nodes, node ${JSON.stringify(nodeName)} is ${JSON.stringify(os)}`;
        throw refuseFor(request, 'UnsupportedPlatform', why);
      }
      const wanting = shortages(pod, node);
      if (wanting.length > 0)
        throw refuseFor(request, 'NodeCapacity', `node didn't have enough allocatable resources: ${wanting.join('; ')}`);
    },
  };
}

/** Of what the pod asks for more than the node could give to all pods together. */
function shortages(pod: Pod, node: Node): string[] {
  const requests = podRequests(pod.spec);
  const measures = { cpu: quantityMilliValue, memory: quantityValue };
  return Object.entries(measures).flatMap(([name, measure]) => {
    const requested = requests.get(name);
    const allocatable = node.status?.allocatable?.[name] ?? '0';
    if (requested === undefined || compareQuantities(requested, allocatable) <= 0) return [];
    return [`${name}, requested: ${measure(requested)}, allocatable: ${measure(allocatable)}`];
  });
}

function refuseFor(request: AdmissionRequest, cause: string, why: string) {
  const refusal = refuse(request, why);
  refusal.status.details = { ...refusal.status.details, causes: [{ reason: cause }] };
  return refusal;
}
