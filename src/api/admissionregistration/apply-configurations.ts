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

/** What is wrong with the names of a configuration's types: `Object.spec` is what the field `spec` of `Object` is of. */
export function typeNameProblem(value: unknown, expected = 'Object'): string | undefined {
  if (Array.isArray(value)) {
    for (const item of value) {
      const problem = typeNameProblem(item, expected);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  if (!(value instanceof ObjectValue)) return undefined;
  if (value.path !== expected)
    return `unexpected type name ${JSON.stringify(value.path)}, expected ${JSON.stringify(expected)}, which matches field name path from root Object type`;
  for (const [key, item] of value.fields) {
    const problem = typeNameProblem(item, `${expected}.${String(key)}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
