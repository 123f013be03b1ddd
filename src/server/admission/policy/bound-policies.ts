/** What policies of both kinds have in common: their bindings, parameters, variables and match conditions. */
import {
  AdmissionCompiler,
  apiVersionOf,
  type Budget,
  CelError,
  CompileError,
  CostError,
  celTypes,
  goQuote,
  type KubeObject,
  type MatchResources,
  Namespace,
  type ParamKind,
  type ParamRef,
  parseApiVersion,
  type Resource,
  StatusError,
  selectorFromObject,
  variablesValue,
} from '../../../api/index.ts';
import type { PolicyOutcome } from '../../metrics/extension-metrics.ts';
import { convertToServed, type ServedResource } from '../../registry/served-resource.ts';
import type { AdmissionRequest } from '../../request.ts';
import { readObject } from '../../storages.ts';
import type { ExtensionContext } from '../extension/context.ts';
import { type Compile, type Compiled, timedCompile } from '../extension/expressions.ts';
import { followed } from '../extension/followed.ts';
import { type Criteria, criteriaOf, matchRequest } from '../extension/matching.ts';

interface PolicySpec {
  paramKind?: ParamKind;
  matchConstraints?: MatchResources;
  failurePolicy?: string;
  matchConditions?: { name?: string; expression: string }[];
  variables?: { name: string; expression: string }[];
}

interface BindingSpec {
  policyName?: string;
  paramRef?: ParamRef;
  matchResources?: MatchResources;
}

export type Policy = KubeObject & { spec?: PolicySpec };
export type Binding = KubeObject & { spec?: BindingSpec };

export interface CompiledPolicy<P extends Policy, E> {
  readonly policy: P;
  readonly criteria: Criteria;
  readonly conditions: readonly Compiled[];
  readonly variables: readonly { name: string; value: Compiled }[];
  /** What is a kind's own. */
  readonly own: E;
}

export interface CompiledBinding<B extends Binding> {
  readonly binding: B;
  /** Undefined: whatever the policy is for. */
  readonly criteria: Criteria | undefined;
}

/** A policy, a binding of it, and a parameter that hold for a request. */
export interface Match<P extends Policy, B extends Binding, E> {
  readonly policy: CompiledPolicy<P, E>;
  readonly binding: B;
  readonly matched: ServedResource;
  readonly namespace: Namespace | undefined;
  readonly params: KubeObject | undefined;
}

/** A policy that can't be applied as it is. */
export interface ConfigurationProblem<P extends Policy, B extends Binding> {
  readonly policy: P;
  readonly binding: B | undefined;
  readonly message: string;
}

class ConfigurationError extends Error {
  override readonly name: string = 'ConfigurationError';
}

/** The policy itself is at fault, whatever binds it. */
class PolicyError extends ConfigurationError {
  override readonly name = 'PolicyError';
}

/** Reviews that authentication and authorization themselves stand on, and policies themselves (but not what configures webhooks). */
const excluded = new Set([
  'validatingadmissionpolicies.admissionregistration.k8s.io',
  'validatingadmissionpolicybindings.admissionregistration.k8s.io',
  'mutatingadmissionpolicies.admissionregistration.k8s.io',
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io',
  'selfsubjectreviews.authentication.k8s.io',
  'tokenreviews.authentication.k8s.io',
  'localsubjectaccessreviews.authorization.k8s.io',
  'selfsubjectaccessreviews.authorization.k8s.io',
  'selfsubjectrulesreviews.authorization.k8s.io',
  'subjectaccessreviews.authorization.k8s.io',
]);

export interface PolicyKinds<P extends Policy, B extends Binding, E> {
  policy: Resource<P>;
  binding: Resource<B>;
  mutation: boolean;
  compile(policy: P, compiler: AdmissionCompiler, compiled: Compile): E;
}

export interface BoundPolicies<P extends Policy, B extends Binding, E> {
  handles(request: AdmissionRequest): boolean;
  /** What holds for a request, in the order of names; policies that can't be applied go to `onProblem` where they fail closed. */
  matches(request: AdmissionRequest, onProblem: (problem: ConfigurationProblem<P, B>) => void): AsyncGenerator<Match<P, B, E>>;
}

export const failsClosed = ({ spec }: Policy) => spec?.failurePolicy !== 'Ignore';

