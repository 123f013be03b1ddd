/** The downward API: a pod's own fields and its containers' resources, as text. */
import { type Pod, parseQuantity, type ResourceFieldSelector, type ResourceList } from '../../api/index.ts';
import { findContainer } from '../pod/containers.ts';

/** `key="value"` lines in key order, as labels and annotations are given in volumes. */
function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

/** What the field path selects; `addresses` are the pod's (they are not in its status yet when its first containers start). */
export function fieldValue(pod: Pod, path: string, node: { name: string; ips: readonly string[] }, addresses: readonly string[]): string {
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (subscript) return (subscript[1] === 'labels' ? pod.metadata.labels : pod.metadata.annotations)?.[subscript[2] ?? ''] ?? '';
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name ?? '';
    case 'metadata.namespace':
      return pod.metadata.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata.uid ?? '';
    case 'metadata.labels':
      return formatMap(pod.metadata.labels);
    case 'metadata.annotations':
      return formatMap(pod.metadata.annotations);
    case 'spec.nodeName':
      return pod.spec.nodeName ?? node.name;
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? '';
    case 'spec.restartPolicy':
      return pod.spec.restartPolicy ?? '';
    case 'status.hostIP':
      return node.ips[0] ?? '';
    case 'status.hostIPs':
      return node.ips.join(',');
    case 'status.podIP':
      return addresses[0] ?? '';
    case 'status.podIPs':
      return addresses.join(',');
    default:
      throw new Error(`unsupported fieldPath: ${path}`);
  }
}

/** A container's request or limit in units of the divisor, rounded up; a missing limit is what the node can give. */
export function resourceValue(pod: Pod, containerName: string, selector: ResourceFieldSelector, allocatable: ResourceList): string {
  const name = selector.containerName || containerName;
  const found = findContainer(pod, name);
  if (!found) throw new Error(`container ${name} not found`);
  const [kind = '', ...rest] = selector.resource.split('.');
  const resource = rest.join('.');
  const { limits, requests } = found.container.resources ?? {};
  const text =
    kind === 'limits'
      ? (limits?.[resource] ?? (resource.startsWith('hugepages-') ? '0' : allocatable[resource]))
      : kind === 'requests'
        ? requests?.[resource]
        : undefined;
  if (kind !== 'limits' && kind !== 'requests') throw new Error(`unsupported container resource : ${selector.resource}`);
  const divisor = parseQuantity(selector.divisor && selector.divisor !== '0' ? selector.divisor : '1').nano;
  const amount = parseQuantity(text ?? '0').nano;
  return ((amount + divisor - 1n) / divisor).toString();
}
