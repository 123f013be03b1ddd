import {
  allocatesNodePorts,
  errors,
  FieldErrors,
  FieldPath,
  isHeadless,
  needsClusterIp,
  needsHealthCheckNodePort,
  needsNodePort,
  Service,
  type ServiceSpec,
} from '../../api/index.ts';
import type { Random } from '../../time/index.ts';
import type { WriteHook } from '../request.ts';
import { follow, type Storages } from '../storages.ts';
import type { Claims } from './claims.ts';
import type { IpRange } from './ip-range.ts';
import type { PortRange } from './port-range.ts';
import { addressBand, pickFree, portBand, Reservations } from './reservations.ts';
import { addressesOf, portsOf } from './service-fields.ts';
import { serviceRanges } from './service-ranges.ts';

export interface ServiceAllocatorOptions {
  storages: Storages;
  random: Random;
  /** --service-cluster-ip-range: one a family, the first is the default one. */
  ranges: readonly IpRange[];
  /** --service-node-port-range. */
  ports: PortRange;
  signal: AbortSignal;
  onError(error: unknown): void;
  /** Where other servers give out of the same ranges. */
  claims?: Claims;
}

export interface ServiceAllocator extends WriteHook<Service> {
  /** Resolves once it knows what the stored Services hold. */
  synced: Promise<void>;
}

const specPath = new FieldPath('spec');
/** Owns what other servers have claimed; no Service has such a uid. */
const otherServer = '(another API server)';

/** A value that a write under way has reserved. */
interface Taken {
  pool: Reservations;
  value: string;
}

function failing(undo: () => void): (error: unknown) => never {
  return (error) => {
    undo();
    throw error;
  };
}

/**
 * Gives Services their addresses and node ports, and takes care that nobody gets what another has. It keeps no state of its own
 * in the store: what is taken is what Services say.
 */
export function serviceAllocator(options: ServiceAllocatorOptions): ServiceAllocator {
  const { ranges, ports, random, claims } = options;
  const present = serviceRanges(ranges, options);
  const addresses = new Reservations();
  const nodePorts = new Reservations();
  // Not the name: with generateName it may still change.
  const keyOf = (service: Service) => service.metadata.uid;
  const services = follow(
    options.storages(Service),
    {
      reset() {
        addresses.clearHeld();
        nodePorts.clearHeld();
      },
      set(service) {
        addresses.hold(keyOf(service), addressesOf(service));
        nodePorts.hold(keyOf(service), portsOf(service).map(String));
      },
      remove(service) {
        addresses.release(keyOf(service));
        nodePorts.release(keyOf(service));
      },
    },
    options,
  );

  const synced = Promise.all([services, present.synced]).then(() => undefined);

  return {
    synced,
    async begin({ next, prev, dryRun }) {
      await synced;
      next.spec ??= {};
      const owner = keyOf(next);
      const asked = structuredClone(next.spec);
      /** What other servers have just claimed, kept away from here until it is settled. */
      const elsewhere: Taken[] = [];
      try {
        for (;;) {
          const taken = allocate(next, prev, owner);
          const undo = () => {
            for (const { pool, value } of taken) pool.giveBack(value, owner);
          };
          if (!claims || dryRun || taken.length === 0)
            return (succeeded) => {
              if (!succeeded || dryRun) undo();
            };
          const others = new Set(await claims.claim(taken.map(claimOf), owner).catch(failing(undo)));
          if (others.size === 0)
            return (succeeded) => {
              if (succeeded) return;
              undo();
              claims.release(taken.map(claimOf), owner).catch(options.onError);
            };
          undo();
          for (const lost of taken.filter((t) => others.has(claimOf(t)))) {
            lost.pool.reserve(lost.value, otherServer);
            elsewhere.push(lost);
          }
          next.spec = structuredClone(asked);
        }
      } finally {
        for (const { pool, value } of elsewhere) pool.giveBack(value, otherServer);
      }
    },
  };

  /** Gives the Service what it needs; it is reserved for it from here on. */
  function allocate(next: Service, prev: Service | undefined, owner: string): Taken[] {
    const taken: Taken[] = [];
    const take = (pool: Reservations, value: string) => {
      pool.reserve(value, owner);
      taken.push({ pool, value });
    };
    try {
      setFamilies(next, ranges);
      const held = new Set(prev === undefined ? [] : addressesOf(prev));
      allocateAddresses(next, held, owner, take);
      const heldPorts = new Set(prev === undefined ? [] : portsOf(prev));
      allocatePorts(next, heldPorts, owner, take);
      return taken;
    } catch (error) {
      for (const { pool, value } of taken) pool.giveBack(value, owner);
      throw error;
    }
  }

  function claimOf({ pool, value }: Taken): string {
    return `${pool === addresses ? 'clusterips' : 'nodeports'}/${value}`;
  }

  function allocateAddresses(
    service: Service,
    held: ReadonlySet<string>,
    owner: string,
    take: (pool: Reservations, value: string) => void,
  ): void {
    const spec = service.spec ?? {};
    if (!needsClusterIp(service) || isHeadless(service)) return;
    const families = spec.ipFamilies ?? [];
    const given = spec.clusterIPs ?? [];
    spec.clusterIPs = families.map((family, i) => {
      const possible = present.of(family);
      if (possible.length === 0)
        throw invalid(service, (e) => e.invalid(specPath.child('ipFamilies').index(i), family, 'not configured on this cluster'));
      const asked = given[i];
      if (asked) {
        if (held.has(asked)) return asked;
        const why = !possible.some((range) => range.contains(asked))
          ? 'the provided network does not match the current range'
          : addresses.isFree(asked, owner)
            ? undefined
            : 'provided IP is already allocated';
        if (why !== undefined)
          throw invalid(service, (e) => e.invalid(specPath.child('clusterIPs'), given, `failed to allocate IP ${asked}: ${why}`));
        take(addresses, asked);
        return asked;
      }
      const ip = freeAddress(possible);
      if (ip === undefined)
        throw invalid(service, (e) => e.invalid(specPath.child('clusterIPs'), given, 'failed to allocate a serviceIP: range is full'));
      take(addresses, ip);
      return ip;
    });
    const [first] = spec.clusterIPs;
    if (first !== undefined) spec.clusterIP = first;
  }

  function freeAddress(possible: readonly IpRange[]): string | undefined {
    for (const range of possible) {
      const offset = pickFree(range.size, addressBand(range.size), random, (n) => addresses.isTaken(range.at(n)));
      if (offset !== undefined) return range.at(offset);
    }
    return undefined;
  }

  function allocatePorts(
    service: Service,
    held: ReadonlySet<number>,
    owner: string,
    take: (pool: Reservations, value: string) => void,
  ): void {
    const spec = service.spec ?? {};
    const size = ports.last - ports.first + 1;
    const claim = (path: FieldPath, port: number) => {
      if (held.has(port)) return;
      const why =
        port < ports.first || port > ports.last
          ? `provided port is not in the valid range. The range of valid ports is ${ports.first}-${ports.last}`
          : nodePorts.isFree(String(port), owner)
            ? undefined
            : 'provided port is already allocated';
      if (why !== undefined) throw invalid(service, (e) => e.invalid(path, port, why));
      take(nodePorts, String(port));
    };
    const pick = (): number => {
      const n = pickFree(size, portBand(size), random, (i) => nodePorts.isTaken(String(ports.first + i - 1)));
      if (n === undefined) throw errors.internal('failed to allocate a nodePort: range is full');
      take(nodePorts, String(ports.first + n - 1));
      return ports.first + n - 1;
    };
    if (needsNodePort(service)) {
      const list = spec.ports ?? [];
      for (const [i, port] of list.entries()) if (port.nodePort) claim(specPath.child('ports').index(i).child('nodePort'), port.nodePort);
      for (const port of list) {
        if (port.nodePort || !allocatesNodePorts(service)) continue;
        // One number for TCP and UDP on the same port.
        const twin = list.find((p) => p !== port && p.port === port.port && p.protocol !== port.protocol && p.nodePort);
        const taken = list.some((p) => p !== port && p.nodePort === twin?.nodePort && p.protocol === port.protocol);
        port.nodePort = twin?.nodePort !== undefined && !taken ? twin.nodePort : pick();
      }
    }
    if (!needsHealthCheckNodePort(service)) return;
    if (spec.healthCheckNodePort) claim(specPath.child('healthCheckNodePort'), spec.healthCheckNodePort);
    else spec.healthCheckNodePort = pick();
  }
}

