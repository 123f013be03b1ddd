import { semanticEqual } from '../equality.ts';
import type { TypeNode } from './node.ts';
import { structNode } from './table.ts';

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/**
 * Whether two values of a type that are semantically equal have the same optional structs. To Go an empty one that is there is not
 * none, and to users neither: an empty selector selects all, none selects nothing.
 */
export function haveSameOptionalStructs(node: TypeNode, a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (node.kind === 'list') {
    if (!Array.isArray(a) || !Array.isArray(b)) return true;
    return a.every((item, i) => haveSameOptionalStructs(node.item, item, b[i]));
  }
  if (node.kind !== 'struct' && node.kind !== 'map') return true;
  const [one, other] = [isObject(a) ? a : {}, isObject(b) ? b : {}];
  const agree = (key: string): boolean => {
    const [x, y] = [one[key], other[key]];
    if (x === y) return true;
    if (node.kind === 'map') return haveSameOptionalStructs(node.value, x, y);
    const field = node.byName.get(key);
    if (field === undefined) return true;
    if (field.pointer && field.node.kind === 'struct' && isObject(x) !== isObject(y)) return false;
    return haveSameOptionalStructs(field.node, x, y);
  };
  for (const key in one) if (!agree(key)) return false;
  for (const key in other) if (!Object.hasOwn(one, key) && !agree(key)) return false;
  return true;
}

/** Whether two values of a struct of the table (`core.v1.PodSpec`) are the same to Go. */
export const isSameStruct = (typeName: string, a: unknown, b: unknown): boolean =>
  semanticEqual(a, b) && haveSameOptionalStructs(structNode(typeName), a, b);
