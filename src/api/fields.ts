/**
 * Validation errors in upstream's words: where (a field path), what (Required value, Invalid value, ...), and a detail
 * (k8s.io/apimachinery's field errors are what kubectl users know).
 */

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
}

/** `spec.replicas: Invalid value: -1: must be greater than or equal to 0`. */
export function fieldErrorMessage(error: FieldError): string {
  return `${error.field}: ${error.body}`;
}

function quoted(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  return typeof value === 'object' || typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** Collects what is wrong with an object. */
export class FieldErrors {
  readonly list: FieldError[] = [];

  #add(type: FieldErrorType, path: FieldPath, label: string, detail: string): void {
    this.list.push({ type, field: path.toString() || '<nil>', body: detail === '' ? label : `${label}: ${detail}` });
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

  /** Upstream names the values in the order of its code: `"OnFailure", "Never"`; sets come sorted. */
  notSupported(path: FieldPath, value: unknown, supported: readonly string[]): void {
    this.#add(
      'FieldValueNotSupported',
      path,
      `Unsupported value: ${quoted(value)}`,
      `supported values: ${supported.map((s) => JSON.stringify(s)).join(', ')}`,
    );
  }

  notFound(path: FieldPath, value: unknown, detail = ''): void {
    this.#add('FieldValueNotFound', path, `Not found: ${quoted(value)}`, detail);
  }

  forbidden(path: FieldPath, detail: string): void {
    this.#add('FieldValueForbidden', path, 'Forbidden', detail);
  }

  tooLong(path: FieldPath, max: number): void {
    this.#add('FieldValueTooLong', path, 'Too long', max >= 0 ? `may not be more than ${max} bytes` : 'value is too long');
  }

  tooMany(path: FieldPath, actual: number, max: number): void {
    this.#add('FieldValueTooMany', path, `Too many: ${actual}`, max >= 0 ? `must have at most ${max} items` : 'has too many items');
  }

  internal(path: FieldPath, detail: string): void {
    this.#add('InternalError', path, 'Internal error', detail);
  }
}
