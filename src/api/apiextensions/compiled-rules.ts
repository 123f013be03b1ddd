/** Rules as they are run: compiled over the types that their schema declares. */
import { CompileError, celEnvironment, compileExpression, type Expression } from '../cel/index.ts';
import type { JSONSchemaProps, ValidationRule } from '../generated/apiextensions.v1.ts';
import { type RuleType, RuleTypes } from './rule-types.ts';

export interface CompiledRule {
  rule: ValidationRule;
  condition: Expression;
  message: Expression | undefined;
  isTransition: boolean;
}

export interface Declared {
  environment: ReturnType<typeof celEnvironment>;
  type: RuleType;
}

/** The types of a schema, shared by its rules: values are converted once. */
export function declareTypes(schema: JSONSchemaProps, isResource: boolean): Declared {
  const environment = celEnvironment();
  const type = new RuleTypes(environment).of(schema, isResource);
  environment.registerVariable('self', type.name);
  return { environment, type };
}

function environmentOf({ environment, type }: Declared, { optionalOldSelf }: ValidationRule) {
  return environment.clone().registerVariable('oldSelf', optionalOldSelf ? `optional<${type.name}>` : type.name);
}

/** Throws CompileError. */
export function compileCondition(declared: Declared, rule: ValidationRule): Expression {
  const condition = compileExpression(environmentOf(declared, rule), rule.rule);
  if (condition.type !== 'bool' && condition.type !== 'dyn') throw new CompileError('cel expression must evaluate to a bool');
  return condition;
}

/** Throws CompileError. */
export function compileMessage(declared: Declared, rule: ValidationRule): Expression | undefined {
  if (!rule.messageExpression) return undefined;
  let message: Expression;
  try {
    message = compileExpression(environmentOf(declared, rule), rule.messageExpression);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    throw new CompileError(`messageExpression ${error.message}`);
  }
  if (message.type !== 'string' && message.type !== 'dyn') throw new CompileError('messageExpression must evaluate to a string');
  return message;
}

export function compileRule(declared: Declared, rule: ValidationRule): CompiledRule {
  const condition = compileCondition(declared, rule);
  return { rule, condition, message: compileMessage(declared, rule), isTransition: condition.mentions('oldSelf') };
}
