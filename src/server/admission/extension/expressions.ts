/** Evaluates the expressions of webhooks and policies over a request. */
import {
  type AuthorizerCheck,
  authorizerVariables,
  type Budget,
  BudgetError,
  CelError,
  CompileError,
  CostError,
  dynamicValue,
  type Expression,
  type KubeObject,
  type Namespace,
  namespaceValue,
  requestValue,
} from '../../../api/index.ts';
import type { AdmissionRequest } from '../../request.ts';
import type { AuthorizerChecks } from './authorizer-checks.ts';
import type { ExtensionContext } from './context.ts';
import type { VersionedRequest } from './versions.ts';

/** What the expressions of one request may cost, by upstream's constants (k8s.io/apiserver/pkg/apis/cel). */
export const policyBudget = 10_000_000;
export const matchConditionsBudget = policyBudget / 4;

/** An expression as it was written, and what came of compiling it: what was stored by another version may not compile. */
export interface Compiled {
  readonly source: string;
  readonly expression: Expression | CompileError;
}

export type Compile = (source: string, compile: () => Expression) => Compiled;

/** Compiles what is then evaluated, both timed. */
export function timedCompile({ clock, metrics }: Pick<ExtensionContext, 'clock' | 'metrics'>): Compile {
  const timed = <T>(what: 'expressionCompiled' | 'expressionEvaluated', work: () => T): T => {
    const startedMs = clock.monotonic();
    try {
      return work();
    } finally {
      metrics?.[what]((clock.monotonic() - startedMs) / 1000);
    }
  };
  return (source, compile) => {
    try {
      const expression = timed('expressionCompiled', compile);
      const evaluate: Expression['evaluate'] = (variables, budget) =>
        timed('expressionEvaluated', () => expression.evaluate(variables, budget));
      return { source, expression: { ...expression, evaluate } };
    } catch (error) {
      if (error instanceof CompileError) return { source, expression: error };
      throw error;
    }
  };
}

/** Why an expression has no value; in upstream's words. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
}

/** Throws ExpressionError. */
export function evaluateExpression({ source, expression }: Compiled, variables: Record<string, unknown>, budget: Budget): unknown {
  if (expression instanceof CompileError) throw new ExpressionError(`compilation error: ${expression.message}`);
  try {
    return expression.evaluate(variables, budget);
  } catch (error) {
    if (error instanceof BudgetError) throw new ExpressionError(error.message);
    if (!(error instanceof CelError) && !(error instanceof CostError)) throw error;
    throw new ExpressionError(`expression '${source}' resulted in error: ${error.message}`);
  }
}

export interface ExpressionInput {
  request: AdmissionRequest;
  versioned: VersionedRequest;
  /** The review's request. */
  review: object;
  namespace?: Namespace | undefined;
  checks: AuthorizerChecks;
  params?: KubeObject | undefined;
}

/** The variables of an evaluation. */
export function expressionVariables({ request, versioned, review, namespace, checks, params }: ExpressionInput): Record<string, unknown> {
  const requested: Omit<AuthorizerCheck, 'verb'> = {
    group: request.group,
    resource: request.resource,
    subresource: request.subresource,
    namespace: request.namespace,
    name: request.name,
  };
  return {
    object: dynamicValue(versioned.object),
    oldObject: dynamicValue(versioned.oldObject),
    request: requestValue(review),
    namespaceObject: namespaceValue(namespace),
    params: dynamicValue(params),
    ...authorizerVariables(checks.ask, requested),
  };
}

/**
 * Whether all conditions hold. One that is false decides, whatever else fails; then one that fails throws ExpressionError.
 */
export function conditionsHold(conditions: readonly Compiled[], variables: Record<string, unknown>): boolean {
  const budget: Budget = { left: matchConditionsBudget };
  const failures: ExpressionError[] = [];
  for (const condition of conditions) {
    try {
      if (evaluateExpression(condition, variables, budget) === false) return false;
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      failures.push(error);
    }
  }
  if (failures.length === 0) return true;
  throw new ExpressionError(failures.length === 1 ? failures[0]?.message : `[${failures.map((f) => f.message).join(', ')}]`);
}
