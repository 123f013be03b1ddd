/**
 * The JSONPath of printer columns, scale paths and selectable fields: fields, indices, wildcards and filters by equality, which is
 * what upstream's `client-go/util/jsonpath` is given there (`.status.conditions[?(@.type=="Ready")].status`).
 */
import { isJsonObject } from '../json-object.ts';

type Step =
  | { kind: 'field'; name: string }
  | { kind: 'index'; at: number }
  | { kind: 'all' }
  | { kind: 'descend'; name: string }
  | { kind: 'filter'; path: readonly Step[]; operator: string; value: unknown };

export class JsonPathError extends Error {
  override readonly name = 'JsonPathError';
}

const fieldPattern = /(?:\\.|[^.[\]\\\s])+/y;
const bracketPattern =
  /\[\s*(?:(\*)|(-?\d+)|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|\?\(\s*@([^=!<>]*?)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*\))\s*\]/y;

function literal(text: string): unknown {
  const quoted = /^'(.*)'$/s.exec(text) ?? /^"(.*)"$/s.exec(text);
  if (quoted) return quoted[1];
  if (text === 'true' || text === 'false') return text === 'true';
  const number = Number(text);
  if (text === '' || Number.isNaN(number)) throw new JsonPathError(`unrecognized identifier ${text}`);
  return number;
}

function parseSteps(text: string): Step[] {
  const steps: Step[] = [];
  let at = text.startsWith('$') ? 1 : 0;
  while (at < text.length) {
    if (text[at] === '.') {
      const descends = text[at + 1] === '.';
      fieldPattern.lastIndex = at + (descends ? 2 : 1);
      const name = fieldPattern.exec(text)?.[0];
      if (name === undefined) {
        // A lone dot is the object itself, and one before a bracket says nothing.
        if (!descends && (at + 1 === text.length || text[at + 1] === '[')) {
          at++;
          continue;
        }
        throw new JsonPathError(`unexpected path ${text}`);
      }
      at = fieldPattern.lastIndex;
      const plain = name.replace(/\\(.)/g, '$1');
      steps.push(descends ? { kind: 'descend', name: plain } : name === '*' ? { kind: 'all' } : { kind: 'field', name: plain });
      continue;
    }
    bracketPattern.lastIndex = at;
    const match = bracketPattern.exec(text);
    if (!match) throw new JsonPathError(`invalid array index ${text.slice(at)}`);
    at = bracketPattern.lastIndex;
    const [, star, index, single, double, path, operator, value] = match;
    if (star !== undefined) steps.push({ kind: 'all' });
    else if (index !== undefined) steps.push({ kind: 'index', at: Number(index) });
    else if (operator !== undefined) steps.push({ kind: 'filter', path: parseSteps(path ?? ''), operator, value: literal(value ?? '') });
    else steps.push({ kind: 'field', name: (single ?? double ?? '').replace(/\\(.)/g, '$1') });
  }
  return steps;
}

function* childrenOf(value: unknown): Generator<unknown> {
  if (Array.isArray(value)) yield* value;
  else if (isJsonObject(value)) yield* Object.values(value);
}

function* descendants(value: unknown, name: string): Generator<unknown> {
  if (isJsonObject(value) && Object.hasOwn(value, name)) yield value[name];
  for (const child of childrenOf(value)) yield* descendants(child, name);
}

function holds(found: unknown, operator: string, wanted: unknown): boolean {
  if (operator === '==') return found === wanted;
  if (operator === '!=') return found !== wanted;
  if (typeof found !== typeof wanted || (typeof found !== 'number' && typeof found !== 'string')) return false;
  // Of one type, as was just seen.
  const [a, b] = [found, wanted as typeof found];
  return operator === '<' ? a < b : operator === '>' ? a > b : operator === '<=' ? a <= b : a >= b;
}

function apply(step: Step, value: unknown): Iterable<unknown> {
  switch (step.kind) {
    case 'field':
      return isJsonObject(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : [];
    case 'index': {
      if (!Array.isArray(value)) return [];
      const at = step.at < 0 ? value.length + step.at : step.at;
      return at >= 0 && at < value.length ? [value[at]] : [];
    }
    case 'all':
      return childrenOf(value);
    case 'descend':
      return descendants(value, step.name);
    case 'filter':
      return [...childrenOf(value)].filter((child) => {
        const found = walk(step.path, child);
        return found.length > 0 && holds(found[0], step.operator, step.value);
      });
  }
}

function walk(steps: readonly Step[], value: unknown): unknown[] {
  let values = [value];
  for (const step of steps) {
    values = values.flatMap((v) => [...apply(step, v)]);
    if (values.length === 0) break;
  }
  return values;
}

/**
 * Compiles a path; the function gives all values found there.
 * @throws JsonPathError
 */
export function compileJsonPath(path: string): (value: unknown) => unknown[] {
  const steps = parseSteps(path.trim());
  return (value) => walk(steps, value);
}
