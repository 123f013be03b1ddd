/** The subsets of Endpoints, as compact as they can be: addresses with the same ports together, in a fixed order. Pure. */
import { type EndpointAddress, type EndpointSubset, isPodReady, type Pod, parseIp, type Service } from '../../api/index.ts';

import {
  belongsInEndpoints,
  familyOf,
  hostnameOf,
  podAddresses,
  type ResolvedPort,
  resolvePorts,
  serviceFamilies,
} from './service-endpoints.ts';
import { portsKey } from './slice-plan.ts';

/** The legacy API shows no more addresses than this (and says so by the annotation endpoints.kubernetes.io/over-capacity). */
export const maxAddresses = 1000;

interface Entry {
  address: EndpointAddress;
  ready: boolean;
  ports: ResolvedPort[];
}

export function subsetsOf(service: Service, pods: readonly Pod[]): EndpointSubset[] {
  const entries: Entry[] = [];
  const family = serviceFamilies(service)[0];
  for (const pod of pods) {
    const publish = service.spec.publishNotReadyAddresses === true;
    if (!belongsInEndpoints(pod, publish)) continue;
    const addresses = podAddresses(pod);
    const ip = service.spec.ipFamilies?.length ? addresses.find((a) => familyOf(a) === family) : addresses[0];
    if (!ip) continue;
    const ports = resolvePorts(service, pod);
    if (ports.length === 0 && (service.spec.ports ?? []).length > 0) continue;
    const { name, namespace, uid } = pod.metadata;
    entries.push({
      address: {
        ip,
        ...hostnameOf(service, pod),
        ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
        targetRef: { kind: 'Pod', ...(namespace ? { namespace } : {}), name, uid },
      },
      ready: publish || isPodReady(pod),
      ports,
    });
  }
  return packSubsets(entries);
}

function packSubsets(entries: readonly Entry[]): EndpointSubset[] {
  const groups = new Map<string, { ports: ResolvedPort[]; ready: EndpointAddress[]; notReady: EndpointAddress[] }>();
  for (const { address, ready, ports } of entries) {
    const key = portsKey(ports);
    let group = groups.get(key);
    if (!group) {
      group = { ports, ready: [], notReady: [] };
      groups.set(key, group);
    }
    (ready ? group.ready : group.notReady).push(address);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { ports, ready, notReady }]) => ({
      ...(ready.length ? { addresses: ready.sort(byIp) } : {}),
      ...(notReady.length ? { notReadyAddresses: notReady.sort(byIp) } : {}),
      ...(ports.length ? { ports: sortedPorts(ports) } : {}),
    }));
}

const byIp = (a: EndpointAddress, b: EndpointAddress) => {
  const x = parseIp(a.ip)?.value ?? 0n;
  const y = parseIp(b.ip)?.value ?? 0n;
  return x < y ? -1 : x > y ? 1 : (a.targetRef?.uid ?? '') < (b.targetRef?.uid ?? '') ? -1 : 1;
};

const sortedPorts = (ports: readonly ResolvedPort[]) =>
  [...ports]
    .sort((a, b) => (portsKey([a]) < portsKey([b]) ? -1 : 1))
    .map(({ name, port = 0, ...rest }) => ({ ...(name ? { name } : {}), port, ...rest }));

/** At most `max` addresses, ready ones first; whether any had to go. */
export function truncate(subsets: readonly EndpointSubset[], max = maxAddresses): { subsets: EndpointSubset[]; truncated: boolean } {
  const total = (of: 'addresses' | 'notReadyAddresses') => subsets.reduce((n, subset) => n + (subset[of]?.length ?? 0), 0);
  if (total('addresses') + total('notReadyAddresses') <= max) return { subsets: [...subsets], truncated: false };
  const ready = total('addresses');
  if (ready > max) return { subsets: share(subsets, 'addresses', ready, max), truncated: true };
  return { subsets: share(subsets, 'notReadyAddresses', total('notReadyAddresses'), max - ready), truncated: true };
}

/** Shares the room among the subsets in proportion to their addresses; ready ones that are too many leave none to others. */
function share(subsets: readonly EndpointSubset[], of: 'addresses' | 'notReadyAddresses', total: number, room: number): EndpointSubset[] {
  let left = room;
  return subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports }) => {
    const own = of === 'addresses' ? addresses : notReadyAddresses;
    const count = Math.min(left, Math.ceil((own.length / total) * room));
    left -= count;
    const some = of === 'addresses' ? own.slice(0, count) : addresses;
    const others = of === 'addresses' ? [] : own.slice(0, count);
    if (some.length + others.length === 0) return [];
    return [
      {
        ...(some.length ? { addresses: some } : {}),
        ...(others.length ? { notReadyAddresses: others } : {}),
        ...(ports ? { ports } : {}),
      },
    ];
  });
}
