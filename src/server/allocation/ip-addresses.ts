import { IPAddress, Service } from '../../api/index.ts';
import type { EventRecorder } from '../../client/index.ts';
import type { Clock } from '../../time/index.ts';
import { follow, readObject, type Storages } from '../storages.ts';
import { type AddressObjects, isManaged, isOfService, type Owner } from './address-objects.ts';
import { addressesOf } from './service-fields.ts';
import type { ServiceRanges } from './service-ranges.ts';

export interface IpAddressOptions {
  storages: Storages;
  objects: AddressObjects;
  clock: Clock;
  /** As `ipallocator-repair-controller`. */
  events: EventRecorder;
  ranges: ServiceRanges;
  signal: AbortSignal;
  onError(error: unknown): void;
}

/** So long an IPAddress may be there before its Service is: the time that a request to create one may take. */
const graceMs = 60_000;

const familyOf = (ip: string) => (ip.includes(':') ? 'IPv6' : 'IPv4');

/**
 * Holds Services and IPAddresses together (KEP-1880). Who creates a Service makes its IPAddresses first; what a crash, an older
 * version or somebody's hand leaves missing, wrong or over is put right here. Resolves once those of the present Services exist.
 */
export async function keepIpAddresses(options: IpAddressOptions): Promise<void> {
  const { storages, objects, clock, events, ranges, signal, onError } = options;
  const owners = new Map<string, Owner>();
  const held = new Map<string, readonly string[]>();
  /** Those that no range has; one to come may. */
  const outside = new Set<string>();
  /** IPAddresses whose Service is not there (yet). */
  const orphans = new Set<string>();
  let isWaiting = false;
  let work = Promise.resolve();
  /** One after the other, so that a deletion never overtakes the creation before it. */
  const enqueue = (task: () => Promise<unknown>) => {
    work = work.then(task).then(
      () => undefined,
      (error: unknown) => {
        if (!signal.aborted) onError(error);
      },
    );
  };
  const warn = (regarding: Service | IPAddress, reason: string, action: string, message: string) =>
    events.event(regarding, 'Warning', reason, message, { action });

  const known = async (ip: string) => readObject(storages, IPAddress, '', ip);
  const ensure = async (ip: string) => {
    const owner = owners.get(ip);
    if (owner === undefined) return;
    orphans.delete(ip);
    const service = await readObject(storages, Service, owner.namespace ?? '', owner.name ?? '');
    if (service === undefined || !addressesOf(service).includes(ip)) return;
    const address = `[${familyOf(ip)}]: ${ip}`;
    const tell = (reason: string, message: string) => warn(service, reason, 'ClusterIPAllocation', message);
    if (!ranges.contains(ip)) {
      outside.add(ip);
      tell('ClusterIPOutOfRange', `Cluster IP ${address} is not within any configured Service CIDR; please recreate service`);
      return;
    }
    outside.delete(ip);
    const present = await known(ip);
    if (!(await objects.restore(ip, owner, present))) return;
    const { namespace, name } = service.metadata;
    if (present === undefined) tell('ClusterIPNotAllocated', `Cluster IP ${address} is not allocated; repairing`);
    else tell('ClusterIPNotAllocated', `the ClusterIP ${address} for Service ${namespace}/${name} has a wrong reference; repairing`);
  };
  const release = async (ip: string, owner: Owner) => {
    if (!owners.has(ip)) await objects.release(ip, owner);
  };

  /** What is there for no Service goes, after the time in which one may come. */
  const collect = async () => {
    for (const ip of orphans) {
      const item = await known(ip);
      if (item === undefined || owners.has(ip) || !isManaged(item)) {
        orphans.delete(ip);
        continue;
      }
      if (clock.now() - Date.parse(item.metadata.creationTimestamp) < graceMs) continue;
      orphans.delete(ip);
      const { namespace = '', name = '' } = item.spec?.parentRef ?? {};
      if (isOfService(item) && (await objects.isHeld(ip, { namespace, name }))) continue;
      await objects.remove(item);
      const message = isOfService(item)
        ? `IPAddress: ${ip} for Service ${namespace}/${name} appears to have leaked: cleaning up`
        : `IPAddress ${ip} appears to have been modified, not referencing a Service: cleaning up`;
      warn(item, 'IPAddressNotAllocated', 'IPAddressAllocation', message);
    }
  };
  const wait = async () => {
    isWaiting = true;
    for (;;) {
      enqueue(collect);
      await work;
      if (orphans.size === 0 || signal.aborted) break;
      await clock.sleep(graceMs, signal).catch(() => undefined);
    }
    isWaiting = false;
  };
  const suspect = (ip: string) => {
    orphans.add(ip);
    if (!isWaiting) void wait();
  };

  const drop = (uid: string, kept: readonly string[] = []) => {
    for (const ip of held.get(uid) ?? []) {
      if (kept.includes(ip)) continue;
      const owner = owners.get(ip);
      owners.delete(ip);
      outside.delete(ip);
      if (owner) enqueue(() => release(ip, owner));
    }
  };
  const hold = (service: Service) => {
    const { uid, namespace, name } = service.metadata;
    const ips = addressesOf(service);
    drop(uid, ips);
    held.set(uid, ips);
    for (const ip of ips) {
      const owner = owners.get(ip);
      if (owner === undefined) {
        owners.set(ip, { name, ...(namespace ? { namespace } : {}) });
        enqueue(() => ensure(ip));
      } else if (owner.name !== name || owner.namespace !== namespace)
        warn(
          service,
          'ClusterIPAlreadyAllocated',
          'ClusterIPAllocation',
          `Cluster IP [${familyOf(ip)}]:${ip} was assigned to multiple services; please recreate service`,
        );
    }
  };
  const problems = { signal, onError };
  await follow(
    storages(Service),
    {
      reset() {
        const before = [...owners.keys()];
        owners.clear();
        held.clear();
        enqueue(async () => {
          for (const ip of before) if (!owners.has(ip)) suspect(ip);
        });
      },
      set: hold,
      remove({ metadata }) {
        drop(metadata.uid);
        held.delete(metadata.uid);
      },
    },
    problems,
  );
  await follow(
    storages(IPAddress),
    {
      reset() {
        for (const ip of owners.keys()) enqueue(() => ensure(ip));
      },
      set(item) {
        const ip = item.metadata.name;
        if (owners.has(ip)) enqueue(() => ensure(ip));
        else if (isManaged(item)) suspect(ip);
      },
      remove({ metadata: { name: ip } }) {
        orphans.delete(ip);
        if (owners.has(ip)) enqueue(() => ensure(ip));
      },
    },
    problems,
  );
  ranges.onChange(() => {
    for (const ip of outside) enqueue(() => ensure(ip));
  });
  await work;
}
