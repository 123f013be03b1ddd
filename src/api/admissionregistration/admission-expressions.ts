/**
 * CEL over admission requests: what match conditions and policies are written in (k8s.io/apiserver/pkg/admission/plugin/cel). An
 * expression sees `object`, `oldObject`, `request`, `namespaceObject`, and, where given, `params`, `authorizer` and `variables`.
 */
import type { Environment } from '@marcbachmann/cel-js';
import { authorizerType, registerAuthorizer } from '../cel/authorizer-functions.ts';
import { rewriteConstructors } from '../cel/constructors.ts';
import { CompileError, celEnvironment, compileExpression, type Expression } from '../cel/index.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import { declareMutation, mutationRoots } from './mutation-types.ts';
import { declareRequest, VariablesValue } from './request-types.ts';

const variablesType = 'kubernetes.variables';

let base: Environment | undefined;
let mutating: Environment | undefined;

/** An environment with the variables that every expression sees. */
function makeEnvironment(objectType: (environment: Environment) => string): Environment {
  const environment = celEnvironment();
  const type = objectType(environment);
  environment.registerVariable('object', type).registerVariable('oldObject', type);
  declareRequest(environment);
  registerAuthorizer(environment);
  return environment;
}

function admissionEnvironment({ mutation, objectType }: CompilerOptions): Environment {
  if (objectType) return makeEnvironment(objectType);
  base ??= makeEnvironment(() => 'dyn');
  if (!mutation) return base.clone();
  if (!mutating) {
    mutating = base.clone();
    declareMutation(mutating);
  }
  return mutating.clone();
}

export interface CompilerOptions {
  hasParams: boolean;
  /** With the constructors of MutatingAdmissionPolicies. */
  mutation?: boolean;
  /** Declares the type of `object` and `oldObject`, where it is known. Default: found out at run time. */
  objectType?: (environment: Environment) => string;
}

export interface ExpressionUse {
  /** CEL types that the expression may be of; values that are typed at run time only (`dyn`) may be any. */
  returns?: readonly string[];
  /** Whether it may ask the authorizer. Default true. */
  hasAuthorizer?: boolean;
}

/** Compiles the expressions of one policy, whose variables may build on each other in order. */
export class AdmissionCompiler {
  readonly #options: CompilerOptions;
  readonly #variables = new Map<string, string>();
  #environments = new Map<boolean, Environment>();

  constructor(options: CompilerOptions) {
    this.#options = options;
  }

  #environment(hasAuthorizer: boolean): Environment {
    let environment = this.#environments.get(hasAuthorizer);
    if (environment) return environment;
    environment = admissionEnvironment(this.#options);
    if (this.#options.hasParams) environment.registerVariable('params', 'dyn');
    if (hasAuthorizer) environment.registerVariable('authorizer', authorizerType);
    if (this.#variables.size > 0)
      environment
        .registerType(variablesType, { ctor: VariablesValue, fields: Object.fromEntries(this.#variables) })
        .registerVariable('variables', variablesType);
    this.#environments.set(hasAuthorizer, environment);
    return environment;
  }

  /** Throws CompileError. */
  compile(source: string, { returns, hasAuthorizer = true }: ExpressionUse = {}): Expression {
    const rewritten = this.#options.mutation ? rewriteConstructors(source, mutationRoots) : source;
    const expression = compileExpression(this.#environment(hasAuthorizer), rewritten);
    if (returns && !returns.some((type) => fits(expression.type, type)))
      throw new CompileError(returns.length === 1 ? `must evaluate to ${returns[0]}` : `must evaluate to one of [${returns.join(' ')}]`);
    return expression;
  }

  /** Makes `variables.NAME` known to what is compiled from now on. Throws CompileError. */
  addVariable(name: string, source: string): Expression {
    let type = 'dyn';
    try {
      const expression = this.compile(source);
      type = expression.type;
      return expression;
    } finally {
      // One that does not compile is wrong in one place, not wherever it is used.
      this.#variables.set(name, type);
      this.#environments = new Map();
    }
  }
}

function fits(actual: string, wanted: string): boolean {
  if (actual === 'dyn' || actual === wanted || actual === wanted.replace('_type', '')) return true;
  const [, item] = /^list\((.*)\)$/.exec(wanted) ?? [];
  return item !== undefined && (actual === 'list' || actual === `list<${item}>` || actual === 'list<dyn>');
}

/** Adds what is wrong with an expression. */
export function validateExpression(
  compiler: AdmissionCompiler,
  source: string,
  use: ExpressionUse,
  path: FieldPath,
  errors: FieldErrors,
): void {
  try {
    compiler.compile(source, use);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    errors.invalid(path, source, error.message);
  }
}
