/**
 * What makes rules valid when they are written: that they compile, and that they can't cost too much
 * (k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation).
 */
import { CompileError } from '../cel/index.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { JSONSchemaProps, ValidationRule } from '../generated/apiextensions.v1.ts';
import { internalForm } from '../internal-form.ts';
import { compileCondition, compileMessage, type Declared, declareTypes } from './compiled-rules.ts';
import { boundsOf, mostInOneRequest, multiplicity } from './rule-bounds.ts';
import { expressionLimit, overBudget, RuleCosts } from './rule-costs.ts';
import { placeAt } from './rule-paths.ts';
import { itemSchema, valueSchema } from './schema-parts.ts';

const shown = (rule: ValidationRule) => internalForm('apiextensions.v1.ValidationRule', rule);
const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];
const hasLineBreak = (text: string) => /[\n\r]/.test(text);

function validateText(schema: JSONSchemaProps, given: ValidationRule, at: FieldPath, errors: FieldErrors): void {
  const { rule = '', message = '', messageExpression = '', reason, fieldPath = '' } = given;
  if (rule.trim() === '') errors.required(at.child('rule'), 'rule is not specified');
  else if (message !== '' && message.trim() === '') errors.invalid(at.child('message'), message, 'must be non-empty if specified');
  else if (hasLineBreak(message.trim())) errors.invalid(at.child('message'), message, 'must not contain line breaks');
  else if (hasLineBreak(rule.trim()) && message.trim() === '')
    errors.required(at.child('message'), 'message must be specified if rule contains line breaks');
  if (messageExpression !== '' && messageExpression.trim() === '')
    errors.required(at.child('messageExpression'), 'messageExpression must be non-empty if specified');
  if (reason !== undefined && !reasons.includes(reason)) errors.notSupported(at.child('reason'), reason, reasons);
  if (fieldPath === '') return;
  if (fieldPath.trim() === '') errors.invalid(at.child('fieldPath'), fieldPath, 'must be non-empty if specified');
  if (hasLineBreak(fieldPath)) errors.invalid(at.child('fieldPath'), fieldPath, 'must not contain line breaks');
  if (!placeAt(schema, at, fieldPath)) errors.invalid(at.child('fieldPath'), fieldPath, 'must be a valid path');
}

/** Adds what is wrong with the rules at one place of a schema before their expressions are looked at. */
export function validateRuleTexts(schema: JSONSchemaProps, path: FieldPath, errors: FieldErrors): void {
  for (const [i, rule] of (schema['x-kubernetes-validations'] ?? []).entries())
    validateText(schema, rule, path.child('x-kubernetes-validations').index(i), errors);
}

/** What rules may compare with their earlier state: maps of kinds that are yet to come may not. */
const isCorrelatable = ({ 'x-kubernetes-map-type': type }: JSONSchemaProps) => [undefined, 'granular', 'atomic'].includes(type);

export interface RuleOptions {
  /** The schema is the one that is stored: its rules may cost what they did. */
  unchanged?: boolean;
  /** Where else the schema is wrong: rules about it, or about what it is part of, are not looked at. */
  wrongFields?: readonly string[];
}

/** A place in a schema. */
interface Place {
  path: FieldPath;
  isResource: boolean;
  /** How many such values an object can have; undefined where nothing bounds that. */
  count: number | undefined;
  /** The list above whose items can't be told apart from one version of an object to the next. */
  uncorrelatable?: FieldPath | undefined;
}

class RuleDefinitions {
  readonly costs = new RuleCosts();
  readonly #errors: FieldErrors;
  readonly #options: RuleOptions;

  constructor(errors: FieldErrors, options: RuleOptions) {
    this.#errors = errors;
    this.#options = options;
  }

  validate(schema: JSONSchemaProps, place: Place): void {
    const { path, uncorrelatable } = place;
    const factor = multiplicity(schema);
    const count = place.count === undefined || factor === undefined ? undefined : place.count * factor;
    const below = (child: FieldPath): Place => ({ path: child, isResource: false, count, uncorrelatable });
    const values = valueSchema(schema);
    if (values) this.validate(values, below(path.child('additionalProperties')));
    const uncorrelatableFields = uncorrelatable ?? (isCorrelatable(schema) ? undefined : path);
    for (const [name, property] of Object.entries(schema.properties ?? {}))
      this.validate(property, { ...below(path.child('properties').key(name)), uncorrelatable: uncorrelatableFields });
    const items = itemSchema(schema);
    const isMap = schema['x-kubernetes-list-type'] === 'map';
    if (items) this.validate(items, { ...below(path.child('items')), uncorrelatable: uncorrelatable ?? (isMap ? undefined : path) });
    if (!this.#options.wrongFields?.some((field) => field.startsWith(`${path}.`))) this.#rules(schema, place);
  }

  #rules(schema: JSONSchemaProps, place: Place): void {
    const rules = schema['x-kubernetes-validations'] ?? [];
    if (rules.length === 0) return;
    const isResource = place.isResource || schema['x-kubernetes-embedded-resource'] === true;
    const declared = declareTypes(schema, isResource);
    for (const [i, rule] of rules.entries()) {
      const at = place.path.child('x-kubernetes-validations').index(i);
      // Of a rule that does not compile nobody asks what it says.
      if (this.#condition(schema, rule, declared, { ...place, path: at, isResource }))
        this.#message(schema, rule, declared, at, isResource);
    }
  }

  /** Adds to the costs, and says so if an expression alone costs too much. */
  #charge(path: FieldPath, name: string, cost: number): void {
    if (!this.#options.unchanged && cost > expressionLimit) this.#errors.forbidden(path, overBudget(name, cost, expressionLimit));
    this.costs.observe(path, cost);
  }

  /** Answers whether the rule compiles. */
  #condition(schema: JSONSchemaProps, rule: ValidationRule, declared: Declared, place: Place): boolean {
    const { path, isResource, uncorrelatable } = place;
    const errors = this.#errors;
    try {
      const condition = compileCondition(declared, rule);
      const cost = condition.maxCost(boundsOf(schema, isResource));
      const count = place.count ?? mostInOneRequest(schema, isResource);
      this.#charge(path.child('rule'), 'estimated rule cost', cost === 0 ? 0 : cost * count);
      if (condition.mentions('oldSelf')) {
        if (uncorrelatable)
          errors.invalid(
            path.child('rule'),
            rule.rule,
            `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelatable}`,
          );
      } else if (rule.optionalOldSelf !== undefined)
        errors.invalid(path.child('optionalOldSelf'), rule.optionalOldSelf, 'may not be set if oldSelf is not used in rule');
      return true;
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      errors.invalid(path.child('rule'), shown(rule), error.message);
      return false;
    }
  }

  #message(schema: JSONSchemaProps, rule: ValidationRule, declared: Declared, path: FieldPath, isResource: boolean): void {
    const at = path.child('messageExpression');
    try {
      const message = compileMessage(declared, rule);
      if (message) this.#charge(at, 'estimated messageExpression cost', message.maxCost(boundsOf(schema, isResource)));
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      this.#errors.invalid(at, shown(rule), error.message);
    }
  }
}

/** Adds what is wrong with the expressions of the rules anywhere in a schema that is otherwise valid. */
export function validateRules(schema: JSONSchemaProps, path: FieldPath, errors: FieldErrors, options: RuleOptions = {}): void {
  const definitions = new RuleDefinitions(errors, options);
  definitions.validate(schema, { path, isResource: true, count: 1 });
  definitions.costs.report(path, errors);
}
