/** Label selectors (`k8s.io/apimachinery/pkg/labels`): their string form, the LabelSelector object, and matching. */
import { aggregateMessage } from './aggregate-error.ts';
import { FieldErrors, FieldPath, fieldErrorMessage } from './fields.ts';
import type { LabelSelector } from './generated/meta.v1.ts';
import { isLabelValue, isQualifiedName } from './names.ts';

export type Labels = Readonly<Record<string, string>>;

export type SelectorOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Equals' | 'NotEquals' | 'GreaterThan' | 'LessThan';

export interface Requirement {
  readonly key: string;
  readonly operator: SelectorOperator;
  /** Sorted. */
  readonly values: readonly string[];
}

/** What selects objects by their labels. All requirements must hold. */
export interface Selector {
  readonly requirements: readonly Requirement[];
  matches(labels: Labels | undefined): boolean;
  /** `true` where every object matches. */
  readonly everything: boolean;
  toString(): string;
}

/** A selector that cannot be read; the API server answers 400 with this message. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError';
}

const integer = /^[+-]?\d{1,19}$/;

function satisfies({ key, operator, values }: Requirement, labels: Labels): boolean {
  const has = Object.hasOwn(labels, key);
  const value = has ? (labels[key] ?? '') : '';
  switch (operator) {
    case 'In':
    case 'Equals':
      return has && values.includes(value);
    case 'NotIn':
    case 'NotEquals':
      return !has || !values.includes(value);
    case 'Exists':
      return has;
    case 'DoesNotExist':
      return !has;
    case 'GreaterThan':
    case 'LessThan': {
      if (!has || !integer.test(value)) return false;
      const bound = BigInt(values[0] ?? '0');
      return operator === 'GreaterThan' ? BigInt(value) > bound : BigInt(value) < bound;
    }
  }
}

function requirementText({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'Exists':
      return key;
    case 'DoesNotExist':
      return `!${key}`;
    case 'Equals':
      return `${key}=${values[0]}`;
    case 'NotEquals':
      return `${key}!=${values[0]}`;
    case 'GreaterThan':
      return `${key}>${values[0]}`;
    case 'LessThan':
      return `${key}<${values[0]}`;
    case 'In':
      return `${key} in (${values.join(',')})`;
    case 'NotIn':
      return `${key} notin (${values.join(',')})`;
  }
}

const noLabels: Labels = {};

function makeSelector(requirements: Requirement[]): Selector {
  requirements.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return {
    requirements,
    everything: requirements.length === 0,
    matches(labels = noLabels) {
      for (const requirement of requirements) if (!satisfies(requirement, labels)) return false;
      return true;
    },
    toString: () => requirements.map(requirementText).join(','),
  };
}

/** Selects all. */
export const everything: Selector = makeSelector([]);

/** Selects none: what a nil LabelSelector means. */
export const nothing: Selector = { requirements: [], everything: false, matches: () => false, toString: () => '' };

/** One error with all that is wrong with a value. */
function invalidAltogether(errors: FieldErrors, path: FieldPath, value: string, messages: readonly string[]): void {
  if (messages.length > 0) errors.invalid(path, value, messages.join('; '));
}

function throwUnlessOk(wrong: FieldErrors): void {
  if (wrong.ok) return;
  throw new SelectorError(aggregateMessage(wrong.list.map(fieldErrorMessage)));
}

function makeRequirement(key: string, operator: SelectorOperator, values: readonly string[]): Requirement {
  const wrong = new FieldErrors();
  invalidAltogether(wrong, new FieldPath('key'), key, isQualifiedName(key));
  const at = new FieldPath('values');
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) wrong.invalid(at, null, "for 'in', 'notin' operators, values set can't be empty");
      break;
    case 'Equals':
    case 'NotEquals':
      if (values.length !== 1) wrong.invalid(at, values, 'exact-match compatibility requires one single value');
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) wrong.invalid(at, values, 'values set must be empty for exists and does not exist');
      break;
    default:
      if (values.length !== 1) wrong.invalid(at, values, "for 'Gt', 'Lt' operators, exactly one value is required");
      for (const [i, value] of values.entries())
        if (!integer.test(value)) wrong.invalid(at.index(i), value, "for 'Gt', 'Lt' operators, the value must be an integer");
  }
  for (const [i, value] of values.entries()) invalidAltogether(wrong, at.index(i).key(key), value, isLabelValue(value));
  throwUnlessOk(wrong);
  return { key, operator, values: values.toSorted() };
}

type Token = { kind: 'identifier' | 'end' | '!' | '(' | ')' | ',' | '=' | '==' | '!=' | '>' | '<' | 'error'; text: string };

/** A NUL ends a word or a symbol; where none is begun, it ends the text. */
function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /[ \t\r\n]+|(==|!=|[=!(),<>])\0?|([^ \t\r\n=!(),<>\0]+)\0?/y;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (!match) break;
    const [, symbol, word] = match;
    // The pattern's first group holds just these symbols.
    if (symbol !== undefined) tokens.push({ kind: symbol as Token['kind'], text: symbol });
    else if (word !== undefined) tokens.push({ kind: 'identifier', text: word });
  }
  tokens.push({ kind: 'end', text: '' });
  return tokens;
}

