import {
  type AdmissionCompiler,
  applyJsonPatch,
  atomicPlaces,
  type Budget,
  deepEqual,
  goQuote,
  JsonPatchValue,
  jsonOf,
  type KubeObject,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  mergeTyped,
  mutationTypes,
  ObjectValue,
  PatchError,
  StatusError,
  typedProblems,
  typeNameProblems,
} from '../../../api/index.ts';
import type { PolicyOutcome } from '../../metrics/extension-metrics.ts';
import { nodeOf } from '../../registry/served-resource.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../../request.ts';
import { refuse } from '../context.ts';
import { AuthorizerChecks } from '../extension/authorizer-checks.ts';
import type { ExtensionContext } from '../extension/context.ts';
import {
  type Compile,
  type Compiled,
  conditionsHold,
  ExpressionError,
  evaluateExpression,
  expressionVariables,
  ofConditions,
  policyBudget,
  tallied,
  withAuthorizer,
} from '../extension/expressions.ts';
import { reviewRequest } from '../extension/review-request.ts';
import { Rounds } from '../extension/rounds.ts';
import { inVersion, takeMutation } from '../extension/versions.ts';
import { errorTypeOf, failsClosed, followPolicies, type Match, policyVariables } from './bound-policies.ts';

interface CompiledMutation {
  type: 'ApplyConfiguration' | 'JSONPatch';
  value: Compiled;
}
type PolicyMatch = Match<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, CompiledMutation[]>;

function compilePolicy({ spec }: MutatingAdmissionPolicy, compiler: AdmissionCompiler, compiled: Compile): CompiledMutation[] {
  return (spec.mutations ?? []).map(({ patchType, jsonPatch, applyConfiguration }) => {
    const type = patchType === 'JSONPatch' ? 'JSONPatch' : 'ApplyConfiguration';
    const source = (type === 'JSONPatch' ? jsonPatch : applyConfiguration)?.expression ?? '';
    return {
      type,
      value: compiled(source, () => compiler.compile(source, { returns: [mutationTypes[type]] })),
    };
  });
}

/** What a JSON patch makes of the object; nothing if one of its tests does not hold. Throws ExpressionError. */
function patchedBy(value: unknown, object: KubeObject): KubeObject {
  if (!Array.isArray(value) || !value.every((item) => item instanceof JsonPatchValue))
    throw new ExpressionError('type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch');
  for (const { fields } of value) checkTypeNames(fields.get('value'));
  try {
    // A patched object is one; whether it is still of its kind is found out when it is decoded.
    return applyJsonPatch(object, jsonOf(value)) as KubeObject;
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    if (error.isFailedTest) return object;
    throw new ExpressionError(`JSON Patch: ${error.message}`);
  }
}

function checkTypeNames(value: unknown): void {
  const problems = value instanceof ObjectValue ? typeNameProblems(value) : [];
  if (problems.length > 0) throw new ExpressionError(`type mismatch: ${problems.join('\n')}`);
}

/** What an apply configuration makes of the object. Throws ExpressionError. */
function mergedWith(value: unknown, object: KubeObject, { matched }: PolicyMatch): KubeObject {
  if (!(value instanceof ObjectValue)) throw new ExpressionError('unsupported return type from ApplyConfiguration expression');
  const node = nodeOf(matched);
  if (!node) throw new ExpressionError(`no type is known of ${matched.resource.kind}`);
  checkTypeNames(value);
  const configuration = jsonOf(value);
  const problem = typedProblems(node, configuration);
  if (problem !== undefined) throw new ExpressionError(`error applying patch: failed to convert patch object to typed object: ${problem}`);
  const atomics = atomicPlaces(node, configuration);
  if (atomics.length > 0)
    throw new ExpressionError(
      `error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`,
    );
  return mergeTyped(node, object, configuration) as KubeObject; // of an object and fields of its type
}

interface Problem {
  policy: MutatingAdmissionPolicy;
  binding: MutatingAdmissionPolicyBinding | undefined;
  message: string;
  reason?: string;
}

function textOf({ policy: { metadata }, binding, message }: Problem): string {
  const policy = binding ? `'${metadata.name}' with binding '${binding.metadata.name}'` : goQuote(metadata.name);
  return `policy ${policy} denied request: ${message}`;
}

/** A refusal by all that went wrong: in the words and with the reason of the first, and always 403. */
function denial(request: AdmissionRequest, first: Problem, problems: readonly Problem[]): StatusError {
  const { status } = refuse(request, 'admission request denied by policy');
  const causes = problems.map((problem) => ({ message: textOf(problem) }));
  return new StatusError(403, first.reason ?? 'Forbidden', textOf(first), { ...status.details, causes });
}

