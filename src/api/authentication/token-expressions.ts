/** CEL over the claims of a token, and over the user that they make (AuthenticationConfiguration). */
import {
  CompileError,
  celEnvironment,
  compileExpression,
  dynamicValue,
  celTypes as t,
  typedRows,
  typeRow,
  unescapeName,
} from '../cel/index.ts';

export interface TokenExpression {
  /** Evaluates to plain text, a list of it, or a truth value; throws CelError. */
  (value: unknown): unknown;
  /** Whether it reads this field of its variable. */
  selects(field: string): boolean;
}

/** Upstream's limit on what one evaluation may cost. */
const maxCost = 10_000_000;

const texts = t.listOf(t.stringType);
const user = typeRow('kubernetes.UserInfo', {
  username: t.stringType,
  uid: t.stringType,
  groups: texts,
  extra: t.mapOf(t.stringType, texts),
});
const typed = typedRows([user]);

/** Claims by their names, and by the names that expressions can say: `claims.kubernetes__dot__io`. */
class Claims extends Map<unknown, unknown> {
  override get(key: unknown): unknown {
    return super.get((typeof key === 'string' && unescapeName(key)) || key);
  }
  override has(key: unknown): boolean {
    return super.has((typeof key === 'string' && unescapeName(key)) || key);
  }
}

function claimsValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(claimsValue);
  if (typeof value !== 'object' || value === null) return dynamicValue(value);
  return new Claims(Object.entries(value).map(([key, item]) => [key, claimsValue(item)]));
}

/**
 * Compiles an expression over `claims` or `user`.
 * @throws CompileError, also for a rule that is not true or false
 */
export function compileTokenExpression(source: string, variable: 'claims' | 'user', kind: 'mapping' | 'rule'): TokenExpression {
  const environment = celEnvironment({ bindings: true });
  typed.declare(environment);
  environment.variable(variable, variable === 'user' ? user.type : t.mapOf(t.stringType, t.dynType));
  const compiled = compileExpression(environment, source);
  if (kind === 'rule' && compiled.type.kind !== 'bool') throw new CompileError('must evaluate to bool');
  // A user is made by the server itself, of claims.
  const told = (value: unknown) => (variable === 'user' ? typed.instance(user, value as Record<string, unknown>) : claimsValue(value));
  const evaluate = (value: unknown) => compiled.evaluate({ [variable]: told(value) }, { left: maxCost });
  return Object.assign(evaluate, { selects: (field: string) => compiled.selects(variable, field) });
}
