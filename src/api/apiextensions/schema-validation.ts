/** Values held against an OpenAPI v3 schema, in the words of upstream's validator (kube-openapi's `validate`). */
import { deepEqual } from '../equality.ts';
import { type FieldError, FieldErrors, FieldPath } from '../fields.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import { compileRegularExpression, searchSteps } from '../regular-expression.ts';
import { hasFormat } from '../string-formats.ts';
import { correlate } from './list-types.ts';
import { itemSchema, propertySchema } from './schema-parts.ts';

function typeOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value === 'bigint' ? 'integer' : typeof value;
}

/** Of what no number holds, an integral factor is held against all of its digits. */
const isMultiple = (value: number | bigint, of: number) =>
  typeof value === 'bigint' && Number.isInteger(of) ? value % BigInt(of) === 0n : Number.isInteger(Number(value) / of);

const none = new FieldPath();

/** What looking for patterns may take in an object, some seconds: upstream has no such limit, but its patterns run while others do. */
const maxSearchSteps = 100_000_000;

/** What validation of one value knows: what the value was before, so that what did not change is not refused (KEP-4008). */
class Validation {
  readonly errors: FieldErrors;
  /** Where the validated value is: messages name what is within it. */
  readonly #base: FieldPath;
  readonly #searches: { left: number };

  constructor(errors: FieldErrors, base: FieldPath, searches = { left: maxSearchSteps }) {
    this.errors = errors;
    this.#base = base;
    this.#searches = searches;
  }

  #name(path: FieldPath): string {
    const name = path.toString();
    return name.slice(this.#base.toString().length).replace(/^\./, '');
  }

