/** CEL over the claims of a token, and over the user that they make (AuthenticationConfiguration). */
import { CompileError, celEnvironment, compileExpression, dynamicValue, celTypes as t } from '../cel/index.ts';

/** Evaluates to plain text, a list of it, or a truth value; throws CelError. */
export type TokenExpression = (value: unknown) => unknown;

/** Upstream's limit on what one evaluation may cost. */
const maxCost = 10_000_000;

/**
 * Compiles an expression over `claims` or `user`.
 * @throws CompileError, also for a rule that is not true or false
 */
export function compileTokenExpression(source: string, variable: 'claims' | 'user', kind: 'mapping' | 'rule'): TokenExpression {
  const environment = celEnvironment({ bindings: true }).variable(variable, t.mapOf(t.stringType, t.dynType));
  const compiled = compileExpression(environment, source);
  if (kind === 'rule' && compiled.type.kind !== 'bool') throw new CompileError('must evaluate to bool');
  return (value) => compiled.evaluate({ [variable]: dynamicValue(value) }, { left: maxCost });
}
