/**
 * CEL as Kubernetes 1.36 has it: the language, and the functions of its base environment
 * (google/cel-go, k8s.io/apiserver/pkg/cel/environment). An implementation of its own: no library on npm has the types, the messages and
 * the costs that users see.
 */
import { declareAddressFunctions } from './address-functions.ts';
import { checkTypes } from './checker.ts';
import { declareConversions } from './conversions.ts';
import { type Bounds, estimateCost } from './cost-estimate.ts';
import { Environment } from './declarations.ts';
import { type CelNode, nodesOf } from './expression-tree.ts';
import { type Construct, planExpression } from './interpreter.ts';
import { declareListFunctions, declareOptionals } from './list-functions.ts';
import { checkLiterals } from './literal-checks.ts';
import { type Budget, withinBudget } from './metering.ts';
import { declareOperators } from './operators.ts';
import { parseExpression } from './parser.ts';
import { displayProblems, type SourceProblem } from './source.ts';
import { declareStringFunctions } from './string-functions.ts';
import { declareTypeFunctions } from './type-functions.ts';
import { type CelType, dynType } from './types.ts';
import { CelError } from './values.ts';

function makeBase(): Environment {
  const base = new Environment();
  declareOperators(base);
  declareConversions(base);
  declareStringFunctions(base);
  declareListFunctions(base);
  declareOptionals(base);
  declareTypeFunctions(base);
  declareAddressFunctions(base);
  return base;
}

let base: Environment | undefined;

export interface EnvironmentOptions {
  /** `cel.bind()`, which most of Kubernetes' expressions don't have. */
  bindings?: boolean;
}

/** A fresh environment with Kubernetes' functions, to declare variables and types in. */
export function celEnvironment(options: EnvironmentOptions = {}): Environment {
  base ??= makeBase();
  return base.extend(options);
}

/** An expression that does not parse or whose types don't fit. */
export class CompileError extends Error {
  override readonly name = 'CompileError';
}

export interface Expression {
  /** What it evaluates to. */
  readonly type: CelType;
  mentions(variable: string): boolean;
  /** Whether it reads `variable.field`, optionally (`variable.?field`) or not. */
  selects(variable: string, field: string): boolean;
  /** What an evaluation may cost at most, if variables are as large as `bounds` allow. */
  maxCost(bounds?: Bounds): number;
  /** Throws CelError, CostError, BudgetError. */
  evaluate(variables: Readonly<Record<string, unknown>>, budget: Budget): unknown;
}

const noConstruct: Construct = (typeName) => {
  throw new CelError(`type name '${typeName}' not found`);
};

function refuse(source: string, problems: readonly SourceProblem[]): void {
  if (problems.length > 0) throw new CompileError(`compilation failed: ${displayProblems(source, problems)}`);
}

function checkedTree(environment: Environment, source: string): CelNode {
  const { tree, problems } = parseExpression(source, environment);
  if (!tree) {
    refuse(source, problems);
    throw new Error('neither a tree nor a problem');
  }
  refuse(source, checkTypes(tree, environment));
  refuse(source, checkLiterals(tree));
  return tree;
}

/**
 * Parses and checks an expression; `construct` makes what it constructs (`Object{...}`).
 * @throws CompileError
 */
export function compileExpression(environment: Environment, source: string, construct = noConstruct): Expression {
  const tree = checkedTree(environment, source);
  let run: ReturnType<typeof planExpression>;
  try {
    run = planExpression(tree, construct);
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    throw new CompileError(`program instantiation failed: ${error.message}`);
  }
  return {
    type: tree.type ?? dynType,
    mentions(variable) {
      for (const node of nodesOf(tree)) if (node.kind === 'ident' && node.name === variable) return true;
      return false;
    },
    selects(variable, field) {
      const isVariable = (node: CelNode | undefined) => node?.kind === 'ident' && node.name === variable;
      for (const node of nodesOf(tree)) {
        if (node.kind === 'select' && node.field === field && isVariable(node.operand)) return true;
        if (node.kind !== 'call' || node.name !== '_?._') continue;
        const [operand, name] = node.args;
        if (isVariable(operand) && name?.kind === 'literal' && name.value === field) return true;
      }
      return false;
    },
    maxCost: (bounds) => estimateCost(tree, bounds).max,
    evaluate: (variables, budget) => withinBudget(budget, () => run(variables)),
  };
}