  #invalid(path: FieldPath, value: unknown, what: string): void {
    this.errors.invalid(path, value, `${this.#name(path)} in body ${what}`);
  }

  value(schema: JSONSchemaProps, value: unknown, prev: unknown, path: FieldPath): void {
    // An old value that is the same was valid once, or nobody minded: a tightened schema does not lock objects.
    if (prev !== undefined && (prev === value || deepEqual(prev, value))) return;
    if (value === null && schema.nullable) return;
    if (!this.#type(schema, value, path)) return;
    if (schema.enum && !schema.enum.some((allowed) => deepEqual(allowed, value)))
      this.errors.notSupported(
        path,
        value,
        schema.enum.map((v) => (typeof v === 'string' ? v : JSON.stringify(v))),
      );
    if (typeof value === 'number' || typeof value === 'bigint') this.#number(schema, value, path);
    else if (typeof value === 'string') this.#string(schema, value, path);
    else if (Array.isArray(value)) this.#list(schema, value, prev, path);
    else if (isJsonObject(value)) this.#object(schema, value, prev, path);
    this.#logic(schema, value, path);
  }

  #type(schema: JSONSchemaProps, value: unknown, path: FieldPath): boolean {
    const actual = typeOf(value);
    const fail = (wanted: string) => {
      this.errors.typeInvalid(path, actual, `${this.#name(path)} in body must be of type ${wanted}: ${JSON.stringify(actual)}`);
      return false;
    };
    if (schema['x-kubernetes-int-or-string']) return actual === 'integer' || actual === 'string' ? true : fail('integer,string');
    const { type } = schema;
    if (!type) return actual !== 'null' || schema['x-kubernetes-preserve-unknown-fields'] === true || isBare(schema) ? true : fail('');
    return actual === type || (type === 'number' && actual === 'integer') ? true : fail(type);
  }

  #number(schema: JSONSchemaProps, value: number | bigint, path: FieldPath): void {
    const { maximum, minimum, exclusiveMaximum, exclusiveMinimum, multipleOf, format } = schema;
    if (multipleOf !== undefined && multipleOf !== 0 && !isMultiple(value, multipleOf))
      this.#invalid(path, value, `should be a multiple of ${multipleOf}`);
    if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum))
      this.#invalid(path, value, `should be less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`);
    if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum))
      this.#invalid(path, value, `should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`);
    if (format === 'int32' && (value > 2147483647 || value < -2147483648)) this.#invalid(path, value, 'must be of type int32: "integer"');
  }

  #string(schema: JSONSchemaProps, value: string, path: FieldPath): void {
    const { maxLength, minLength, pattern, format } = schema;
    if (maxLength !== undefined || minLength !== undefined) {
      let length = 0;
      for (const _ of value) length++;
      if (maxLength !== undefined && length > maxLength) this.errors.tooLong(path, maxLength);
      if (minLength !== undefined && length < minLength) this.#invalid(path, value, `should be at least ${minLength} chars long`);
    }
    if (pattern) this.#pattern(pattern, value, path);
    if (format && !hasFormat(format, value))
      this.errors.typeInvalid(path, value, `${this.#name(path)} in body must be of type ${format}: ${JSON.stringify(value)}`);
  }

  #pattern(pattern: string, value: string, path: FieldPath): void {
    const expression = compileRegularExpression(pattern);
    this.#searches.left -= searchSteps(expression, value);
    if (this.#searches.left < 0)
      this.errors.invalid(path, 'string', `${this.#name(path)} in body takes too long to be matched against '${pattern}'`);
    else if (!expression.matcher(value).find()) this.#invalid(path, value, `should match '${pattern}'`);
  }

  #list(schema: JSONSchemaProps, value: readonly unknown[], prev: unknown, path: FieldPath): void {
    const { maxItems, minItems } = schema;
    if (minItems !== undefined && value.length < minItems) this.#invalid(path, value.length, `should have at least ${minItems} items`);
    if (maxItems !== undefined && value.length > maxItems) this.errors.tooMany(path, value.length, maxItems);
    const items = itemSchema(schema);
    if (!items) return;
    const before = correlate(schema, prev);
    for (const [i, item] of value.entries()) this.value(items, item, before(item), path.index(i));
  }

  #object(schema: JSONSchemaProps, value: JsonObject, prev: unknown, path: FieldPath): void {
    const keys = Object.keys(value);
    const { maxProperties, minProperties } = schema;
    if (minProperties !== undefined && keys.length < minProperties)
      this.#invalid(path, keys.length, `should have at least ${minProperties} properties`);
    if (maxProperties !== undefined && keys.length > maxProperties) this.errors.tooMany(path, keys.length, maxProperties);
    for (const name of schema.required ?? []) if (!Object.hasOwn(value, name)) this.errors.required(path.child(name));
    const before = isJsonObject(prev) ? prev : undefined;
    for (const key of keys) {
      const property = propertySchema(schema, key);
      if (!property) continue;
      const old = before && Object.hasOwn(before, key) ? before[key] : undefined;
      this.value(property, value[key], old, path.child(key));
    }
  }

  #problems(schema: JSONSchemaProps, value: unknown, path: FieldPath): FieldError[] {
    const nested = new Validation(new FieldErrors(), this.#base, this.#searches);
    nested.value(schema, value, undefined, path);
    return nested.errors.list;
  }

  #logic(schema: JSONSchemaProps, value: unknown, path: FieldPath): void {
    const { allOf, anyOf, oneOf, not } = schema;
    const fail = (what: string) => this.errors.invalid(none, '', `"${path}" must ${what}`);
    if (anyOf?.length) {
      const results = anyOf.map((s) => this.#problems(s, value, path));
      if (results.every((r) => r.length > 0)) {
        fail('validate at least one schema (anyOf)');
        this.errors.list.push(...fewest(results));
      }
    }
    if (oneOf?.length) {
      const results = oneOf.map((s) => this.#problems(s, value, path));
      const valid = results.filter((r) => r.length === 0).length;
      if (valid === 0) {
        fail('validate one and only one schema (oneOf). Found none valid');
        this.errors.list.push(...fewest(results));
      } else if (valid > 1) fail(`validate one and only one schema (oneOf). Found ${valid} valid alternatives`);
    }
    if (allOf?.length) {
      const results = allOf.map((s) => this.#problems(s, value, path));
      const valid = results.filter((r) => r.length === 0).length;
      if (valid < allOf.length) {
        fail(`validate all the schemas (allOf)${valid === 0 ? '. None validated' : ''}`);
        this.errors.list.push(...results.flat());
      }
    }
    if (not && this.#problems(not, value, path).length === 0) fail('not validate the schema (not)');
  }
}

/** Whether a schema says nothing of the type: below a logic junctor none does. */
const isBare = (schema: JSONSchemaProps) => schema.properties === undefined && schema.items === undefined;

const fewest = (results: readonly FieldError[][]): FieldError[] => results.reduce((a, b) => (b.length < a.length ? b : a));

/** Adds what is wrong with a value at `path`. With `prev`, what did not change is not looked at. */
export function validateValue(schema: JSONSchemaProps, value: unknown, path: FieldPath, errors: FieldErrors, prev?: unknown): void {
  new Validation(errors, path).value(schema, value, prev, path);
}
