/** Kubernetes' functions of lists and sets (k8s.io/apiserver/pkg/cel/library/lists.go, google/cel-go/ext/sets.go). */
import type { Environment } from '@marcbachmann/cel-js';
import { spend } from './metering.ts';
import { sameValue } from './values.ts';

type Ordered = string | number | bigint | boolean | Date;

function sorted(list: readonly Ordered[]): boolean {
  return list.every((item, i) => {
    const before = list[i - 1];
    return i === 0 || before === undefined || before <= item;
  });
}

function extreme(list: readonly Ordered[], name: 'min' | 'max'): Ordered {
  const [first, ...rest] = list;
  if (first === undefined) throw new Error(`${name} called on empty list`);
  spend(list.length);
  const beats = (item: Ordered, best: Ordered) => (name === 'min' ? item < best : item > best);
  return rest.reduce((best, item) => (beats(item, best) ? item : best), first);
}

const has = (list: readonly unknown[], wanted: unknown) => {
  spend(list.length);
  return list.some((item) => sameValue(item, wanted));
};

class Sets {}
class Lists {}

function flatten(list: readonly unknown[], depth: number): unknown[] {
  spend(list.length);
  return list.flatMap((item) => (Array.isArray(item) && depth > 0 ? flatten(item, depth - 1) : [item]));
}

const compare = (a: Ordered, b: Ordered) => (a < b ? -1 : a > b ? 1 : 0);

export function registerListFunctions(environment: Environment): void {
  environment
    .registerFunction('list.isSorted(): bool', (list: Ordered[]) => sorted(list))
    .registerFunction('list<int>.sum(): int', (list: bigint[]) => list.reduce((a, b) => a + b, 0n))
    .registerFunction('list<double>.sum(): double', (list: number[]) => list.reduce((a, b) => a + b, 0))
    .registerFunction('list.min(): dyn', (list: Ordered[]) => extreme(list, 'min'))
    .registerFunction('list.max(): dyn', (list: Ordered[]) => extreme(list, 'max'))
    .registerFunction('list.indexOf(dyn): int', (list: unknown[], wanted: unknown) => {
      spend(list.length);
      return BigInt(list.findIndex((item) => sameValue(item, wanted)));
    })
    .registerFunction('list.lastIndexOf(dyn): int', (list: unknown[], wanted: unknown) => {
      spend(list.length);
      return BigInt(list.findLastIndex((item) => sameValue(item, wanted)));
    })
    .registerFunction('list.distinct(): list', (list: unknown[]) => {
      const out: unknown[] = [];
      for (const item of list) if (!has(out, item)) out.push(item);
      return out;
    })
    .registerFunction('list.slice(int, int): list', (list: unknown[], from: bigint, to: bigint) => {
      if (from < 0n || to < 0n) throw new Error(`cannot slice(${from}, ${to}), negative indexes not supported`);
      if (from > to) throw new Error(`cannot slice(${from}, ${to}), start index must be less than or equal to end index`);
      if (to > BigInt(list.length)) throw new Error(`cannot slice(${from}, ${to}), list is length ${list.length}`);
      spend(Number(to - from));
      return list.slice(Number(from), Number(to));
    })
    .registerFunction('list.flatten(): list', (list: unknown[]) => flatten(list, 1))
    .registerFunction('list.flatten(int): list', (list: unknown[], depth: bigint) => {
      if (depth < 0n) throw new Error('level must be non-negative');
      return flatten(list, Number(depth));
    })
    .registerFunction('list.reverse(): list', (list: unknown[]) => {
      spend(list.length);
      return list.toReversed();
    })
    .registerFunction('list.sort(): list', (list: Ordered[]) => {
      spend(list.length * Math.max(1, Math.log2(list.length || 1)));
      return list.toSorted(compare);
    })
    .registerType('net.Lists', Lists)
    .registerConstant('lists', 'net.Lists', new Lists())
    .registerFunction('net.Lists.range(int): list<int>', (_: Lists, count: bigint) => {
      // Paid for before it is made.
      spend(Math.max(0, Number(count)));
      return Array.from({ length: Math.max(0, Number(count)) }, (_, i) => BigInt(i));
    })
    .registerType('net.Sets', Sets)
    .registerConstant('sets', 'net.Sets', new Sets())
    .registerFunction('net.Sets.contains(list, list): bool', (_: Sets, a: unknown[], b: unknown[]) => b.every((item) => has(a, item)))
    .registerFunction('net.Sets.intersects(list, list): bool', (_: Sets, a: unknown[], b: unknown[]) => b.some((item) => has(a, item)))
    .registerFunction(
      'net.Sets.equivalent(list, list): bool',
      (_: Sets, a: unknown[], b: unknown[]) => b.every((item) => has(a, item)) && a.every((item) => has(b, item)),
    );
}