const operators: Record<string, SelectorOperator> = {
  in: 'In',
  notin: 'NotIn',
  '=': 'Equals',
  '==': 'Equals',
  '!=': 'NotEquals',
  '>': 'GreaterThan',
  '<': 'LessThan',
};

class SelectorParser {
  readonly #tokens: Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: '' };
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  parse(): Requirement[] {
    const requirements: Requirement[] = [];
    for (;;) {
      const { kind, text } = this.#peek();
      if (kind === 'end') return requirements;
      if (kind !== 'identifier' && kind !== '!') throw new SelectorError(`found '${text}', expected: !, identifier, or 'end of string'`);
      try {
        requirements.push(this.#requirement());
      } catch (error) {
        if (error instanceof SelectorError) throw new SelectorError(`unable to parse requirement: ${error.message}`);
        throw error;
      }
      const after = this.#next();
      if (after.kind === 'end') return requirements;
      if (after.kind !== ',') throw new SelectorError(`found '${after.text}', expected: ',' or 'end of string'`);
      const following = this.#peek();
      if (following.kind !== 'identifier' && following.kind !== '!')
        throw new SelectorError(`found '${following.text}', expected: identifier after ','`);
    }
  }

  #requirement(): Requirement {
    let token = this.#next();
    const absent = token.kind === '!';
    if (absent) token = this.#next();
    if (token.kind !== 'identifier') throw new SelectorError(`found '${token.text}', expected: identifier`);
    const key = token.text;
    const wrong = new FieldErrors();
    invalidAltogether(wrong, new FieldPath(), key, isQualifiedName(key));
    throwUnlessOk(wrong);
    if (absent) return makeRequirement(key, 'DoesNotExist', []);
    const { kind } = this.#peek();
    if (kind === 'end' || kind === ',') return makeRequirement(key, 'Exists', []);
    const sign = this.#next().text;
    const operator = Object.hasOwn(operators, sign) ? operators[sign] : undefined;
    if (!operator) throw new SelectorError(`found '${sign}', expected: in, notin, =, ==, !=, gt, lt`);
    return makeRequirement(key, operator, operator === 'In' || operator === 'NotIn' ? [...this.#values()].sort() : this.#value());
  }

  #value(): string[] {
    const { kind } = this.#peek();
    if (kind === 'end' || kind === ',') return [''];
    const token = this.#next();
    if (token.kind !== 'identifier') throw new SelectorError(`found '${token.text}', expected: identifier`);
    return [token.text];
  }

  /** `(a,b)`; an empty place stands for the empty string: `(a,)`. */
  #values(): Set<string> {
    const open = this.#next();
    if (open.kind !== '(') throw new SelectorError(`found '${open.text}' expected: '('`);
    const first = this.#peek();
    if (first.kind !== 'identifier' && first.kind !== ',' && first.kind !== ')')
      throw new SelectorError(`found '${first.text}', expected: ',', ')' or identifier`);
    const values = new Set<string>();
    let expectValue = true;
    for (;;) {
      const token = this.#next();
      if (token.kind === ')' || token.kind === ',') {
        if (expectValue) values.add('');
        if (token.kind === ')') return values;
        expectValue = true;
      } else if (!expectValue) throw new SelectorError(`found '${token.text}', expected: ',' or ')'`);
      else if (token.kind !== 'identifier') throw new SelectorError(`found '${token.text}', expected: ',', or identifier`);
      else {
        values.add(token.text);
        expectValue = false;
      }
    }
  }
}

/**
 * Reads `app=web,tier in (front,back),!canary`.
 * @throws SelectorError in upstream's words.
 */
export function parseSelector(text: string): Selector {
  if (text === '') return everything;
  const requirements = new SelectorParser(text).parse();
  return requirements.length === 0 ? everything : makeSelector(requirements);
}

/** A selector of objects that have all these labels. Does not check that they are valid ones. */
export function selectorFromLabels(labels: Labels | undefined): Selector {
  const requirements = Object.entries(labels ?? {}).map(([key, value]): Requirement => ({ key, operator: 'Equals', values: [value] }));
  return requirements.length === 0 ? everything : makeSelector(requirements);
}

const compiled = new WeakMap<object, Selector>();

/**
 * The selector that a LabelSelector object describes: none given selects nothing, an empty one everything. Compiled once for an object,
 * which therefore must not be changed afterwards.
 * @throws SelectorError
 */
export function selectorFromObject(selector: LabelSelector | undefined | null): Selector {
  if (!selector) return nothing;
  const known = compiled.get(selector);
  if (known) return known;
  const requirements: Requirement[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) requirements.push(makeRequirement(key, 'Equals', [value]));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    if (operator !== 'In' && operator !== 'NotIn' && operator !== 'Exists' && operator !== 'DoesNotExist')
      throw new SelectorError(`${JSON.stringify(operator)} is not a valid label selector operator`);
    requirements.push(makeRequirement(key, operator, values ?? []));
  }
  const result = requirements.length === 0 ? everything : makeSelector(requirements);
  compiled.set(selector, result);
  return result;
}

/** `metav1.FormatLabelSelector`: what describe and printer columns show. */
export function formatLabelSelector(selector: LabelSelector | undefined | null): string {
  try {
    return selectorFromObject(selector).toString() || '<none>';
  } catch (error) {
    if (error instanceof SelectorError) return '<error>';
    throw error;
  }
}
