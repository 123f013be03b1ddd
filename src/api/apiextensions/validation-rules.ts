/** x-kubernetes-validations: rules in CEL over values and their earlier state (KEP-2876, KEP-4008). */
import { type Budget, BudgetError, CelError, CostError } from '../cel/index.ts';
import { FieldErrors, type FieldErrorType, FieldPath, fieldErrorMessage } from '../fields.ts';
import type { JSONSchemaProps, ValidationRule } from '../generated/apiextensions.v1.ts';
import { isJsonObject } from '../json-object.ts';
import { byteLength } from '../names.ts';
import { type CompiledRule, compileRule, declareTypes } from './compiled-rules.ts';
import { correlate, isUnchanged as isAsBefore } from './list-types.ts';
import { placeAt } from './rule-paths.ts';
import { optionalOf, type RuleType } from './rule-types.ts';
import { itemSchema, propertySchema, somewhere, valueSchema } from './schema-parts.ts';

/** What all rules of one object, or of all defaults of a schema, may cost together (upstream's RuntimeCELCostBudget). */
export const objectBudget = (): Budget => ({ left: 10_000_000 });
const maxMessageBytes = 5 * 1024;

/** Measures what it runs. */
export interface RuleMeasures {
  compilation<T>(run: () => T): T;
  /** Of all rules of an object. */
  evaluation<T>(run: () => T): T;
}

const unmeasured: RuleMeasures = { compilation: (run) => run(), evaluation: (run) => run() };

interface CompiledRules {
  type: RuleType | undefined;
  rules: CompiledRule[];
}

const compiledRules = new WeakMap<JSONSchemaProps, CompiledRules | undefined>();

function rulesOf(schema: JSONSchemaProps, isResource: boolean, measures: RuleMeasures): CompiledRules | undefined {
  const known = compiledRules.get(schema);
  if (known) return known;
  const list = schema['x-kubernetes-validations'];
  if (!list?.length) return undefined;
  const rules = measures.compilation((): CompiledRules => {
    const declared = declareTypes(schema, isResource);
    return { type: declared.type, rules: list.map((rule) => compileRule(declared, rule)) };
  });
  compiledRules.set(schema, rules);
  return rules;
}

const hasRules = somewhere((schema) => (schema['x-kubernetes-validations']?.length ?? 0) > 0);

/** How upstream names a rule in messages. */
const shown = ({ rule, message }: ValidationRule) => (message ? message : rule).trim();
const fixedMessage = (rule: ValidationRule) => rule.message?.trim() || `failed rule: ${rule.rule.trim()}`;

/** A value that rules are asked of. */
interface Place {
  path: FieldPath;
  isResource: boolean;
  /** Undefined if there was none, or none that is known to be this one's. */
  prev: unknown;
  /** It, or what it is part of, is as it was: what rules that only look at the present say of it is no more than a warning. */
  isUnchanged: boolean;
  /** Whether it may go on breaking rules where it is as it was; default: yes. */
  ratchets?: boolean;
}

/** Of a whole object these are always the same: both states are looked at in one version. */
const typeFields: ReadonlySet<string> = new Set(['apiVersion', 'kind']);

/** Says that a rule does not hold. Of lists and objects, the value is not shown. */
function report(rule: ValidationRule, place: FieldPath, value: unknown, message: string, errors: FieldErrors): void {
  const isWhole = typeof value === 'object';
  switch (rule.reason) {
    case 'FieldValueForbidden':
      errors.forbidden(place, message);
      break;
    case 'FieldValueRequired':
      errors.required(place, message);
      break;
    case 'FieldValueDuplicate':
      if (isWhole) errors.duplicateWhole(place);
      else errors.duplicate(place, value);
      break;
    default:
      if (isWhole) errors.invalidWhole(place, message);
      else errors.invalid(place, value, message);
  }
}

class RuleValidation {
  readonly #errors: FieldErrors;
  readonly #budget: Budget;
  readonly #ratchets: boolean;
  readonly #measures: RuleMeasures;
  #stopped = false;

  /** `ratchets`: what did not change may go on breaking rules. */
  constructor(errors: FieldErrors, { budget = objectBudget(), ratchets = true, measures = unmeasured } = {}) {
    this.#errors = errors;
    this.#budget = budget;
    this.#ratchets = ratchets;
    this.#measures = measures;
  }

