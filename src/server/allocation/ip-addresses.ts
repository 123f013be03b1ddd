import { hasReason, IPAddress, Service } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { follow, type Storages } from '../storages.ts';
import { addressesOf } from './service-fields.ts';

const managedBy = 'ipaddress.kubernetes.io/managed-by';
const ipFamily = 'ipaddress.kubernetes.io/ip-family';
const manager = 'ipallocator.k8s.io';

export interface IpAddressOptions {
  storages: Storages;
  /** Writes as the server itself. */
  client: Client;
  signal: AbortSignal;
  onError(error: unknown): void;
}

interface Owner {
  namespace?: string;
  name?: string;
}

const isOf = ({ spec }: IPAddress, { namespace = '', name }: Owner): boolean =>
  spec?.parentRef?.resource === 'services' && spec.parentRef.name === name && (spec.parentRef.namespace ?? '') === namespace;

/**
 * Keeps an IPAddress for each cluster IP of a Service (KEP-1880). Services are the truth: these objects follow them, and what a crash
 * left missing or over is put right at the next start. Resolves once those of the present Services exist.
 */
export async function keepIpAddresses({ storages, client, signal, onError }: IpAddressOptions): Promise<void> {
  const owners = new Map<string, Owner>();
  const held = new Map<string, readonly string[]>();
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

  const write = (ip: string, { namespace = '', name = '' }: Owner) =>
    client.create(
      IPAddress,
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IPAddress',
        metadata: { name: ip, labels: { [ipFamily]: ip.includes(':') ? 'IPv6' : 'IPv4', [managedBy]: manager } },
        spec: { parentRef: { resource: 'services', namespace, name } },
      },
      { signal },
    );
  const remove = async ({ metadata: { name, uid } }: IPAddress) => {
    try {
      await client.delete(IPAddress, name, { preconditions: { uid }, signal });
    } catch (error) {
      if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
    }
  };
  const read = async (ip: string): Promise<IPAddress | undefined> => {
    try {
      return await client.get(IPAddress, ip, { signal });
    } catch (error) {
      if (hasReason(error, 'NotFound')) return undefined;
      throw error;
    }
  };
  const ensure = async (ip: string) => {
    const owner = owners.get(ip);
    if (owner === undefined) return;
    try {
      await write(ip, owner);
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      // What an earlier holder left; what it says can't be changed.
      const present = await read(ip);
      if (present === undefined || isOf(present, owner)) return;
      await remove(present);
      await write(ip, owner);
    }
  };
  const release = async (ip: string, owner: Owner) => {
    const present = owners.has(ip) ? undefined : await read(ip);
    if (present !== undefined && isOf(present, owner)) await remove(present);
  };
  /** Another server may have seen a Service that this one is yet to see. */
  const isHeld = async (ip: string, { namespace = '', name = '' }: Owner) => {
    try {
      return addressesOf(await client.get(Service, name, { namespace, signal })).includes(ip);
    } catch (error) {
      if (hasReason(error, 'NotFound')) return false;
      throw error;
    }
  };
  const sweep = async () => {
    const { items } = await client.list(IPAddress, { labelSelector: `${managedBy}=${manager}`, signal });
    for (const item of items) {
      const ip = item.metadata.name;
      if (!owners.has(ip) && !(await isHeld(ip, item.spec?.parentRef ?? {}))) await remove(item);
    }
    const present = new Set(items.map(({ metadata }) => metadata.name));
    for (const ip of owners.keys()) if (!present.has(ip)) await ensure(ip);
  };

  const drop = (uid: string, kept: readonly string[] = []) => {
    for (const ip of held.get(uid) ?? []) {
      if (kept.includes(ip)) continue;
      const owner = owners.get(ip);
      owners.delete(ip);
      if (owner) enqueue(() => release(ip, owner));
    }
  };
  await follow(
    storages(Service),
    {
      reset() {
        owners.clear();
        held.clear();
        enqueue(sweep);
      },
      set(service) {
        const { uid, namespace, name } = service.metadata;
        const ips = addressesOf(service);
        drop(uid, ips);
        held.set(uid, ips);
        for (const ip of ips) {
          if (owners.has(ip)) continue;
          owners.set(ip, { name, ...(namespace ? { namespace } : {}) });
          enqueue(() => ensure(ip));
        }
      },
      remove({ metadata }) {
        drop(metadata.uid);
        held.delete(metadata.uid);
      },
    },
    { signal, onError },
  );
  await work;
}
