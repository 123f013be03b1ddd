/** Evaluates the expressions of webhooks and policies over a request. */
import {
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
import type { ConditionsOutcome } from '../../metrics/extension-metrics.ts';
import type { AdmissionRequest } from '../../request.ts';
import type { AuthorizerChecks } from './authorizer-checks.ts';
import type { ExtensionContext } from './context.ts';
import type { ReviewRequest } from './review-request.ts';
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
  /** Nothing more can be evaluated. */
  readonly isOfBudget: boolean;

  constructor(message?: string, isOfBudget = false) {
    super(message);
    this.isOfBudget = isOfBudget;
  }
}

/** Throws ExpressionError. */
export function evaluateExpression({ source, expression }: Compiled, variables: Record<string, unknown>, budget: Budget): unknown {
  if (expression instanceof CompileError) throw new ExpressionError(`compilation error: ${expression.message}`);
  try {
    return expression.evaluate(variables, budget);
  } catch (error) {
    if (error instanceof BudgetError) throw new ExpressionError(error.message, true);
    if (!(error instanceof CelError) && !(error instanceof CostError)) throw error;
    throw new ExpressionError(`expression '${source}' resulted in error: ${error.message}`);
  }
}

export interface ExpressionInput {
  versioned: VersionedRequest;
  review: ReviewRequest;
  namespace?: Namespace | undefined;
  params?: KubeObject | undefined;
}

/** The variables of an evaluation that can't ask the authorizer. */
export function expressionVariables({ versioned, review, namespace, params }: ExpressionInput): Record<string, unknown> {
  return {
    object: dynamicValue(versioned.object),
    oldObject: dynamicValue(versioned.oldObject),
    request: requestValue(review),
    namespaceObject: namespaceValue(namespace),
    params: dynamicValue(params),
  };
}

/** The same, of one that can. */
export function withAuthorizer(
  variables: Record<string, unknown>,
  { group, resource, subresource, namespace, name }: AdmissionRequest,
  checks: AuthorizerChecks,
): Record<string, unknown> {
  return { ...variables, ...authorizerVariables(checks.ask, { group, resource, subresource, namespace, name }) };
}

/** The same, of match conditions: as upstream has it, they see the resource that was requested, and never the namespace. */
export function ofConditions(variables: Record<string, unknown>, review: ReviewRequest): Record<string, unknown> {
  return {
    ...variables,
    request: requestValue({ ...review, resource: review.requestResource }),
    namespaceObject: namespaceValue(undefined),
  };
}

/** What came of the last look at conditions. */
export interface ConditionsTally {
  hold: 'yes' | 'no' | 'unknown';
  failures: number;
}

/**
 * Whether all conditions hold. One that is false decides, whatever else fails; then one that fails throws ExpressionError.
 */
export function conditionsHold(conditions: readonly Compiled[], variables: Record<string, unknown>, tally: ConditionsTally): boolean {
  const budget: Budget = { left: matchConditionsBudget };
  tally.hold = 'unknown';
  tally.failures = 0;
  const failures = new Set<string>();
  let failed = 0;
  for (const condition of conditions) {
    try {
      if (evaluateExpression(condition, variables, budget) === false) {
        tally.hold = 'no';
        tally.failures = failed;
        return false;
      }
    } catch (error) {
      if (!(error instanceof ExpressionError) || error.isOfBudget) throw error;
      failures.add(error.message);
      failed += 1;
    }
  }
  if (failures.size === 0) {
    tally.hold = 'yes';
    return true;
  }
  tally.failures = failed;
  const messages = [...failures].join(', ');
  throw new ExpressionError(failures.size === 1 ? messages : `[${messages}]`);
}

/** Runs what looks at conditions; where they do not all hold, the metrics tell. */
export async function tallied<T>(
  { clock, metrics }: Pick<ExtensionContext, 'clock' | 'metrics'>,
  of: Pick<ConditionsOutcome, 'name' | 'kind' | 'type' | 'operation'>,
  look: (tally: ConditionsTally) => Promise<T>,
  excludes: (tally: ConditionsTally) => boolean = () => false,
): Promise<T> {
  const startedMs = clock.monotonic();
  const tally: ConditionsTally = { hold: 'yes', failures: 0 };
  try {
    return await look(tally);
  } finally {
    const seconds = (clock.monotonic() - startedMs) / 1000;
    if (tally.hold !== 'yes') metrics?.matchConditions({ ...of, seconds, failures: tally.failures, excluded: excludes(tally) });
  }
}
