/**
 * Validation errors in upstream's words: where (a field path), what (Required value, Invalid value, ...), and a detail
 * (k8s.io/apimachinery's field errors are what kubectl users know).
 */

import { htmlSafe } from './json-object.ts';

/** A place in an object: `spec.containers[0].ports[name]`. Immutable; each step makes a new path. */
export class FieldPath {
  readonly #text: string;

  constructor(text = '') {
    this.#text = text;
  }

  child(...names: string[]): FieldPath {
    let text = this.#text;
    for (const name of names) text = text === '' ? name : `${text}.${name}`;
    return new FieldPath(text);
  }

  index(i: number): FieldPath {
    return new FieldPath(`${this.#text}[${i}]`);
  }

  /** A map entry. */
  key(key: string): FieldPath {
    return new FieldPath(`${this.#text}[${key}]`);
  }

  toString(): string {
    return this.#text;
  }
}

/** Status causes' reasons (metav1.CauseType). */
export type FieldErrorType =
  | 'FieldValueNotFound'
  | 'FieldValueRequired'
  | 'FieldValueDuplicate'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid'
  | 'InternalError';

export interface FieldError {
  type: FieldErrorType;
  field: string;
  /** What follows the field in the message: `Invalid value: "x": must be ...`. */
  body: string;
  /**
   * An update may keep what is wrong so, as objects have it from before it was refused; with the name of a rule, whatever there is that breaks
   * this rule.
   */
  ratchets?: true | string;
}

/** `spec.replicas: Invalid value: -1: must be greater than or equal to 0`. */
export function fieldErrorMessage(error: FieldError): string {
  return `${error.field}: ${error.body}`;
}

const goEscapes: Record<string, string> = { '\n': '\\n', '\t': '\\t', '\r': '\\r', '\x07': '\\a', '\b': '\\b', '\f': '\\f', '\v': '\\v' };

function goEscape(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  const known = goEscapes[char];
  if (known !== undefined) return known;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
}

/** A text as Go quotes it (`%q`): what can be printed stays as it is. */
export function goQuote(text: string): string {
  const escaped = text.replace(/["\\]/g, '\\$&');
  return `"${/^[ -~]*$/.test(text) ? escaped : escaped.replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, goEscape)}"`;
}

function quoted(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  if (typeof value === 'string') return goQuote(value);
  return typeof value === 'object' ? htmlSafe(JSON.stringify(value)) : String(value);
}

/** Collects what is wrong with an object. */
export class FieldErrors {
  readonly #gates: ((gate: string) => boolean) | undefined;

  /** `gates`: which features are on. */
  constructor(gates?: ((gate: string) => boolean) | undefined) {
    this.#gates = gates;
  }

  /** Whether a feature is on that what is right depends on. */
  isEnabled(gate: string, byDefault: boolean): boolean {
    return this.#gates?.(gate) ?? byDefault;
  }

  /** With nothing in it, for the same features. */
  empty(): FieldErrors {
    return new FieldErrors(this.#gates);
  }

  readonly list: FieldError[] = [];
  /** What is no reason to refuse the object, but worth telling whoever sent it. */
  readonly warnings: string[] = [];

  #add(type: FieldErrorType, path: FieldPath, label: string, detail: string): void {
    const body = detail === '' ? label : `${label}: ${detail}`;
    this.list.push({ type, field: path.toString() || '<nil>', body, ...(this.#ratchets ? { ratchets: this.#ratchets } : {}) });
  }

  #ratchets: boolean | string = false;

  /**
   * What `check` reports is no reason to refuse an update of an object that has the same wrong already; with the name of a `rule`, of one that
   * breaks it anywhere.
   */
  ratcheting(check: () => void, rule: true | string = true): void {
    const outer = this.#ratchets;
    this.#ratchets = rule;
    check();
    this.#ratchets = outer;
  }

  /** Drops what may stay as it was in the object before, of which `previous` tells what is wrong; called only where there is such. */
  dropKept(previous: () => FieldErrors): void {
    if (!this.list.some((error) => error.ratchets)) return;
    const toleratedAs = ({ ratchets, body }: FieldError) => (ratchets === true ? body : ratchets);
    const known = new Set(previous().list.map(toleratedAs));
    const left = this.list.filter((error) => !error.ratchets || !known.has(toleratedAs(error)));
    this.list.splice(0, this.list.length, ...left);
  }

  get ok(): boolean {
    return this.list.length === 0;
  }

  required(path: FieldPath, detail = ''): void {
    this.#add('FieldValueRequired', path, 'Required value', detail);
  }

  invalid(path: FieldPath, value: unknown, detail: string): void {
    this.#add('FieldValueInvalid', path, `Invalid value: ${quoted(value)}`, detail);
  }

  /** As `invalid`, where the value is too much to show (upstream's `OmitValueType`). */
  invalidWhole(path: FieldPath, detail: string): void {
    this.#add('FieldValueInvalid', path, 'Invalid value', detail);
  }

  typeInvalid(path: FieldPath, value: unknown, detail: string): void {
    this.#add('FieldValueTypeInvalid', path, `Invalid value: ${quoted(value)}`, detail);
  }

  duplicate(path: FieldPath, value: unknown, detail = ''): void {
    this.#add('FieldValueDuplicate', path, `Duplicate value: ${quoted(value)}`, detail);
  }

  /** As `duplicate`, where the value is too much to show. */
  duplicateWhole(path: FieldPath): void {
    this.#add('FieldValueDuplicate', path, 'Duplicate value', '');
  }

  /** Upstream names the values in the order of its code: `"OnFailure", "Never"`; sets come sorted. */
  notSupported(path: FieldPath, value: unknown, supported: readonly string[]): void {
    this.#add(
      'FieldValueNotSupported',
      path,
      `Unsupported value: ${quoted(value)}`,
      `supported values: ${supported.map(goQuote).join(', ')}`,
    );
  }

  notFound(path: FieldPath, value: unknown, detail = ''): void {
    this.#add('FieldValueNotFound', path, `Not found: ${quoted(value)}`, detail);
  }

  forbidden(path: FieldPath, detail: string): void {
    this.#add('FieldValueForbidden', path, 'Forbidden', detail);
  }

  tooLong(path: FieldPath, max: number): void {
    this.#add(
      'FieldValueTooLong',
      path,
      'Too long',
      max >= 0 ? `may not be more than ${max} ${max === 1 ? 'byte' : 'bytes'}` : 'value is too long',
    );
  }

  tooMany(path: FieldPath, actual: number, max: number): void {
    this.#add(
      'FieldValueTooMany',
      path,
      `Too many: ${actual}`,
      max >= 0 ? `must have at most ${max} ${max === 1 ? 'item' : 'items'}` : 'has too many items',
    );
  }

  internal(path: FieldPath, detail: string): void {
    this.#add('InternalError', path, 'Internal error', detail);
  }
}
