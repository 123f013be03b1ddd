import { errors, FieldPath, isHeadless, needsClusterIp, Service } from '../../api/index.ts';
import type { Random } from '../../time/index.ts';
import type { AllocationMetrics, AllocationScope } from '../metrics/allocation-metrics.ts';
import type { WriteHook } from '../request.ts';
import { follow, type Storages } from '../storages.ts';
import type { AddressObjects, Owner } from './address-objects.ts';
import type { Claims } from './claims.ts';
import type { IpRange } from './ip-range.ts';
import { allocateNodePorts } from './node-ports.ts';
import type { PortRange } from './port-range.ts';
import { addressBand, pickFree, Reservations } from './reservations.ts';
import { settleFamilies } from './service-families.ts';
import { addressesOf, portsOf, refuseService } from './service-fields.ts';
import { type ServiceRanges, serviceRanges } from './service-ranges.ts';

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
  /** Where each address has an IPAddress, which is made before the Service. Default: nowhere. */
  objects?: AddressObjects;
  metrics?: AllocationMetrics;
}

export interface ServiceAllocator extends WriteHook<Service> {
  /** Resolves once it knows what the stored Services hold. */
  synced: Promise<void>;
  ranges: ServiceRanges;
}

const specPath = new FieldPath('spec');
/** Owns what others have claimed; no Service has such a uid. */
const elsewhereOwner = '(elsewhere)';

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
  const { ranges, ports, random, claims, objects, metrics } = options;
  const present = serviceRanges(ranges, options);
  const addresses = new Reservations();
  const nodePorts = new Reservations();
  // Not the name: with generateName it may still change.
  const keyOf = (service: Service) => service.metadata.uid;
  /** The giving back of what deleted Services had claimed, which is there for who asks for the same just after. */
  let givenBack: Promise<unknown> = Promise.resolve();
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
        const values = [...addressesOf(service).map((ip) => `clusterips/${ip}`), ...portsOf(service).map((port) => `nodeports/${port}`)];
        const released = claims?.release(values, keyOf(service)).catch(options.onError);
        if (released) givenBack = Promise.all([givenBack, released]);
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
    ranges: present,
    async begin({ next, prev, dryRun }) {
      await synced;
      await givenBack;
      next.spec ??= {};
      const owner = keyOf(next);
      const asked = structuredClone(next.spec);
      /** What others have, kept away from here until it is settled. */
      const elsewhere: Taken[] = [];
      try {
        for (;;) {
          const taken = allocate(next, prev, owner);
          const undo = () => {
            for (const { pool, value } of taken) pool.giveBack(value, owner);
          };
          if (dryRun) {
            // It was told what it would get; nobody is kept from it meanwhile.
            undo();
            return () => {};
          }
          const { lost, release } = await claimAll(taken, next).catch(failing(undo));
          if (lost.length === 0) {
            count(taken);
            return (succeeded) => {
              if (succeeded) return;
              undo();
              release().catch(options.onError);
            };
          }
          undo();
          for (const each of lost) {
            each.pool.reserve(each.value, elsewhereOwner);
            elsewhere.push(each);
          }
          next.spec = structuredClone(asked);
        }
      } finally {
        for (const { pool, value } of elsewhere) pool.giveBack(value, elsewhereOwner);
      }
    },
  };

  /** Makes sure of what was taken here with other servers and with those that keep addresses for themselves: all of it, or none. */
  async function claimAll(taken: readonly Taken[], service: Service): Promise<{ lost: Taken[]; release(): Promise<void> }> {
    const owner = keyOf(service);
    const values = taken.map(claimOf);
    const others = new Set(claims && values.length > 0 ? await claims.claim(values, owner) : []);
    if (others.size > 0) return { lost: taken.filter((each) => others.has(claimOf(each))), release: async () => {} };
    const held: string[] = [];
    const holder: Owner = { name: service.metadata.name, namespace: service.metadata.namespace ?? '' };
    const release = async () => {
      for (const ip of held) await objects?.release(ip, holder);
      await claims?.release(values, owner);
    };
    const lost: Taken[] = [];
    try {
      for (const each of objects ? taken : []) {
        if (each.pool !== addresses) continue;
        const isOurs = await claimObject(each, service, holder);
        if (isOurs) held.push(each.value);
        else lost.push(each);
      }
    } catch (error) {
      await release();
      throw error;
    }
    if (lost.length > 0) await release();
    return { lost, release };
  }

  async function claimObject({ value, scope }: Taken, service: Service, holder: Owner): Promise<boolean> {
    try {
      return (await objects?.claim(value, holder)) ?? true;
    } catch (error) {
      metrics?.addressFailed(cidrOf(value), scope);
      const why = error instanceof Error ? error.message : String(error);
      const [asked, what] = scope === 'dynamic' ? [undefined, 'IP'] : [service.spec.clusterIPs, `IP ${value}`];
      refuseService(service, (e) => e.invalid(specPath.child('clusterIPs'), asked, `failed to allocate ${what}: ${why}`));
      return false;
    }
  }

  function count(taken: readonly Taken[]): void {
    for (const { pool, value, scope } of taken) {
      if (pool === nodePorts) metrics?.port(scope);
      else metrics?.address(cidrOf(value), scope);
    }
  }

  function cidrOf(ip: string): string {
    return present.all().find((range) => range.contains(ip))?.cidr ?? '';
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
      allocateNodePorts(next, prev, {
        range: ports,
        reserved: nodePorts,
        random,
        metrics,
        take: (port, scope) => take(nodePorts, String(port), scope),
      });
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
        throw errors.internal(`failed to allocate a serviceIP for Service ${JSON.stringify(service.metadata.name ?? '')}: range is full`);
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
}
