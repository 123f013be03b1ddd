/** Decoded JSON as Go prints it, in messages that upstream writes so. */
import { goQuote } from './fields.ts';
import { htmlSafe, sortedKeys } from './json-object.ts';

const byName = (value: object) => Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));

/** As Go's `%v`: `map[spec:map[replicas:x]]`. */
export function goValue(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goValue).join(' ')}]`;
  if (typeof value !== 'object') return String(value);
  return `map[${byName(value)
    .map(([key, item]) => `${key}:${goValue(item)}`)
    .join(' ')}]`;
}

/** As Go's `%#v`: `map[string]interface {}{"spec":[]interface {}{"x"}}`. */
export function goSyntax(value: unknown): string {
  if (value === null || value === undefined) return 'interface {}(nil)';
  if (typeof value === 'string') return goQuote(value);
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`;
  if (typeof value !== 'object') return String(value);
  return `map[string]interface {}{${byName(value)
    .map(([key, item]) => `${goQuote(key)}:${goSyntax(item)}`)
    .join(', ')}}`;
}

/** As Go's `%T`. */
export function goType(value: unknown): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'number':
      return Number.isInteger(value) ? 'int64' : 'float64';
    case 'object':
      return 'map[string]interface {}';
    default:
      return typeof value;
  }
}

/** As Go's JSON encoder writes it. */
export const goJson = (value: unknown): string => htmlSafe(JSON.stringify(sortedKeys(value)));
