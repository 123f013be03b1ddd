/** Elements of merged lists: what tells them apart, and in what order they come. */
import { goType, goValue } from '../go-values.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import { PatchError } from './json-patch.ts';

/** The field by which elements are told apart; none for those that are themselves. */
export type MergeKey = string | undefined;

export const wrongType = (expected: string, actual: unknown): PatchError =>
  new PatchError(`expected a ${expected}, but received a ${actual === null ? '%!s(<nil>)' : goType(actual)}`, 'Unknown');

/** The value of an element's merge key. */
export function mergeKeyOf(item: JsonObject, mergeKey: string): unknown {
  if (!Object.hasOwn(item, mergeKey))
    throw new PatchError(`map: ${goValue(item)} does not contain declared merge key: ${mergeKey}`, 'Unknown');
  return item[mergeKey];
}

/** What an element is known by. Maps without a merge key can't be told apart: of some such patches upstream's server dies, here all are refused. */
export function identityOf(item: unknown, mergeKey: MergeKey): unknown {
  if (mergeKey !== undefined) {
    if (!isJsonObject(item)) throw wrongType('map[string]interface {}', item);
    return mergeKeyOf(item, mergeKey);
  }
  if (isJsonObject(item)) throw new PatchError('cannot merge lists without merge key for struct', 'Unknown');
  return item;
}

/** The first place of each value. */
export function byIdentity(values: readonly unknown[]): Map<unknown, number> {
  const places = new Map<unknown, number>();
  for (const [i, value] of values.entries()) if (value !== undefined && !places.has(value)) places.set(value, i);
  return places;
}

interface Parts {
  named: unknown[];
  others: unknown[];
}

/** Those of a list that another one names, and the others. */
export function partition(list: readonly unknown[], by: readonly unknown[], mergeKey: MergeKey): Parts {
  const names = new Set<unknown>();
  let misfit: number | undefined;
  for (const [i, item] of by.entries()) {
    if (mergeKey === undefined) names.add(identityOf(item, mergeKey));
    else if (isJsonObject(item)) {
      if (Object.hasOwn(item, mergeKey)) names.add(item[mergeKey]);
    } else {
      misfit = i;
      break;
    }
  }
  const parts: Parts = { named: [], others: [] };
  for (const item of list) {
    const isNamed = names.has(identityOf(item, mergeKey));
    if (!isNamed && misfit !== undefined) throw new PatchError(`value for key ${misfit} is not a map`, 'Unknown');
    (isNamed ? parts.named : parts.others).push(item);
  }
  return parts;
}

/** More elements than Go's stable sort takes by insertion. */
const sortBlock = 20;

/** Sorts by places in an order. What is not in the order comes as Go's sort leaves it if told that all such are less than all else. */
function sorted(list: readonly unknown[], places: Map<unknown, number>, mergeKey: MergeKey): unknown[] {
  const placed = list.map((item) => ({ item, place: places.get(identityOf(item, mergeKey)) }));
  if (list.length <= sortBlock && placed.some(({ place }) => place === undefined)) {
    for (let i = 1; i < placed.length; i++)
      for (let j = i; j > 0; j--) {
        const [before, after] = [placed[j - 1], placed[j]];
        if (!before || !after || (before.place !== undefined && after.place !== undefined && after.place >= before.place)) break;
        [placed[j - 1], placed[j]] = [after, before];
      }
  } else placed.sort((a, b) => (a.place ?? -1) - (b.place ?? -1));
  return placed.map(({ item }) => item);
}

/**
 * Elements that the patch names, in its order, among those that only the server has, in the server's: one of these goes before the
 * next of the named ones if it was before that on the server.
 */
export function inOrder(
  { named, others }: Parts,
  order: readonly unknown[],
  serverOrder: readonly unknown[],
  areMaps: boolean,
  mergeKey: MergeKey,
): unknown[] {
  const identify = (item: unknown) => (areMaps ? identityOf(item, mergeKey) : item);
  const places = byIdentity(serverOrder.map(identify));
  const right = sorted(named, byIdentity(order.map(identify)), mergeKey);
  const left = sorted(others, places, mergeKey);
  const out: unknown[] = [];
  let next = 0;
  for (const item of right) {
    const place = places.get(identityOf(item, mergeKey));
    for (let l = left[next]; next < left.length; l = left[++next]) {
      const at = places.get(identityOf(l, mergeKey));
      if (at === undefined || place === undefined || at >= place) break;
      out.push(l);
    }
    out.push(item);
  }
  for (; next < left.length; next++) out.push(left[next]);
  return out;
}
