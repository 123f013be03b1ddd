/** The IPAddress objects by which Services hold their cluster IPs (KEP-1880). */
import { hasReason, IPAddress, Service } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { addressesOf } from './service-fields.ts';

const managedBy = 'ipaddress.kubernetes.io/managed-by';
const ipFamily = 'ipaddress.kubernetes.io/ip-family';
const manager = 'ipallocator.k8s.io';

/** A Service that has an address. */
export interface Owner {
  namespace?: string;
  name?: string;
}

export interface AddressObjects {
  /** Makes the object of a Service's address. False: somebody else has the address, or keeps it for something that is no Service. */
  claim(ip: string, owner: Owner): Promise<boolean>;
  /** Takes it away, if it is that Service's. */
  release(ip: string, owner: Owner): Promise<void>;
  /** Takes it away, if it still is the one that is known. */
  remove(address: IPAddress): Promise<void>;
  /** Makes it anew where it says anything but that the Service has it. True if it did so. */
  restore(ip: string, owner: Owner, present: IPAddress | undefined): Promise<boolean>;
  /** Whether the Service has the address, as the store has it: another server may have seen what this one is yet to see. */
  isHeld(ip: string, owner: Owner): Promise<boolean>;
}

const familyOf = (ip: string) => (ip.includes(':') ? 'IPv6' : 'IPv4');

/** Whether the server makes and removes it; others are made by who keeps addresses of the range for something of theirs. */
export const isManaged = ({ metadata }: IPAddress): boolean => metadata.labels?.[managedBy] === manager;

export const isOfService = ({ spec }: IPAddress): boolean => !spec?.parentRef?.group && spec?.parentRef?.resource === 'services';

const isOf = (address: IPAddress, { namespace = '', name }: Owner): boolean =>
  isOfService(address) && address.spec?.parentRef?.name === name && (address.spec?.parentRef?.namespace ?? '') === namespace;

export function addressObjects(client: Client, signal: AbortSignal): AddressObjects {
  const write = (ip: string, { namespace = '', name = '' }: Owner) =>
    client.create(
      IPAddress,
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IPAddress',
        metadata: { name: ip, labels: { [ipFamily]: familyOf(ip), [managedBy]: manager } },
        spec: { parentRef: { resource: 'services', namespace, name } },
      },
      { signal },
    );
  /** False: there is one of that name. */
  const isWritten = async (ip: string, owner: Owner): Promise<boolean> => {
    try {
      await write(ip, owner);
      return true;
    } catch (error) {
      if (hasReason(error, 'AlreadyExists')) return false;
      // Not served here: Services have their addresses without.
      if (hasReason(error, 'NotFound')) return true;
      throw error;
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
  const remove = async ({ metadata: { name, uid } }: IPAddress): Promise<void> => {
    try {
      await client.delete(IPAddress, name, { preconditions: { uid }, signal });
    } catch (error) {
      if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
    }
  };
  const isHeld = async (ip: string, { namespace = '', name = '' }: Owner): Promise<boolean> => {
    try {
      return addressesOf(await client.get(Service, name, { namespace, signal })).includes(ip);
    } catch (error) {
      if (hasReason(error, 'NotFound')) return false;
      throw error;
    }
  };
  return {
    remove,
    isHeld,
    async claim(ip, owner) {
      if (await isWritten(ip, owner)) return true;
      const present = await read(ip);
      if (present !== undefined) {
        if (!isManaged(present)) return false;
        if (isOf(present, owner)) return true;
        // What an earlier holder has left.
        if (isOfService(present) && (await isHeld(ip, present.spec?.parentRef ?? {}))) return false;
        await remove(present);
      }
      return isWritten(ip, owner);
    },
    async release(ip, owner) {
      const present = await read(ip);
      if (present !== undefined && isManaged(present) && isOf(present, owner)) await remove(present);
    },
    async restore(ip, owner, present) {
      if (present !== undefined) {
        if (isManaged(present) && isOf(present, owner) && present.metadata.labels?.[ipFamily] === familyOf(ip)) return false;
        await remove(present);
      }
      return isWritten(ip, owner);
    },
  };
}
