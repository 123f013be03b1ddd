/** Values held against an OpenAPI v3 schema, in the words of upstream's validator (kube-openapi's `validate`). */
import { deepEqual } from '../equality.ts';
import { type FieldError, FieldErrors, FieldPath } from '../fields.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import { compileRegularExpression, patternProblem, searchSteps } from '../regular-expression.ts';
import { hasFormat, knownFormat } from '../string-formats.ts';
import { correlate, isUnchanged } from './list-types.ts';
import { itemSchema, propertySchema } from './schema-parts.ts';

/** A value's type, and the format that goes with it: what Go's decoder makes of a number is of 64 bits. */
function typeOf(value: unknown): { type: string; format: string } {
  if (value === null || value === undefined) return { type: 'null', format: '' };
  if (Array.isArray(value)) return { type: 'array', format: '' };
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return { type: 'integer', format: 'int64' };
  return { type: typeof value, format: typeof value === 'number' ? 'float64' : '' };
}

/** Of what no number holds, an integral factor is held against all of its digits. */
const isMultiple = (value: number | bigint, of: number) =>
  typeof value === 'bigint' && Number.isInteger(of) ? value % BigInt(of) === 0n : Number.isInteger(Number(value) / of);

/** Whether a number can be of a type and format. */
function isInRange(value: number | bigint, type: string | undefined, format: string): boolean {
  if (type !== 'integer') return format !== 'float' || Number.isFinite(Math.fround(Number(value)));
  const bits = format === 'int32' ? 32 : 64;
  return (typeof value === 'bigint' || Number.isInteger(value)) && BigInt.asIntN(bits, BigInt(value)) === BigInt(value);
}

const none = new FieldPath();

/** What looking for patterns may take in an object, some seconds: upstream has no such limit, but its patterns run while others do. */
const maxSearchSteps = 100_000_000;

