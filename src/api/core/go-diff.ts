/**
 * What changed between two values, in the form of upstream's `cmp.Diff` as its messages show it: Go's field names, unchanged
 * fields counted, removed and added lines marked.
 */
import { semanticEqual } from '../equality.ts';

const goName = (field: string) => field.slice(0, 1).toUpperCase() + field.slice(1);

type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

const line = (mark: ' ' | '-' | '+', depth: number, text: string) => `${mark} ${'\t'.repeat(depth)}${text}`;

function rest(count: number, what: string, depth: number): string[] {
  return count > 0 ? [line(' ', depth, `... // ${count} identical ${what}`)] : [];
}

function changed(label: string, prev: unknown, next: unknown, depth: number): string[] {
  if (isFields(prev) && isFields(next)) return [line(' ', depth, `${label}{`), ...fields(prev, next, depth + 1), line(' ', depth, '},')];
  if (Array.isArray(prev) && Array.isArray(next)) {
    const items: string[] = [];
    let same = 0;
    for (let i = 0; i < Math.max(prev.length, next.length); i++) {
      if (i < prev.length && i < next.length && semanticEqual(prev[i], next[i])) same++;
      else items.push(...changed('', prev[i], next[i], depth + 1));
    }
    return [line(' ', depth, `${label}{`), ...rest(same, 'elements', depth + 1), ...items, line(' ', depth, '},')];
  }
  return [
    ...(prev === undefined ? [] : [line('-', depth, `${label}${JSON.stringify(prev)},`)]),
    ...(next === undefined ? [] : [line('+', depth, `${label}${JSON.stringify(next)},`)]),
  ];
}

function fields(prev: Fields, next: Fields, depth: number): string[] {
  const out: string[] = [];
  let same = 0;
  for (const key of new Set([...Object.keys(prev), ...Object.keys(next)])) {
    if (prev[key] === undefined && next[key] === undefined) continue;
    if (semanticEqual(prev[key], next[key])) same++;
    else out.push(...changed(`${goName(key)}: `, prev[key], next[key], depth));
  }
  return [...out, ...rest(same, 'fields', depth)];
}

/** The difference between two objects of the Go type `typeName`, such as `core.PodSpec`; ends in a line break. */
export function goDiff(typeName: string, prev: object, next: object): string {
  // Objects of the API are JSON objects.
  return `${[`  ${typeName}{`, ...fields(prev as Fields, next as Fields, 1), '  }'].join('\n')}\n`;
}
