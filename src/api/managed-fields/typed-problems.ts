import { goSyntax, goType, goValue } from '../go-values.ts';
import { isJsonObject } from '../json-object.ts';
import type { Field, TypeNode } from '../schema/node.ts';
import { elementText } from './field-set.ts';

/** What structured-merge-diff says of a value that is none of its type. */
function mismatch(node: TypeNode, value: unknown): string | undefined {
  const isNumber = typeof value === 'number' || typeof value === 'bigint';
  switch (node.kind) {
    case 'int':
    case 'float':
      return isNumber ? undefined : `expected numeric (int or float), got ${goType(value)}`;
    case 'string':
      return typeof value === 'string' ? undefined : `expected string, got &value.valueUnstructured{Value:${goSyntax(value)}}`;
    case 'bool':
      return typeof value === 'boolean' ? undefined : `expected boolean, got &{${goValue(value)}}`;
    case 'struct':
    case 'map':
      return `expected map, got &{${goValue(value)}}`;
    case 'list':
      return `expected list, got &{${goValue(value)}}`;
    default:
      return undefined;
  }
}

function elementOf(field: Field | undefined, item: unknown, index: number): string {
  if (field?.listType !== 'map' || !isJsonObject(item)) return `[${index}]`;
  const keys = [...field.listMapKeys].sort().filter((name) => item[name] !== undefined);
  return elementText(`k:${JSON.stringify(Object.fromEntries(keys.map((name) => [name, item[name]])))}`);
}

function* problemsOf(node: TypeNode, value: unknown, path: string, field: Field | undefined): Generator<string> {
  if (value === null || value === undefined) return;
  if (node.kind === 'struct' && isJsonObject(value)) {
    for (const [key, item] of Object.entries(value)) {
      const own = node.byName.get(key);
      if (own) yield* problemsOf(own.node, item, `${path}.${key}`, own);
      else if (!node.open) yield `${path}.${key}: field not declared in schema`;
    }
  } else if (node.kind === 'map' && isJsonObject(value))
    for (const [key, item] of Object.entries(value)) yield* problemsOf(node.value, item, `${path}.${key}`, undefined);
  else if (node.kind === 'list' && Array.isArray(value))
    for (const [i, item] of value.entries()) yield* problemsOf(node.item, item, path + elementOf(field, item, i), undefined);
  else {
    const problem = mismatch(node, value);
    if (problem !== undefined) yield `${path}: ${problem}`;
  }
}

/**
 * What of a configuration does not fit its type, in structured-merge-diff's words; undefined where all does. Server-side apply
 * can't do without what it is told of, so that this is no matter of fieldValidation.
 */
export function typedProblems(node: TypeNode, value: unknown): string | undefined {
  const problems = [...problemsOf(node, value, '', undefined)];
  return problems.length > 1 ? ['errors:', ...problems.map((problem) => `  ${problem}`)].join('\n') : problems[0];
}