/** What validation of one value knows: what the value was before, so that what did not change is not refused (KEP-4008). */
class Validation {
  readonly errors: FieldErrors;
  /** Where the validated value is: messages name what is within it. */
  readonly #base: FieldPath;
  readonly #searches: { left: number };
  /** How far one got: of alternatives that do not fit, the one is told of that fits best. */
  #visited = 0;

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
    if (prev !== undefined && isUnchanged(schema, prev, value)) return;
    this.#checks(schema, value, prev, path);
  }

  #checks(schema: JSONSchemaProps, value: unknown, prev: unknown, path: FieldPath): void {
    this.#visited++;
    // What is of the wrong type is held against all the rest, too.
    this.#type(schema, value, path);
    if (schema.enum && !schema.enum.some((allowed) => allowed !== null && deepEqual(allowed, value)))
      this.errors.notSupported(
        path,
        value,
        schema.enum.map((v) => (typeof v === 'string' ? v : JSON.stringify(v))),
      );
    if (value === null) return;
    if (typeof value === 'number' || typeof value === 'bigint') this.#number(schema, value, path);
    else if (typeof value === 'string') this.#string(schema, value, path);
    else if (Array.isArray(value)) this.#list(schema, value, prev, path);
    else if (isJsonObject(value)) this.#object(schema, value, prev, path);
    this.#logic(schema, value, path);
  }

  #type(schema: JSONSchemaProps, value: unknown, path: FieldPath): void {
    const types = schema['x-kubernetes-int-or-string'] ? ['integer', 'string'] : schema.type ? [schema.type] : [];
    const wanted = knownFormat(schema);
    const actual = typeOf(value);
    const fail = (type: string, found: string) =>
      this.errors.typeInvalid(path, found, `${this.#name(path)} in body must be of type ${type}: ${JSON.stringify(found)}`);
    const fits = types.includes(actual.type) || (actual.type === 'integer' && types.includes('number'));
    const isText = actual.type === 'string' || actual.type === 'array';
    if (actual.type === 'null') {
      if (types.length > 0 && !schema.nullable) fail(types.join(','), 'null');
    } else if (wanted !== '' && !isText && !fits && actual.format !== wanted) fail(wanted, actual.format);
    // As upstream: what has a format is looked at as a text only.
    else if (wanted !== '' && isText && !types.includes('number') && !types.includes('integer')) this.#visited++;
    else if (types.length > 0 && !fits) fail(types.join(','), actual.type);
    else this.#visited++;
  }

  /** A number that its type and format can't hold. */
  #range(schema: JSONSchemaProps, value: number | bigint, what: string, path: FieldPath): void {
    const format = knownFormat(schema);
    if (isInRange(value, schema.type, format)) return;
    const type = `${schema.type} ${format === '' ? '(default format)' : `with format ${format}`}`;
    this.errors.invalid(none, '', `${what} value must be of type ${type} in ${this.#name(path)}`);
  }

  #number(schema: JSONSchemaProps, value: number | bigint, path: FieldPath): void {
    const { maximum, minimum, exclusiveMaximum, exclusiveMinimum, multipleOf } = schema;
    this.#range(schema, value, 'Checked', path);
    if (multipleOf !== undefined) this.#range(schema, multipleOf, 'MultipleOf', path);
    if (multipleOf !== undefined && multipleOf !== 0 && !isMultiple(value, multipleOf))
      this.#invalid(path, value, `should be a multiple of ${multipleOf}`);
    if (maximum !== undefined) this.#range(schema, maximum, 'Maximum boundary', path);
    if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum))
      this.#invalid(path, value, `should be less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`);
    if (minimum !== undefined) this.#range(schema, minimum, 'Minimum boundary', path);
    if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum))
      this.#invalid(path, value, `should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`);
  }

  #string(schema: JSONSchemaProps, value: string, path: FieldPath): void {
    const { maxLength, minLength, pattern } = schema;
    const format = knownFormat(schema);
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
    const problem = patternProblem(pattern);
    if (problem !== undefined) {
      this.#invalid(path, value, `should match '${pattern}, but pattern is invalid: ${problem}'`);
      return;
    }
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
      // The object's own apiVersion is shown in the version at hand: whether it is as it was can't be seen.
      const isTypeMeta = path === this.#base && (key === 'apiVersion' || key === 'kind');
      const old = before && !isTypeMeta && Object.hasOwn(before, key) ? before[key] : undefined;
      this.value(property, value[key], old, path.child(key));
    }
  }

  /** What is wrong with a value by an alternative, whatever it was before: upstream has it so. */
  #problems(schema: JSONSchemaProps, value: unknown, path: FieldPath): Outcome {
    const nested = new Validation(new FieldErrors(), this.#base, this.#searches);
    nested.#checks(schema, value, undefined, path);
    return { list: nested.errors.list, visited: nested.#visited };
  }

  #logic(schema: JSONSchemaProps, value: unknown, path: FieldPath): void {
    const { allOf, anyOf, oneOf, not } = schema;
    const fail = (what: string) => this.errors.invalid(none, '', `"${this.#name(path)}" must ${what}`);
    const outcomes = (schemas: readonly JSONSchemaProps[]) => schemas.map((s) => this.#problems(s, value, path));
    if (anyOf?.length) {
      const results = outcomes(anyOf);
      if (results.every(({ list }) => list.length > 0)) {
        fail('validate at least one schema (anyOf)');
        this.errors.list.push(...best(results));
      }
    }
    if (oneOf?.length) {
      const results = outcomes(oneOf);
      const valid = results.filter(({ list }) => list.length === 0).length;
      if (valid === 0) {
        fail('validate one and only one schema (oneOf). Found none valid');
        this.errors.list.push(...best(results));
      } else if (valid > 1) fail(`validate one and only one schema (oneOf). Found ${valid} valid alternatives`);
    }
    if (allOf?.length) {
      const results = outcomes(allOf);
      const valid = results.filter(({ list }) => list.length === 0).length;
      if (valid < allOf.length) {
        fail(`validate all the schemas (allOf)${valid === 0 ? '. None validated' : ''}`);
        this.errors.list.push(...results.flatMap(({ list }) => list));
      }
    }
    if (not && this.#problems(not, value, path).list.length === 0) fail('not validate the schema (not)');
  }
}

interface Outcome {
  list: readonly FieldError[];
  visited: number;
}

const best = (results: readonly Outcome[]) => results.reduce((a, b) => (b.visited > a.visited ? b : a)).list;

/** Adds what is wrong with a value at `path`. With `prev`, what did not change is not looked at. */
export function validateValue(schema: JSONSchemaProps, value: unknown, path: FieldPath, errors: FieldErrors, prev?: unknown): void {
  new Validation(errors, path).value(schema, value, prev, path);
}
