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
    .registerType('net.Sets', Sets)
    .registerConstant('sets', 'net.Sets', new Sets())
    .registerFunction('net.Sets.contains(list, list): bool', (_: Sets, a: unknown[], b: unknown[]) => b.every((item) => has(a, item)))
    .registerFunction('net.Sets.intersects(list, list): bool', (_: Sets, a: unknown[], b: unknown[]) => b.some((item) => has(a, item)))
    .registerFunction(
      'net.Sets.equivalent(list, list): bool',
      (_: Sets, a: unknown[], b: unknown[]) => b.every((item) => has(a, item)) && a.every((item) => has(b, item)),
    );
}
