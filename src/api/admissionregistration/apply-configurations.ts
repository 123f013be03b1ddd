/** What an apply configuration of a MutatingAdmissionPolicy must keep to. */
import { isJsonObject } from '../json-object.ts';
import type { Field, StructNode, TypeNode } from '../schema/node.ts';
import { ObjectValue } from './mutation-types.ts';

/**
 * The places of atomic lists, maps and structs in a configuration: it would take from them whatever it does not name, so that it
 * may not name them.
 */
export function atomicPlaces(root: StructNode, configuration: unknown): string[] {
  const places: string[] = [];
  const walk = (node: TypeNode, field: Field | undefined, value: unknown, path: string): void => {
    if (isJsonObject(value)) {
      if (node.kind === 'map' && (field?.atomic || node.atomic)) places.push(path);
      if (node.kind !== 'struct') return;
      if (field?.atomic || (node.atomic && !field?.granular)) places.push(path);
      for (const [key, item] of Object.entries(value)) {
        const below = node.byName.get(key);
        if (below) walk(below.node, below, item, `${path}.${key}`);
      }
    } else if (Array.isArray(value) && node.kind === 'list') {
      if ((field?.listType ?? node.listType ?? 'atomic') === 'atomic') places.push(path);
      for (const [i, item] of value.entries()) walk(node.item, undefined, item, `${path}[${i}]`);
    }
  };
  walk(root, undefined, configuration, '');
  return places;
}

/**
 * What is wrong with the names of the types within a value: `Object.spec` is what the field `spec` of `Object` is of. What a whole
 * value is of is its own affair.
 */
export function typeNameProblems(value: unknown, expected = value instanceof ObjectValue ? value.path : ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => typeNameProblems(item, expected));
  if (value instanceof Map) return [...value.values()].flatMap((item) => typeNameProblems(item, expected));
  if (!(value instanceof ObjectValue)) return [];
  const below = [...value.fields].flatMap(([key, item]) => typeNameProblems(item, `${expected}.${key}`));
  if (value.path === expected) return below;
  const own = `unexpected type name ${JSON.stringify(value.path)}, expected ${JSON.stringify(expected)}, which matches field name path from root Object type`;
  return [own, ...below];
}
