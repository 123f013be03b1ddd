/** Rules as they are run: compiled over the types that their schema declares. */
import { CompileError, celEnvironment, compileExpression, type Environment, type Expression } from '../cel/index.ts';
import type { JSONSchemaProps, ValidationRule } from '../generated/apiextensions.v1.ts';
import { declareOldSelf, declareSchema, type RuleType } from './rule-types.ts';

export interface CompiledRule {
  rule: ValidationRule;
  /** Undefined for what does not compile. */
  condition: Expression | undefined;
  problem?: string;
  message: Expression | undefined;
  isTransition: boolean;
}

export interface Declared {
  environment: Environment;
  /** Undefined for a schema that rules can't see. */
  type: RuleType | undefined;
}

/** The types of a schema, shared by its rules: values are converted once. */
export function declareTypes(schema: JSONSchemaProps, isResource: boolean): Declared {
  const environment = celEnvironment();
  const type = declareSchema(environment, schema, isResource);
  if (type) environment.variable('self', type.type);
  return { environment, type };
}

function compile({ environment, type }: Declared, { optionalOldSelf }: ValidationRule, source: string): Expression {
  const own = environment.extend();
  if (type) declareOldSelf(own, type, optionalOldSelf === true);
  return compileExpression(own, source);
}

/** Throws CompileError. */
export function compileCondition(declared: Declared, rule: ValidationRule): Expression {
  const condition = compile(declared, rule, rule.rule);
  if (condition.type.kind !== 'bool') throw new CompileError('cel expression must evaluate to a bool');
  return condition;
}

/** Throws CompileError. */
export function compileMessage(declared: Declared, rule: ValidationRule): Expression | undefined {
  if (!rule.messageExpression) return undefined;
  let message: Expression;
  try {
    message = compile(declared, rule, rule.messageExpression);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    throw new CompileError(`messageExpression ${error.message}`);
  }
  if (message.type.kind !== 'string') throw new CompileError('messageExpression must evaluate to a string');
  return message;
}

/** A rule of a definition that was stored when more was allowed may not compile: no object can keep to it. */
export function compileRule(declared: Declared, rule: ValidationRule): CompiledRule {
  try {
    const condition = compileCondition(declared, rule);
    return { rule, condition, message: compileMessage(declared, rule), isTransition: condition.mentions('oldSelf') };
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    return { rule, condition: undefined, problem: error.message, message: undefined, isTransition: false };
  }
}
