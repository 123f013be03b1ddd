/** Ranges as `ip` and routes name them: a range, or a single address. */
import { type Cidr, cidrContains, networkOf, parseCidr, parseIp } from '../../api/index.ts';

function blockOf(text: string): Cidr | undefined {
  const address = parseIp(text);
  return address ? { address, prefixLength: address.family === 4 ? 32 : 128 } : parseCidr(text);
}

/** Whether two ranges share an address. What is no range (a route's `default`) shares none. */
export function overlaps(a: string, b: string): boolean {
  const [x, y] = [blockOf(a), blockOf(b)];
  return x !== undefined && y !== undefined && (cidrContains(x, networkOf(y)) || cidrContains(y, networkOf(x)));
}

export const contains = (cidr: string, address: string): boolean => parseIp(address) !== undefined && overlaps(cidr, address);