function invalid(service: Service, add: (problems: FieldErrors) => void) {
  const problems = new FieldErrors();
  add(problems);
  return errors.invalid(Service, service.metadata.name ?? '', problems.list);
}

const familyOf = (ip: string) => (ip.includes(':') ? 'IPv6' : 'IPv4');

/** ipFamilies and ipFamilyPolicy as the cluster's ranges and the given addresses have them (KEP-563). */
function setFamilies(service: Service, ranges: readonly IpRange[]): void {
  const spec: ServiceSpec = service.spec ?? {};
  if (!needsClusterIp(service)) return;
  const [primary] = ranges;
  if (primary === undefined) return;
  const given = (spec.clusterIPs ?? []).filter((ip) => ip !== 'None' && ip !== '');
  const policyPath = specPath.child('ipFamilyPolicy');
  // Endpoints of a Service without selector may be of any family, whatever the cluster's.
  const anyFamily = isHeadless(service) && !Object.keys(spec.selector ?? {}).length;
  const policy =
    spec.ipFamilyPolicy ??
    (anyFamily ? 'RequireDualStack' : given.length > 1 || (spec.ipFamilies?.length ?? 0) > 1 ? undefined : 'SingleStack');
  if (policy === undefined)
    throw invalid(service, (e) => e.required(policyPath, 'ipFamilyPolicy must be set when more than one family or address is given'));
  const families = spec.ipFamilies?.length ? [...spec.ipFamilies] : given.length > 0 ? given.map(familyOf) : [primary.family];
  const dual = ranges.length > 1;
  if (policy === 'RequireDualStack' && !dual && !anyFamily)
    throw invalid(service, (e) => e.invalid(policyPath, policy, 'this cluster is not configured for dual-stack services'));
  for (const [i, family] of families.entries())
    if (!anyFamily && !ranges.some((r) => r.family === family))
      throw invalid(service, (e) => e.invalid(specPath.child('ipFamilies').index(i), family, 'not configured on this cluster'));
  const first = families[0] ?? primary.family;
  if (policy === 'SingleStack') {
    if (families.length > 1)
      throw invalid(service, (e) =>
        e.invalid(policyPath, policy, `must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified`),
      );
  } else if ((dual || (anyFamily && policy === 'RequireDualStack')) && families.length === 1)
    families.push(first === 'IPv4' ? 'IPv6' : 'IPv4');
  spec.ipFamilyPolicy = policy;
  spec.ipFamilies = families.map((f) => (f === 'IPv6' ? 'IPv6' : 'IPv4'));
}
