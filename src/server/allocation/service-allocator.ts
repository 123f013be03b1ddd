import {
  allocatesNodePorts,
  errors,
  FieldPath,
  isHeadless,
  needsClusterIp,
  needsHealthCheckNodePort,
  needsNodePort,
  Service,
} from '../../api/index.ts';
import type { Random } from '../../time/index.ts';
import type { AllocationMetrics, AllocationScope } from '../metrics/allocation-metrics.ts';
import type { WriteHook } from '../request.ts';
import { follow, type Storages } from '../storages.ts';
import type { Claims } from './claims.ts';
import type { IpRange } from './ip-range.ts';
import type { PortRange } from './port-range.ts';
import { addressBand, pickFree, portBand, Reservations } from './reservations.ts';
import { settleFamilies } from './service-families.ts';
import { addressesOf, portsOf, refuseService } from './service-fields.ts';
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
  metrics?: AllocationMetrics;
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
  scope: AllocationScope;
}

type Take = (pool: Reservations, value: string, scope: AllocationScope) => void;

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
  const { ranges, ports, random, claims, metrics } = options;
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

  metrics?.observe(
    () =>
      present.all().map((range) => {
        const taken = addresses.count((ip) => range.contains(ip));
        return { cidr: range.cidr, taken, free: range.size - taken };
      }),
    () => {
      const taken = nodePorts.count(() => true);
      return { taken, free: ports.last - ports.first + 1 - taken };
    },
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
          if (!claims || dryRun || taken.length === 0) {
            if (!dryRun) count(taken);
            return (succeeded) => {
              if (!succeeded || dryRun) undo();
            };
          }
          const others = new Set(await claims.claim(taken.map(claimOf), owner).catch(failing(undo)));
          if (others.size === 0) {
            count(taken);
            return (succeeded) => {
              if (succeeded) return;
              undo();
              claims.release(taken.map(claimOf), owner).catch(options.onError);
            };
          }
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

  function count(taken: readonly Taken[]): void {
    for (const { pool, value, scope } of taken) {
      if (pool === nodePorts) metrics?.port(scope);
      else metrics?.address(present.all().find((range) => range.contains(value))?.cidr ?? '', scope);
    }
  }

  /** Gives the Service what it needs; it is reserved for it from here on. */
  function allocate(next: Service, prev: Service | undefined, owner: string): Taken[] {
    const taken: Taken[] = [];
    const take: Take = (pool, value, scope) => {
      pool.reserve(value, owner);
      taken.push({ pool, value, scope });
    };
    try {
      settleFamilies(next, prev, ranges);
      const held = new Set(prev === undefined ? [] : addressesOf(prev));
      allocateAddresses(next, prev, held, take);
      const heldPorts = new Set(prev === undefined ? [] : portsOf(prev));
      allocatePorts(next, prev, heldPorts, take);
      return taken;
    } catch (error) {
      for (const { pool, value } of taken) pool.giveBack(value, owner);
      throw error;
    }
  }

  function claimOf({ pool, value }: Taken): string {
    return `${pool === addresses ? 'clusterips' : 'nodeports'}/${value}`;
  }

  function allocateAddresses(service: Service, prev: Service | undefined, held: ReadonlySet<string>, take: Take): void {
    const spec = service.spec ?? {};
    const had = prev !== undefined && needsClusterIp(prev);
    if (!needsClusterIp(service) || isHeadless(service) || (had && isHeadless(prev))) return;
    const owner = keyOf(service);
    // Those that it has it can't have others for, which is for validation to say.
    const before = (had && prev.spec?.clusterIPs) || [];
    const families = spec.ipFamilies ?? [];
    const given = spec.clusterIPs ?? [];
    spec.clusterIPs = families.map((family, i) => {
      const possible = present.of(family);
      if (possible.length === 0)
        refuseService(service, (e) => e.invalid(specPath.child('ipFamilies').index(i), family, 'not configured on this cluster'));
      const asked = given[i];
      if (asked) {
        if (held.has(asked) || before[i]) return asked;
        const why = !possible.some((range) => range.contains(asked))
          ? 'the provided network does not match the current range'
          : addresses.isFree(asked, owner)
            ? undefined
            : 'provided IP is already allocated';
        if (why !== undefined) {
          metrics?.addressFailed((possible.find((range) => range.contains(asked)) ?? possible[0])?.cidr ?? '', 'static');
          refuseService(service, (e) => e.invalid(specPath.child('clusterIPs'), given, `failed to allocate IP ${asked}: ${why}`));
        }
        take(addresses, asked, 'static');
        return asked;
      }
      const ip = freeAddress(possible);
      if (ip === undefined) {
        for (const { cidr } of possible) metrics?.addressFailed(cidr, 'dynamic');
        throw errors.internal('failed to allocate a serviceIP: range is full');
      }
      take(addresses, ip, 'dynamic');
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

  function allocatePorts(service: Service, prev: Service | undefined, held: ReadonlySet<number>, take: Take): void {
    const spec = service.spec ?? {};
    const owner = keyOf(service);
    const size = ports.last - ports.first + 1;
    /** What is wrong with asking for a port; undefined where it has been taken. */
    const claim = (port: number): string | undefined => {
      if (held.has(port)) return undefined;
      if (port < ports.first || port > ports.last)
        return `provided port is not in the valid range. The range of valid ports is ${ports.first}-${ports.last}`;
      if (!nodePorts.isFree(String(port), owner)) {
        metrics?.portFailed('static');
        return 'provided port is already allocated';
      }
      take(nodePorts, String(port), 'static');
      return undefined;
    };
    const pick = (): number => {
      const n = pickFree(size, portBand(size), random, (i) => nodePorts.isTaken(String(ports.first + i - 1)));
      if (n === undefined) {
        metrics?.portFailed('dynamic');
        throw errors.internal('failed to allocate a nodePort: range is full');
      }
      take(nodePorts, String(ports.first + n - 1), 'dynamic');
      return ports.first + n - 1;
    };
    if (needsNodePort(service)) {
      const list = spec.ports ?? [];
      /** The node ports that a new Service asks for, with the port that each is for: only its protocols may share one. */
      const askedFor = new Map<number, number>();
      for (const [i, { nodePort, port }] of list.entries()) {
        const isElsewhere = nodePort !== undefined && prev === undefined && (askedFor.get(nodePort) ?? port) !== port;
        const why = isElsewhere ? 'provided port is already allocated' : nodePort ? claim(nodePort) : undefined;
        if (nodePort) askedFor.set(nodePort, port);
        if (why !== undefined) refuseService(service, (e) => e.invalid(specPath.child('ports').index(i).child('nodePort'), nodePort, why));
      }
      for (const port of list) {
        if (port.nodePort || !allocatesNodePorts(service)) continue;
        // One number for TCP and UDP on the same port, if they come together.
        const twin = prev ? undefined : list.find((p) => p !== port && p.port === port.port && p.protocol !== port.protocol && p.nodePort);
        const taken = list.some((p) => p !== port && p.nodePort === twin?.nodePort && p.protocol === port.protocol);
        port.nodePort = twin?.nodePort !== undefined && !taken ? twin.nodePort : pick();
      }
    }
    // Once it is there it does not change.
    if (!needsHealthCheckNodePort(service) || (prev && needsHealthCheckNodePort(prev))) return;
    const asked = spec.healthCheckNodePort;
    const why = asked ? claim(asked) : undefined;
    if (why !== undefined) throw errors.internal(`failed to allocate requested HealthCheck NodePort ${asked}: ${why}`);
    spec.healthCheckNodePort = asked || pick();
  }
}
