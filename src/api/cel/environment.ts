/**
 * CEL as Kubernetes has it: the language from `@marcbachmann/cel-js`, Kubernetes' functions, and a budget. Of the libraries on npm it
 * is the smallest (300 kB, no dependencies, pure), has static types, optionals and int64; `@bufbuild/cel` brings protobuf's
 * runtime (5 MB) and does not check types; `cel-js` knows neither types nor integers.
 */
import { Environment, Optional, type ParseResult } from '@marcbachmann/cel-js';
import { type Bounds, estimateCost } from './cost-estimate.ts';
import { registerListFunctions } from './list-functions.ts';
import { registerMathFunctions } from './math-functions.ts';
import { type Budget, meter, nodesOf, withinBudget } from './metering.ts';
import { linearMatches, registerStringFunctions } from './string-functions.ts';
import type { CelNode } from './syntax-tree.ts';
import { registerTwoVariableMacros } from './two-variable-macros.ts';
import { registerTypeFunctions } from './type-functions.ts';

let base: Environment | undefined;

/** A fresh environment with Kubernetes' functions, to declare variables and types in. */
export function celEnvironment(): Environment {
  if (!base) {
    base = new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false, limits: { maxAstNodes: 10_000 } });
    registerStringFunctions(base);
    registerListFunctions(base);
    registerTypeFunctions(base);
    registerMathFunctions(base);
    registerTwoVariableMacros(base);
  }
  return base.clone();
}

/** An expression that does not parse or whose types don't fit. */
export class CompileError extends Error {
  override readonly name = 'CompileError';
}

export interface Expression {
  /** The static type: `bool`, `string`, `dyn`, ... */
  readonly type: string;
  mentions(variable: string): boolean;
  /** What an evaluation may cost at most, if `self` is as large as `bounds` allow. */
  maxCost(bounds?: Bounds): number;
  /** Throws CostError, and errors of evaluation. */
  evaluate(variables: Record<string, unknown>, budget: Budget): unknown;
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n')[0] ?? text;
}

/** The library's words where upstream's differ. */
function inGosWords(error: unknown): string {
  const line = firstLine(error);
  const unknownVariable = /^Unknown variable: (.*)$/.exec(line);
  if (unknownVariable) return `undeclared reference to '${unknownVariable[1]}' (in container '')`;
  const unknownField = /^No such key: (.*)$/.exec(line);
  return unknownField ? `undefined field '${unknownField[1]}'` : line;
}

/**
 * Parses and checks an expression.
 * @throws CompileError
 */
export function compileExpression(environment: Environment, source: string): Expression {
  let parsed: ParseResult;
  let type: string;
  const variables = new Set<string>();
  try {
    parsed = environment.parse(source);
    for (const node of nodesOf(parsed.ast)) {
      const { op, args } = node;
      if (op === 'id' && typeof args === 'string') variables.add(args);
      if (op === 'rcall' && Array.isArray(args) && args[0] === 'matches') args[0] = linearMatches;
    }
    const checked = parsed.check();
    if (!checked.valid) throw checked.error;
    type = checked.type ?? 'dyn';
    meter(parsed);
  } catch (error) {
    throw new CompileError(`compilation failed: ERROR: <input>:1:1: ${inGosWords(error)}\n | ${source}`);
  }
  return {
    type,
    mentions: (variable) => variables.has(variable),
    // The library's own type of its nodes leaves out most of what they are.
    maxCost: (bounds) => estimateCost(parsed.ast as unknown as CelNode, bounds).max,
    evaluate: (given, budget) => withinBudget(budget, () => parsed(given)),
  };
}

/** A value that may be missing, as `oldSelf` of an optional rule. */
export function optionalOf(value: unknown): unknown {
  return value === undefined ? Optional.none() : Optional.of(value);
}

/** What an evaluation failed of, in upstream's words. */
export function evaluationProblem(error: unknown): string {
  const line = firstLine(error);
  return line.replace(/^No such key: /, 'no such key: ');
}
