/**
 * CEL over admission requests: what match conditions and policies are written in (k8s.io/apiserver/pkg/admission/plugin/cel). An
 * expression sees `object`, `oldObject`, `request`, `namespaceObject`, and, where given, `params`, `authorizer` and `variables`.
 */
import { declareAuthorizer } from '../cel/authorizer-functions.ts';
import {
  type CelType,
  CompileError,
  celEnvironment,
  compileExpression,
  type Environment,
  type Expression,
  celTypes as t,
} from '../cel/index.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import { constructMutation, declareMutation } from './mutation-types.ts';
import { declareRequest, variablesType } from './request-types.ts';

let base: Environment | undefined;

/** An environment with the variables that every expression sees. */
function makeEnvironment(): Environment {
  const environment = celEnvironment().variable('object', t.dynType).variable('oldObject', t.dynType);
  declareRequest(environment);
  return environment;
}

export interface CompilerOptions {
  hasParams: boolean;
  /** With the constructors of MutatingAdmissionPolicies. */
  mutation?: boolean;
  /** Declares the types of `object`, `oldObject` and `params`, where they are known. Default: found out at run time. */
  declareTypes?: (environment: Environment) => void;
}

export interface ExpressionUse {
  /** What the expression may evaluate to. Default: anything. */
  returns?: readonly CelType[];
  /** Whether it may ask the authorizer. Default true. */
  hasAuthorizer?: boolean;
}

/** Compiles the expressions of one policy, whose variables may build on each other in order. */
export class AdmissionCompiler {
  readonly #options: CompilerOptions;
  readonly #variables = new Map<string, CelType>();
  readonly #environments = new Map<boolean, Environment>();

  constructor(options: CompilerOptions) {
    this.#options = options;
  }

  #environment(hasAuthorizer: boolean): Environment {
    let environment = this.#environments.get(hasAuthorizer);
    if (environment) return environment;
    base ??= makeEnvironment();
    environment = base.extend();
    if (this.#options.hasParams) environment.variable('params', t.dynType);
    if (hasAuthorizer) declareAuthorizer(environment);
    if (this.#options.mutation) declareMutation(environment);
    this.#options.declareTypes?.(environment);
    environment.struct(variablesType.name, (name) => this.#variables.get(name)).variable('variables', variablesType);
    this.#environments.set(hasAuthorizer, environment);
    return environment;
  }

  /** Throws CompileError. */
  compile(source: string, { returns, hasAuthorizer = true }: ExpressionUse = {}): Expression {
    const expression = compileExpression(this.#environment(hasAuthorizer), source, constructMutation);
    if (!returns || returns.some((type) => t.sameType(type, expression.type))) return expression;
    const wanted = returns.map(typeName);
    throw new CompileError(
      `must evaluate to ${wanted.length === 1 ? wanted[0] : `one of [${wanted.join(' ')}]`} but got ${typeName(expression.type)}`,
    );
  }

  /** Makes `variables.NAME` known to what is compiled from now on. Throws CompileError. */
  addVariable(name: string, source: string): Expression {
    let type = t.dynType;
    try {
      const expression = this.compile(source);
      type = expression.type;
      return expression;
    } finally {
      // One that does not compile is wrong in one place, not wherever it is used.
      this.#variables.set(name, type);
    }
  }
}

/** As a type says of itself: `list(JSONPatch)`, `null_type`. */
const typeName = (type: CelType): string =>
  type.params.length === 0 ? type.name : `${type.name}(${type.params.map(typeName).join(', ')})`;

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