  value(schema: JSONSchemaProps, value: unknown, place: Place): void {
    if (this.#stopped || value === undefined || value === null || !hasRules(schema)) return;
    const { prev, path } = place;
    const isUnchanged =
      place.isUnchanged || (this.#ratchets && place.ratchets !== false && prev !== undefined && isAsBefore(schema, prev, value));
    this.#rules(schema, value, { ...place, isUnchanged });
    if (Array.isArray(value)) {
      const items = itemSchema(schema);
      if (!items) return;
      const before = correlate(schema, prev);
      for (const [i, item] of value.entries())
        this.value(items, item, { path: path.index(i), isResource: false, prev: before(item), isUnchanged });
    } else if (isJsonObject(value)) {
      const before = isJsonObject(prev) && schema['x-kubernetes-map-type'] !== 'atomic' ? prev : undefined;
      for (const key of Object.keys(value)) {
        const property = propertySchema(schema, key);
        if (!property) continue;
        const at = property === valueSchema(schema) ? path.key(key) : path.child(key);
        const old = before && Object.hasOwn(before, key) ? before[key] : undefined;
        const below: Place = { path: at, isResource: false, prev: old, isUnchanged };
        this.value(
          property,
          value[key],
          place.isResource && typeFields.has(key) ? { ...below, isUnchanged: false, ratchets: false } : below,
        );
      }
    }
  }

  #stop(path: FieldPath, typeName: string, why: string, errors = this.#errors): void {
    errors.invalid(path, typeName, why);
    this.#stopped = true;
  }

  #rules(schema: JSONSchemaProps, value: unknown, { path, isResource, prev, isUnchanged }: Place): void {
    const compiled = rulesOf(schema, isResource, this.#measures);
    if (!compiled) return;
    const { type } = compiled;
    const typeName = schema.type ?? '';
    if (this.#budget.left <= 0) {
      this.#stop(path, typeName, new BudgetError().message);
      return;
    }
    const read = (given: unknown) => (type ? type.convert(given) : given);
    const old = prev === undefined || prev === null ? undefined : read(prev);
    const self = read(value);
    for (const each of compiled.rules) {
      const { rule, condition, problem, isTransition } = each;
      if (!condition) {
        this.#errors.invalid(path, typeName, `rule compile error: ${problem}`);
        continue;
      }
      if (isTransition && prev === undefined && !rule.optionalOldSelf) continue;
      const variables = { self, oldSelf: rule.optionalOldSelf ? optionalOf(old) : old };
      try {
        if (condition.evaluate(variables, this.#budget) === true) continue;
      } catch (error) {
        this.#failed(rule, error, path, typeName);
        if (this.#stopped) return;
        continue;
      }
      const place = rule.fieldPath ? (placeAt(schema, path, rule.fieldPath) ?? path) : path;
      const broken = new FieldErrors();
      const message = this.#message(each, variables, (why) => this.#stop(place, typeName, why, broken));
      if (!this.#stopped) report(rule, place, value, message, broken);
      if (isUnchanged && !isTransition) this.#errors.warnings.push(...broken.list.map(fieldErrorMessage));
      else this.#errors.list.push(...broken.list);
      if (this.#stopped) return;
    }
  }

  #failed(rule: ValidationRule, error: unknown, path: FieldPath, typeName: string): void {
    if (error instanceof BudgetError) this.#stop(path, typeName, error.message);
    else if (error instanceof CostError) {
      const why = `no further validation rules will be run due to call cost exceeds limit for rule: ${shown(rule)}`;
      this.#stop(path, typeName, `'${error.message}': ${why}`);
    } else if (!(error instanceof CelError)) throw error;
    else if (error.message.startsWith('no such overload')) {
      // Found only now because the types were not known: those of ints or strings are not.
      const why = `call arguments did not match a supported operator, function or macro signature for rule: ${shown(rule)}`;
      this.#errors.invalid(path, typeName, `'${error.message}': ${why}`);
    } else this.#errors.invalid(path, typeName, `${error.message} evaluating rule: ${shown(rule)}`);
  }

  /** What the message expression says, if it says something usable. */
  #message({ rule, message }: CompiledRule, variables: Record<string, unknown>, stop: (why: string) => void): string {
    if (!message) return fixedMessage(rule);
    try {
      const text = message.evaluate(variables, this.#budget);
      const trimmed = typeof text === 'string' ? text.trim() : '';
      if (trimmed !== '' && !trimmed.includes('\n') && byteLength(trimmed) <= maxMessageBytes) return trimmed;
    } catch (error) {
      if (error instanceof BudgetError)
        stop('messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run');
      else if (error instanceof CostError) {
        const source = JSON.stringify(rule.messageExpression);
        stop(`no further validation rules will be run due to call cost exceeds limit for messageExpression: ${source}`);
      } else if (!(error instanceof CelError)) throw error;
    }
    // As upstream: a message that can't be made gives way to the fixed one.
    return fixedMessage(rule);
  }
}

/** Errors that tell that a value is not what rules are written for. */
const blocking: ReadonlySet<FieldErrorType> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);
const unchecked =
  'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';

/** Adds which rules of a schema a value breaks; `errors` has what else is wrong with it. */
export function applyRules(
  schema: JSONSchemaProps,
  value: unknown,
  path: FieldPath,
  errors: FieldErrors,
  prev?: unknown,
  measures: RuleMeasures = unmeasured,
): void {
  if (!hasRules(schema)) return;
  if (errors.list.some(({ type }) => blocking.has(type))) {
    errors.invalid(new FieldPath(), null, unchecked);
    return;
  }
  const validation = new RuleValidation(errors, { measures });
  measures.evaluation(() => validation.value(schema, value, { path, isResource: true, prev, isUnchanged: false }));
}

/** Adds which rules the default of a schema breaks, of a new value and of one that stays as it is. */
export function applyRulesToDefault(schema: JSONSchemaProps, path: FieldPath, budget: Budget, errors: FieldErrors): void {
  const { default: value } = schema;
  for (const prev of [value, undefined]) {
    new RuleValidation(errors, { budget, ratchets: false }).value(schema, value, { path, isResource: false, prev, isUnchanged: false });
    if (!errors.ok) return;
  }
}
