/** Arithmetic on IPv4 ranges. */

const numberOf = (address: string) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

function rangeOf(cidr: string): [number, number] {
  const [base = '', prefix = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(prefix));
  const first = Math.floor(numberOf(base) / size) * size;
  return [first, first + size - 1];
}

/** Whether two ranges share an address; a single address is a range too. */
export function overlaps(a: string, b: string): boolean {
  const [firstA, lastA] = rangeOf(a);
  const [firstB, lastB] = rangeOf(b);
  return firstA <= lastB && firstB <= lastA;
}

export const contains = (cidr: string, address: string): boolean => overlaps(cidr, `${address}/32`);
