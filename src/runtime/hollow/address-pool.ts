/** Pod addresses out of one IPv4 range, lowest free first after the one given last, as host-local IPAM does. */
export interface AddressPool {
  take(): string;
  release(address: string): void;
}

const toNumber = (address: string) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const toText = (n: number) => [24, 16, 8, 0].map((shift) => Math.floor(n / 2 ** shift) % 256).join('.');

/** The network's own address, its first host (the gateway) and its broadcast address are never handed out. */
export function addressPool(cidr: string): AddressPool {
  const [network = '', bits = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(bits));
  const base = Math.floor(toNumber(network) / size) * size;
  const taken = new Set<number>();
  let last = 1;
  return {
    take() {
      const hosts = size - 3;
      if (taken.size >= hosts) throw new Error(`no IP addresses available in range set: ${toText(base + 1)}-${toText(base + size - 2)}`);
      do last = last + 1 > size - 2 ? 2 : last + 1;
      while (taken.has(last));
      taken.add(last);
      return toText(base + last);
    },
    release(address) {
      taken.delete(toNumber(address) - base);
    },
  };
}
