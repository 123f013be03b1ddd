import { type Cidr, cidrSize, formatCidr, networkOf } from '../../api/index.ts';

/** Equal blocks cut from one: which are taken, and the next that is free. */
export interface CidrSet {
  /** The next free block, in turn; undefined when all are taken. */
  allocate(): string | undefined;
  /** Takes every block that overlaps. */
  occupy(cidr: Cidr): void;
  /** Gives back every block that overlaps. */
  release(cidr: Cidr): void;
}

export function createCidrSet(cluster: Cidr, maskSize: number): CidrSet {
  const { family, value: base } = networkOf(cluster);
  const blockSize = cidrSize({ address: cluster.address, prefixLength: maskSize });
  const count = cidrSize(cluster) / blockSize;
  const taken = new Set<bigint>();
  let next = 0n;

  /** The blocks that `cidr` overlaps. */
  const blocks = (cidr: Cidr): { first: bigint; last: bigint } | undefined => {
    if (cidr.address.family !== family) return undefined;
    const start = networkOf(cidr).value;
    const end = start + cidrSize(cidr) - 1n;
    if (end < base || start >= base + cidrSize(cluster)) return undefined;
    const first = start < base ? 0n : (start - base) / blockSize;
    const last = (end - base) / blockSize;
    return { first, last: last < count ? last : count - 1n };
  };
  const each = (cidr: Cidr, act: (block: bigint) => void): void => {
    const range = blocks(cidr);
    if (range) for (let i = range.first; i <= range.last; i++) act(i);
  };

  return {
    allocate() {
      if (BigInt(taken.size) >= count) return undefined;
      while (taken.has(next)) next = (next + 1n) % count;
      const block = next;
      taken.add(block);
      next = (next + 1n) % count;
      return formatCidr({ address: { family, value: base + block * blockSize }, prefixLength: maskSize });
    },
    occupy: (cidr) => each(cidr, (block) => taken.add(block)),
    release: (cidr) => each(cidr, (block) => taken.delete(block)),
  };
}
