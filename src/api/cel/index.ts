export type { Bounds } from './cost-estimate.ts';
export { CompileError, celEnvironment, compileExpression, type Expression, evaluationProblem, optionalOf } from './environment.ts';
export { type Budget, CostError, perCallLimit } from './metering.ts';
