/** A range of service addresses, of either family. */
import { addressAt, type Cidr, cidrContains, cidrSize, formatCidr, formatIp, networkOf, parseCidr, parseIp } from '../../api/index.ts';

export interface IpRange {
  readonly cidr: string;
  readonly family: 'IPv4' | 'IPv6';
  /** How many addresses can be given out: without network and, for IPv4, broadcast address; no more than can be counted exactly. */
  readonly size: number;
  contains(ip: string): boolean;
  /** The address at an offset from the network address: 1 is the first one. */
  at(offset: number): string;
}

const maxSize = BigInt(Number.MAX_SAFE_INTEGER);

/** `10.96.0.0/16`. Throws when it is no CIDR. */
export function parseIpRange(text: string): IpRange {
  const cidr: Cidr | undefined = parseCidr(text);
  if (cidr === undefined) throw new Error(`invalid CIDR address: ${text}`);
  const network = networkOf(cidr);
  const family = network.family === 6 ? 'IPv6' : 'IPv4';
  const available = cidrSize(cidr) - (family === 'IPv4' ? 2n : 1n);
  return {
    cidr: formatCidr(cidr),
    family,
    size: Number(available < 0n ? 0n : available > maxSize ? maxSize : available),
    contains(ip) {
      const parsed = parseIp(ip);
      if (parsed === undefined || !cidrContains(cidr, parsed)) return false;
      const offset = parsed.value - network.value;
      return offset >= 1n && offset <= available;
    },
    at: (offset) => formatIp(addressAt(cidr, offset)),
  };
}
