/** x-kubernetes-validations: rules in CEL over values and their earlier state (KEP-2876, KEP-4008). */
import { type Budget, CostError, type Expression, evaluationProblem, optionalOf } from '../cel/index.ts';
import { deepEqual } from '../equality.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { JSONSchemaProps, ValidationRule } from '../generated/apiextensions.v1.ts';
import { type CompiledRule, compileRule, declareTypes } from './compiled-rules.ts';
import { placeOf } from './rule-paths.ts';
import type { RuleType } from './rule-types.ts';
import { isObject, itemSchema, propertySchema, valueSchema } from './schema-parts.ts';
import { correlate } from './schema-validation.ts';

/** What all rules of one object may cost together (upstream's RuntimeCELCostBudget). */
const objectBudget = 10_000_000;

interface CompiledRules {
  type: RuleType;
  rules: CompiledRule[];
}

const compiledRules = new WeakMap<JSONSchemaProps, CompiledRules | undefined>();

/** The rules of a schema that validation has admitted; those that no longer compile can't hold. */
function rulesOf(schema: JSONSchemaProps, isResource: boolean): CompiledRules | undefined {
  const known = compiledRules.get(schema);
  if (known) return known;
  const list = schema['x-kubernetes-validations'];
  if (!list?.length) return undefined;
  const declared = declareTypes(schema, isResource);
  const rules: CompiledRules = { type: declared.type, rules: list.map((rule) => compileRule(declared, rule)) };
  compiledRules.set(schema, rules);
  return rules;
}

/** Whether a schema has rules anywhere: most have none. */
const withRules = new WeakMap<JSONSchemaProps, boolean>();

function hasRules(schema: JSONSchemaProps): boolean {
  let known = withRules.get(schema);
  if (known === undefined) {
    const below = [itemSchema(schema), valueSchema(schema), ...Object.values(schema.properties ?? {})];
    known = (schema['x-kubernetes-validations']?.length ?? 0) > 0 || below.some((s) => s !== undefined && hasRules(s));
    withRules.set(schema, known);
  }
  return known;
}

class RuleValidation {
  readonly #errors: FieldErrors;
  readonly #budget: Budget = { left: objectBudget };
  #spent = false;

  constructor(errors: FieldErrors) {
    this.#errors = errors;
  }

  value(schema: JSONSchemaProps, value: unknown, prev: unknown, path: FieldPath, isResource: boolean): void {
    if (this.#spent || value === undefined || value === null || !hasRules(schema)) return;
    this.#rules(schema, value, prev, path, isResource);
    if (Array.isArray(value)) {
      const items = itemSchema(schema);
      if (!items) return;
      const before = correlate(schema, prev);
      for (const [i, item] of value.entries()) this.value(items, item, before(item), path.index(i), false);
    } else if (isObject(value)) {
      const before = isObject(prev) ? prev : undefined;
      for (const key of Object.keys(value)) {
        const property = propertySchema(schema, key);
        if (!property) continue;
        const at = property === valueSchema(schema) ? path.key(key) : path.child(key);
        this.value(property, value[key], before && Object.hasOwn(before, key) ? before[key] : undefined, at, false);
      }
    }
  }

  #rules(schema: JSONSchemaProps, value: unknown, prev: unknown, path: FieldPath, embedded: boolean): void {
    const compiled = rulesOf(schema, embedded);
    if (!compiled) return;
    const unchanged = prev !== undefined && deepEqual(prev, value);
    for (const { rule, condition, message, isTransition } of compiled.rules) {
      if (this.#spent) return;
      if (isTransition ? prev === undefined && !rule.optionalOldSelf : unchanged) continue;
      const old = prev === undefined || prev === null ? undefined : compiled.type.convert(prev);
      const variables = { self: compiled.type.convert(value), oldSelf: rule.optionalOldSelf ? optionalOf(old) : old };
      const place = placeOf(schema, path, rule.fieldPath);
      const typeName = schema.type ?? '';
      const fixed = rule.message?.trim() || `failed rule: ${rule.rule.trim()}`;
      try {
        if (condition.evaluate(variables, this.#budget) === true) continue;
      } catch (error) {
        if (error instanceof CostError) {
          const why = `no further validation rules will be run due to call cost exceeds limit for rule: ${rule.rule.trim()}`;
          this.#errors.invalid(path, typeName, why);
          this.#spent = true;
        } else this.#errors.invalid(path, typeName, `${evaluationProblem(error)} evaluating rule: ${fixed}`);
        continue;
      }
      this.#report(rule, place, typeName, value, this.#message(message, variables) ?? fixed);
    }
  }

  /** What the message expression says, if it says something usable. */
  #message(expression: Expression | undefined, variables: Record<string, unknown>): string | undefined {
    if (!expression) return undefined;
    try {
      const text = expression.evaluate(variables, this.#budget);
      return typeof text === 'string' && text.trim() !== '' && !text.trim().includes('\n') ? text.trim() : undefined;
    } catch {
      // As upstream: a message that can't be made gives way to the fixed one.
      return undefined;
    }
  }

  #report(rule: ValidationRule, place: FieldPath, typeName: string, value: unknown, message: string): void {
    switch (rule.reason) {
      case 'FieldValueForbidden':
        this.#errors.forbidden(place, message);
        break;
      case 'FieldValueRequired':
        this.#errors.required(place, message);
        break;
      case 'FieldValueDuplicate':
        this.#errors.duplicate(place, value);
        break;
      default:
        this.#errors.invalid(place, typeName, message);
    }
  }
}

/** Adds the rules that an object (and its change from `prev`) breaks. */
export function applyRules(schema: JSONSchemaProps, value: unknown, path: FieldPath, errors: FieldErrors, prev?: unknown): void {
  new RuleValidation(errors).value(schema, value, prev, path, true);
}