export function followPolicies<P extends Policy, B extends Binding, E>(
  context: ExtensionContext,
  kinds: PolicyKinds<P, B, E>,
): BoundPolicies<P, B, E> {
  const compiled = timedCompile(context);
  const policies = followed(context, kinds.policy, (policy): CompiledPolicy<P, E> => {
    const { spec = {} } = policy;
    const compiler = new AdmissionCompiler({ hasParams: spec.paramKind !== undefined, mutation: kinds.mutation });
    // Conditions come before the variables, which they can't see.
    const conditions = (spec.matchConditions ?? []).map(({ expression }) =>
      compiled(expression, () => compiler.compile(expression, { returns: [celTypes.boolType] })),
    );
    const variables = (spec.variables ?? []).map(({ name, expression }) => ({
      name,
      value: compiled(expression, () => compiler.addVariable(name, expression)),
    }));
    return {
      policy,
      criteria: criteriaOf(spec.matchConstraints ?? {}),
      conditions,
      variables,
      own: kinds.compile(policy, compiler, compiled),
    };
  });
  const bindings = followed(context, kinds.binding, (binding): CompiledBinding<B> => {
    const match = binding.spec?.matchResources;
    // Without rules a binding narrows by its selectors only.
    const rules = match?.resourceRules?.length
      ? match.resourceRules
      : [{ operations: ['*' as const], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] }];
    return { binding, criteria: match && criteriaOf({ ...match, resourceRules: rules }) };
  });

  const paramsOf = async ({ spec }: P, { spec: bound }: B, request: AdmissionRequest): Promise<(KubeObject | undefined)[]> => {
    const { paramKind } = spec ?? {};
    if (!paramKind) return [undefined];
    const { group, version } = parseApiVersion(paramKind.apiVersion ?? '');
    const served = context.table.findKind(group, version, paramKind.kind ?? '');
    if (!served?.storage)
      throw new PolicyError(
        `failed to find resource referenced by paramKind: '${apiVersionOf({ group, version })}, Kind=${paramKind.kind}'`,
      );
    const ref = bound?.paramRef;
    if (!ref) return [undefined];
    let namespace = '';
    if (served.resource.namespaced) {
      namespace = ref.namespace || request.namespace;
      if (namespace === '')
        throw new ConfigurationError('cannot use namespaced paramRef in policy binding that matches cluster-scoped resources');
    } else if (ref.namespace) throw new ConfigurationError('paramRef.namespace must not be provided for a cluster-scoped `paramKind`');
    let found: KubeObject[];
    if (ref.name) {
      const cached =
        (await served.storage.get(namespace, ref.name, { resourceVersion: '0' })) ?? (await served.storage.get(namespace, ref.name));
      found = cached ? [cached.object] : [];
    } else {
      const selector = selectorFromObject(ref.selector);
      const list = await served.storage.list({
        resourceVersion: '0',
        ...(namespace === '' ? {} : { namespace }),
        matches: ({ metadata }) => selector.matches(metadata.labels ?? {}),
      });
      found = list.items.map((item) => item.object);
    }
    if (found.length === 0 && ref.parameterNotFoundAction === 'Deny')
      throw new ConfigurationError('no params found for policy binding with `Deny` parameterNotFoundAction');
    return Promise.all(found.map((object) => convertToServed(served, object)));
  };

  return {
    handles: (request) => policies.items.length > 0 && bindings.items.length > 0 && !excluded.has(`${request.resource}.${request.group}`),
    async *matches(request, onProblem) {
      for (const compiledPolicy of policies.items) {
        const { policy } = compiledPolicy;
        const bound = bindings.items.filter(({ binding }) => binding.spec?.policyName === policy.metadata.name);
        if (bound.length === 0) continue;
        const matched = await matchRequest(compiledPolicy.criteria, request, context);
        if (!matched) continue;
        const isNamespace = request.resource === 'namespaces' && request.group === '';
        const namespace =
          request.namespace && !isNamespace ? await readObject(context.storages, Namespace, '', request.namespace) : undefined;
        for (const { binding, criteria } of bound) {
          let params: (KubeObject | undefined)[];
          try {
            if (criteria && !(await matchRequest(criteria, request, context))) continue;
            params = await paramsOf(policy, binding, request);
          } catch (error) {
            if (!(error instanceof ConfigurationError) && !(error instanceof StatusError)) throw error;
            if (!failsClosed(policy)) continue;
            if (error instanceof PolicyError)
              onProblem({ policy, binding: undefined, message: `failed to configure policy: ${error.message}` });
            else onProblem({ policy, binding, message: `failed to configure binding: ${error.message}` });
            // Said once, of all its bindings.
            if (error instanceof PolicyError) break;
            continue;
          }
          for (const param of params) yield { policy: compiledPolicy, binding, matched, namespace, params: param };
        }
      }
    },
  };
}

/** The variables of a policy, each evaluated when an expression first reads it, at the cost of that expression. */
export function policyVariables(
  variables: CompiledPolicy<Policy, unknown>['variables'],
  known: Record<string, unknown>,
  budget: Budget,
): Record<string, unknown> {
  if (variables.length === 0) return known;
  const values = new Map<string, () => unknown>();
  const all = { ...known, variables: variablesValue(values) };
  for (const { name, value } of variables) {
    let outcome: { value: unknown } | { error: unknown } | undefined;
    values.set(name, () => {
      if (!outcome) {
        try {
          outcome = { value: evaluateVariable(name, value, all, budget) };
        } catch (error) {
          outcome = { error };
        }
      }
      if ('error' in outcome) throw outcome.error;
      return outcome.value;
    });
  }
  return all;
}

/** Throws CelError, and what ends the expression that the variable is part of. */
function evaluateVariable(name: string, { expression }: Compiled, variables: Record<string, unknown>, budget: Budget): unknown {
  const variable = `composited variable ${goQuote(name)}`;
  if (expression instanceof CompileError) throw new CelError(`${variable} fails to compile: ${expression.message}`);
  try {
    return expression.evaluate(variables, budget);
  } catch (error) {
    if (!(error instanceof CelError) && !(error instanceof CostError)) throw error;
    throw new CelError(`${variable} fails to evaluate: ${error.message}`);
  }
}

/** What an evaluation's failure is counted as, by its message as upstream does. */
export function errorTypeOf(message: string): PolicyOutcome['errorType'] {
  if (message.startsWith('compilation')) return 'compile_error';
  return message.startsWith('validation failed due to running out of cost budget') ? 'out_of_budget' : 'invalid_error';
}
