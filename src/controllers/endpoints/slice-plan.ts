/** What to write so that a set of slices holds a set of endpoints, with as few writes as can be. Pure. */
import { deepEqual, type Endpoint, type EndpointSlice } from '../../api/index.ts';
import type { ResolvedPort } from './service-endpoints.ts';

/** Endpoints that share their ports, and so may share slices. */
export interface EndpointGroup {
  ports: readonly ResolvedPort[];
  endpoints: Endpoint[];
}

/** A slice without its metadata. */
export interface SliceContent {
  ports: readonly ResolvedPort[];
  endpoints: Endpoint[];
}

export interface SlicePlan {
  create: SliceContent[];
  /** Existing slices with their new endpoints. */
  update: { slice: EndpointSlice; content: SliceContent }[];
  remove: EndpointSlice[];
  /** Existing slices whose endpoints stay as they are. */
  keep: EndpointSlice[];
}

/** The same for any order of ports. */
export function portsKey(ports: readonly ResolvedPort[] | undefined): string {
  return (ports ?? [])
    .map(({ name = '', port = 0, protocol = 'TCP', appProtocol = '' }) => JSON.stringify([name, port, protocol, appProtocol]))
    .sort()
    .join();
}

/** Endpoints are the same where what they point to is: the rest may change in place. */
function identity({ addresses, hostname, targetRef }: Endpoint): string {
  return JSON.stringify([
    addresses,
    hostname ?? '',
    targetRef?.kind ?? '',
    targetRef?.namespace ?? '',
    targetRef?.name ?? '',
    targetRef?.uid ?? '',
  ]);
}

/** Brings the slices of one address type to the groups' endpoints. */
export function planSlices(existing: readonly EndpointSlice[], groups: readonly EndpointGroup[], maxPerSlice: number): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], remove: [], keep: [] };
  const byPorts = new Map<string, EndpointSlice[]>();
  for (const slice of existing) {
    const key = portsKey(slice.ports as ResolvedPort[] | undefined);
    byPorts.set(key, [...(byPorts.get(key) ?? []), slice]);
  }
  for (const group of groups) {
    const key = portsKey(group.ports);
    planGroup(plan, byPorts.get(key) ?? [], group, maxPerSlice);
    byPorts.delete(key);
  }
  for (const slices of byPorts.values()) plan.remove.push(...slices);
  // To replace one slice by another is one write where the slice is rewritten, and no moment without it.
  while (plan.create.length > 0 && plan.remove.length > 0) {
    const content = plan.create.pop();
    const slice = plan.remove.pop();
    if (content && slice) plan.update.push({ slice, content });
  }
  return plan;
}

function planGroup(plan: SlicePlan, existing: readonly EndpointSlice[], group: EndpointGroup, max: number): void {
  const wanted = new Map(group.endpoints.map((endpoint) => [identity(endpoint), endpoint]));
  const { ports } = group;
  const changed: { slice: EndpointSlice; content: SliceContent }[] = [];
  const same: EndpointSlice[] = [];
  for (const slice of existing) {
    const present = slice.endpoints ?? [];
    let differs = false;
    const endpoints: Endpoint[] = [];
    for (const endpoint of present) {
      const key = identity(endpoint);
      const next = wanted.get(key);
      if (!next) {
        differs = true;
        continue;
      }
      wanted.delete(key);
      if (!deepEqual(next, endpoint)) differs = true;
      endpoints.push(next);
    }
    if (!differs) same.push(slice);
    else changed.push({ slice, content: { ports, endpoints } });
  }
  const rest = [...wanted.values()];
  // Slices that are written anyway take new endpoints first, the fullest first.
  changed.sort((a, b) => b.content.endpoints.length - a.content.endpoints.length);
  for (const { content } of changed) content.endpoints.push(...rest.splice(0, Math.max(0, max - content.endpoints.length)));
  while (rest.length > 0) {
    const part = rest.splice(0, max);
    // Of the slices that all of the rest fits into, the fullest.
    const fitting = same.filter(({ endpoints = [] }) => endpoints.length + part.length <= max);
    fitting.sort((a, b) => (b.endpoints?.length ?? 0) - (a.endpoints?.length ?? 0));
    const target = part.length < max ? fitting[0] : undefined;
    if (!target) {
      plan.create.push({ ports, endpoints: part });
      continue;
    }
    same.splice(same.indexOf(target), 1);
    changed.push({ slice: target, content: { ports, endpoints: [...(target.endpoints ?? []), ...part] } });
  }
  for (const { slice, content } of changed) {
    if (content.endpoints.length === 0) plan.remove.push(slice);
    else plan.update.push({ slice, content });
  }
  plan.keep.push(...same);
}
