import { addressAt, cidrSize, formatIp, networkOf, parseCidr, parseIp } from '../../api/index.ts';

/** Pod addresses out of one range, lowest free first after the one given last, as host-local IPAM does. */
export interface AddressPool {
  take(): string;
  release(address: string): void;
}

/** The network's own address, its first host (the gateway) and its broadcast address are never handed out. */
export function addressPool(text: string): AddressPool {
  const cidr = parseCidr(text);
  if (!cidr) throw new RangeError(`${JSON.stringify(text)} is no CIDR`);
  const size = Number(cidrSize(cidr));
  const first = networkOf(cidr).value;
  const at = (offset: number) => formatIp(addressAt(cidr, offset));
  const taken = new Set<number>();
  let last = 1;
  return {
    take() {
      const hosts = size - 3;
      if (taken.size >= hosts) throw new Error(`no IP addresses available in range set: ${at(1)}-${at(size - 2)}`);
      do last = last + 1 > size - 2 ? 2 : last + 1;
      while (taken.has(last));
      taken.add(last);
      return at(last);
    },
    release(address) {
      const ip = parseIp(address);
      if (ip) taken.delete(Number(ip.value - first));
    },
  };
}
