/** x-kubernetes-validations: rules in CEL over values and their earlier state (KEP-2876, KEP-4008). */
import {
  type Budget,
  CompileError,
  CostError,
  celEnvironment,
  compileExpression,
  type Expression,
  evaluationProblem,
  optionalOf,
} from '../cel/index.ts';
import { deepEqual } from '../equality.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { JSONSchemaProps, ValidationRule } from '../generated/apiextensions.v1.ts';
import { type RuleType, RuleTypes } from './rule-types.ts';
import { isObject, itemSchema, propertySchema, valueSchema } from './schema-parts.ts';
import { correlate } from './schema-validation.ts';

/** What all rules of one object may cost together. */
const objectBudget = 5_000_000;

interface CompiledRule {
  rule: ValidationRule;
  condition: Expression;
  message: Expression | undefined;
  isTransition: boolean;
}

interface CompiledRules {
  type: RuleType;
  rules: CompiledRule[];
}

interface Declared {
  environment: ReturnType<typeof celEnvironment>;
  type: RuleType;
}

/** The types of a schema, shared by its rules: values are converted once. */
function declare(schema: JSONSchemaProps, isResource: boolean): Declared {
  const environment = celEnvironment();
  const type = new RuleTypes(environment).of(schema, isResource);
  environment.registerVariable('self', type.name);
  return { environment, type };
}

function compileRule({ environment: shared, type }: Declared, rule: ValidationRule): CompiledRule {
  const environment = shared.clone().registerVariable('oldSelf', rule.optionalOldSelf ? `optional<${type.name}>` : type.name);
  const condition = compileExpression(environment, rule.rule);
  if (condition.type !== 'bool' && condition.type !== 'dyn') throw new CompileError('cel expression must evaluate to a bool');
  const message = rule.messageExpression ? compileExpression(environment, rule.messageExpression) : undefined;
  return { rule, condition, message, isTransition: condition.mentions('oldSelf') };
}

/** Adds what is wrong with the rules at one place of a schema. */
export function validateRules(schema: JSONSchemaProps, isResource: boolean, path: FieldPath, errors: FieldErrors): void {
  const rules = schema['x-kubernetes-validations'] ?? [];
  if (rules.length === 0) return;
  const declared = declare(schema, isResource);
  for (const [i, rule] of rules.entries()) {
    const at = path.child('x-kubernetes-validations').index(i);
    if (!rule.rule?.trim()) {
      errors.required(at.child('rule'), 'rule is not specified');
      continue;
    }
    if (rule.message !== undefined && rule.message.trim() === '' && rule.message !== '')
      errors.invalid(at.child('message'), rule.message, 'message must be non-empty if specified');
    else if (rule.message?.trim().includes('\n')) errors.invalid(at.child('message'), rule.message, 'message must not contain line breaks');
    else if (rule.rule.trim().includes('\n') && !rule.message && !rule.messageExpression)
      errors.required(at.child('message'), 'message must be specified if rule contains line breaks');
    if (rule.messageExpression !== undefined && rule.messageExpression !== '' && rule.messageExpression.trim() === '')
      errors.required(at.child('messageExpression'), 'messageExpression must be non-empty if specified');
    if (rule.fieldPath && !schemaAtPath(schema, rule.fieldPath))
      errors.invalid(at.child('fieldPath'), rule.fieldPath, `fieldPath must be a valid path: does not refer to a valid field`);
    try {
      const compiled = compileRule(declared, rule);
      if (rule.optionalOldSelf !== undefined && !compiled.isTransition)
        errors.invalid(at.child('optionalOldSelf'), rule.optionalOldSelf, 'may not be set if oldSelf is not used in rule');
      if (compiled.message && compiled.message.type !== 'string' && compiled.message.type !== 'dyn')
        errors.invalid(at.child('messageExpression'), rule, 'messageExpression must evaluate to a string');
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      errors.invalid(at.child('rule'), rule, error.message);
    }
  }
}

/** The steps of a rule's fieldPath: `.spec.x`, `['a.b']`. */
function stepsOf(fieldPath: string): { name: string; key: boolean }[] {
  return [...fieldPath.matchAll(/\.([^.[\]]+)|\['((?:[^'\\]|\\.)*)'\]/g)].map(([, name, key]) => ({
    name: name ?? (key ?? '').replace(/\\(.)/g, '$1'),
    key: name === undefined,
  }));
}

function schemaAtPath(schema: JSONSchemaProps, fieldPath: string): JSONSchemaProps | undefined {
  let at: JSONSchemaProps | undefined = schema;
  for (const { name } of stepsOf(fieldPath)) at = at && propertySchema(at, name);
  return at;
}

function placeOf(schema: JSONSchemaProps, path: FieldPath, fieldPath: string | undefined): FieldPath {
  let place = path;
  let at: JSONSchemaProps | undefined = schema;
  for (const { name } of fieldPath ? stepsOf(fieldPath) : []) {
    place = at && valueSchema(at) ? place.key(name) : place.child(name);
    at = at && propertySchema(at, name);
  }
  return place;
}

const compiledRules = new WeakMap<JSONSchemaProps, CompiledRules | undefined>();

/** The rules of a schema that validation has admitted; those that no longer compile can't hold. */
function rulesOf(schema: JSONSchemaProps, isResource: boolean): CompiledRules | undefined {
  const known = compiledRules.get(schema);
  if (known) return known;
  const list = schema['x-kubernetes-validations'];
  if (!list?.length) return undefined;
  const declared = declare(schema, isResource);
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