/** Changes requests by MutatingAdmissionPolicies (KEP-3962), one after the other. */
export function mutatingAdmissionPolicy(context: ExtensionContext): AdmissionPlugin {
  const policies = followPolicies(context, {
    policy: MutatingAdmissionPolicy,
    binding: MutatingAdmissionPolicyBinding,
    mutation: true,
    compile: compilePolicy,
  });
  const rounds = new Rounds();

  /** Throws ExpressionError. */
  const isMeant = async (match: PolicyMatch, request: AdmissionRequest, checks: AuthorizerChecks): Promise<boolean> => {
    const { params, matched, policy } = match;
    if (policy.conditions.length === 0) return true;
    const versioned = await inVersion(context.table, request, matched);
    const review = reviewRequest(request, versioned);
    const variables = withAuthorizer(ofConditions(expressionVariables({ versioned, review, params }), review), request, checks);
    // Upstream's metrics tell of these as of validating policies.
    const of = { name: policy.policy.metadata.name, kind: 'policy', type: 'validate', operation: request.operation } as const;
    return tallied(context, of, (tally) => checks.evaluate(() => conditionsHold(policy.conditions, variables, tally)));
  };

  /** Whether the object has changed. Throws ExpressionError. */
  const mutate = async ({ type, value }: CompiledMutation, match: PolicyMatch, request: AdmissionRequest, checks: AuthorizerChecks) => {
    const { namespace, params, matched, policy } = match;
    const versioned = await inVersion(context.table, request, matched);
    const { object } = versioned;
    if (!object) return false;
    const review = reviewRequest(request, versioned);
    const known = withAuthorizer(expressionVariables({ versioned, review, namespace, params }), request, checks);
    const outcome = await checks.evaluate(() => {
      const budget: Budget = { left: policyBudget };
      return evaluateExpression(value, policyVariables(policy.variables, known, budget), budget);
    });
    const isPatch = type === 'JSONPatch';
    const next = isPatch ? patchedBy(outcome, object) : mergedWith(outcome, object, match);
    if (deepEqual(next, object)) return false;
    await takeMutation(context.table, request, matched, next, { strict: isPatch });
    return true;
  };

  /** Applies all mutations of a policy; one that fails leaves the others be. */
  const mutateAll = async (match: PolicyMatch, request: AdmissionRequest, checks: AuthorizerChecks, onProblem: (why: string) => void) => {
    const outcome = { ran: false, mutated: false };
    for (const mutation of match.policy.own) {
      const startedMs = context.clock.monotonic();
      const note = (errorType: PolicyOutcome['errorType']) =>
        context.metrics?.mutatingPolicy({
          policy: match.policy.policy.metadata.name,
          binding: match.binding.metadata.name,
          errorType,
          seconds: (context.clock.monotonic() - startedMs) / 1000,
        });
      try {
        if (await mutate(mutation, match, request, checks)) outcome.mutated = true;
        outcome.ran = true;
        note('no_error');
      } catch (error) {
        note(errorTypeOf(error instanceof Error ? error.message : ''));
        if (!(error instanceof ExpressionError)) throw error;
        onProblem(error.message);
      }
    }
    return outcome;
  };

  return {
    name: 'MutatingAdmissionPolicy',
    // A deletion has no object to change.
    handles: (request) => request.object !== undefined && policies.handles(request),
    async admit(request) {
      const checks = new AuthorizerChecks(context.authorizer, request.user);
      const problems: Problem[] = [];
      // Which of them are meant is settled before the first of them changes anything.
      const matches: PolicyMatch[] = [];
      for await (const match of policies.matches(request, (problem) => problems.push(problem))) matches.push(match);
      rounds.begin(request);
      let hasRun = false;
      for (const match of matches) {
        const { policy } = match.policy;
        const { binding, params } = match;
        const onProblem = (message: string) => {
          if (failsClosed(policy)) problems.push({ policy, binding, message, reason: 'Invalid' });
        };
        try {
          if (!(await isMeant(match, request, checks))) continue;
        } catch (error) {
          if (!(error instanceof ExpressionError)) throw error;
          onProblem(error.message);
          continue;
        }
        const id = `${policy.metadata.name}/${binding.metadata.name}/${params?.metadata.namespace}/${params?.metadata.name}`;
        if (!rounds.isDue(request, id)) continue;
        const { ran, mutated } = await mutateAll(match, request, checks, onProblem);
        if (ran) hasRun = true;
        rounds.invoked(request, id, { mutated, again: policy.spec.reinvocationPolicy === 'IfNeeded' });
      }
      // As upstream: policies that ask for it see again what they have done themselves.
      if (hasRun) rounds.changed(request);
      rounds.end(request);
      const [first] = problems;
      if (first) throw denial(request, first, problems);
    },
  };
}
