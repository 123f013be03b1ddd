/** IP addresses and CIDR blocks as values: parsing as strict as Go's `netip`, canonical text, containment. Pure. */

/** An address: 4 for IPv4, 6 for IPv6, and its bits. */
export interface IpAddress {
  family: 4 | 6;
  value: bigint;
}

/** A block of addresses; `address` keeps the host bits as they were written. */
export interface Cidr {
  address: IpAddress;
  prefixLength: number;
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    // Leading zeros were once read as octal by some and as decimal by others (CVE-2021-29923): refuse them.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function hexGroups(text: string): bigint[] | undefined {
  if (text === '') return [];
  const groups = text.split(':');
  const out: bigint[] = [];
  for (const [i, group] of groups.entries()) {
    if (group.includes('.') && i === groups.length - 1) {
      const v4 = parseV4(group);
      if (v4 === undefined) return undefined;
      out.push(v4 >> 16n, v4 & 0xffffn);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(group)) out.push(BigInt(`0x${group}`));
    else return undefined;
  }
  return out;
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = hexGroups(halves[0] ?? '');
  const tail = halves.length === 2 ? hexGroups(halves[1] ?? '') : [];
  if (!head || !tail) return undefined;
  // `1.2.3.4::` has its dotted part in the wrong half.
  if (halves.length === 2 && (halves[0] ?? '').includes('.')) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  let value = 0n;
  for (const group of [...head, ...new Array<bigint>(missing).fill(0n), ...tail]) value = (value << 16n) | group;
  return value;
}

/** Reads an IPv4 or IPv6 address without zone; undefined if it is none. */
export function parseIp(text: string): IpAddress | undefined {
  if (text.includes(':')) {
    const value = parseV6(text);
    return value === undefined ? undefined : { family: 6, value };
  }
  const value = parseV4(text);
  return value === undefined ? undefined : { family: 4, value };
}

/** The canonical text (RFC 5952 for IPv6). */
export function formatIp({ family, value }: IpAddress): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn));
  let best = { start: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > best.length) best = { start: i, length: end - i };
    if (end > i) i = end;
  }
  const hex = groups.map((g) => g.toString(16));
  if (best.start < 0) return hex.join(':');
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`;
}

/** Reads `10.0.0.0/8`; undefined if it is no CIDR. */
export function parseCidr(text: string): Cidr | undefined {
  const at = text.indexOf('/');
  if (at < 0) return undefined;
  const address = parseIp(text.slice(0, at));
  const length = text.slice(at + 1);
  if (!address || !/^(0|[1-9]\d{0,2})$/.test(length)) return undefined;
  const prefixLength = Number(length);
  return prefixLength <= (address.family === 4 ? 32 : 128) ? { address, prefixLength } : undefined;
}

const hostBits = (cidr: Cidr) => BigInt((cidr.address.family === 4 ? 32 : 128) - cidr.prefixLength);

/** The block's first address. */
export function networkOf(cidr: Cidr): IpAddress {
  const bits = hostBits(cidr);
  return { family: cidr.address.family, value: (cidr.address.value >> bits) << bits };
}

/** The block's address at an offset from its first one. */
export function addressAt(cidr: Cidr, offset: number): IpAddress {
  const { family, value } = networkOf(cidr);
  return { family, value: value + BigInt(offset) };
}

/** How many addresses the block has. */
export function cidrSize(cidr: Cidr): bigint {
  return 1n << hostBits(cidr);
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp(cidr.address)}/${cidr.prefixLength}`;
}

/** Whether the address lies in the block. */
export function cidrContains(cidr: Cidr, ip: IpAddress): boolean {
  const bits = hostBits(cidr);
  return ip.family === cidr.address.family && ip.value >> bits === cidr.address.value >> bits;
}

/** The text without the zeros that lead IPv4's numbers, and a prefix length. */
const withoutLeadingZeros = (text: string) => text.replace(/(^|[.:/])0+(?=\d+($|[./]))/g, '$1');

/** `::ffff:10.9.8.7`: software disagrees on whether that is an IPv4 address. */
const isMapped = ({ family, value }: IpAddress) => family === 6 && value >> 32n === 0xffffn;

/** `::ffff:10.9.8.7` as the `10.9.8.7` that Go takes it for. */
const unmapped = (ip: IpAddress): IpAddress => (isMapped(ip) ? { family: 4, value: ip.value & 0xffffffffn } : ip);

/** An address as upstream once read it: with leading zeros, mapped into IPv6. `isStrict`: it has neither. */
export function parseLooseIp(text: string): { address: IpAddress; isStrict: boolean } | undefined {
  const strict = parseIp(text);
  const address = strict ?? parseIp(withoutLeadingZeros(text));
  return address && { address: unmapped(address), isStrict: strict !== undefined && !isMapped(strict) };
}

/** As `parseLooseIp`, of a block. */
export function parseLooseCidr(text: string): { cidr: Cidr; isStrict: boolean } | undefined {
  const strict = parseCidr(text);
  const cidr = strict ?? parseCidr(withoutLeadingZeros(text));
  if (!cidr) return undefined;
  const { address, prefixLength } = cidr;
  const mapped = isMapped(address) && prefixLength >= 96;
  return {
    cidr: mapped ? { address: unmapped(address), prefixLength: prefixLength - 96 } : cidr,
    isStrict: strict !== undefined && !isMapped(strict.address),
  };
}

/** What is wrong with an IP address, in upstream's words (KEP-4858). */
export function isIp(text: string): string[] {
  const ip = parseIp(text);
  if (ip) return isMapped(ip) ? ['must not be an IPv4-mapped IPv6 address'] : [];
  return [
    parseIp(withoutLeadingZeros(text)) ? 'must not have leading 0s' : 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
  ];
}

/** As `isIp`, and written as RFC 5952 wants it. */
export function isCanonicalIp(text: string): string[] {
  const wrong = isIp(text);
  const ip = parseIp(text);
  if (wrong.length > 0 || !ip || formatIp(ip) === text) return wrong;
  return [`must be in canonical form (${JSON.stringify(formatIp(ip))})`];
}

/** What is wrong with a CIDR block, in upstream's words (KEP-4858). */
export function isCidr(text: string): string[] {
  const cidr = parseCidr(text);
  if (!cidr)
    return [
      parseCidr(withoutLeadingZeros(text))
        ? 'must not have leading 0s in IP or prefix length'
        : 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ];
  if (isMapped(cidr.address)) return ['must not have an IPv4-mapped IPv6 address'];
  return networkOf(cidr).value === cidr.address.value ? [] : ['must not have bits set beyond the prefix length'];
}

/** As `isCidr`, and written as RFC 5952 wants it. */
export function isCanonicalCidr(text: string): string[] {
  const wrong = isCidr(text);
  const cidr = parseCidr(text);
  if (wrong.length > 0 || !cidr || formatCidr(cidr) === text) return wrong;
  return [`must be in canonical form (${JSON.stringify(formatCidr(cidr))})`];
}
