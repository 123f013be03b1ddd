import {
  type AdmissionCompiler,
  applyJsonPatch,
  atomicPlaces,
  type Budget,
  deepEqual,
  dynamicValue,
  JsonPatchValue,
  jsonOf,
  type KubeObject,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  mergeTyped,
  mutationTypes,
  ObjectValue,
  PatchError,
  typeNameProblem,
} from '../../../api/index.ts';
import { nodeOf } from '../../registry/served-resource.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../../request.ts';
import { AuthorizerChecks } from '../extension/authorizer-checks.ts';
import type { ExtensionContext } from '../extension/context.ts';
import {
  type Compile,
  type Compiled,
  conditionsHold,
  ExpressionError,
  evaluateExpression,
  expressionVariables,
  policyBudget,
} from '../extension/expressions.ts';
import { isExempt } from '../extension/matching.ts';
import { reviewRequest } from '../extension/review-request.ts';
import { Rounds } from '../extension/rounds.ts';
import { inVersion, takeMutation } from '../extension/versions.ts';
import { denied, failsClosed, followPolicies, type Match, policyVariables } from './bound-policies.ts';

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

/** What may not be part of an apply configuration: it names no other object than the request's. */
const fixedMetadata = ['name', 'namespace', 'uid', 'generateName', 'resourceVersion'];

/** What a mutation's value makes of the object. Throws ExpressionError. */
function applied({ type, value: { source } }: CompiledMutation, value: unknown, object: KubeObject, { matched }: PolicyMatch): KubeObject {
  if (type === 'JSONPatch') {
    if (!Array.isArray(value) || !value.every((item) => item instanceof JsonPatchValue))
      throw new ExpressionError(`type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch`);
    try {
      // A patched object is one; whether it is still of its kind is found out when it is decoded.
      return applyJsonPatch(object, jsonOf(value)) as KubeObject;
    } catch (error) {
      if (error instanceof PatchError) throw new ExpressionError(`JSON Patch: ${error.message}`);
      throw error;
    }
  }
  if (!(value instanceof ObjectValue)) throw new ExpressionError(`expression '${source}' must evaluate to Object`);
  const node = nodeOf(matched);
  if (!node) throw new ExpressionError(`no type is known of ${matched.resource.kind}`);
  const misnamed = typeNameProblem(value);
  if (misnamed !== undefined) throw new ExpressionError(`type mismatch: ${misnamed}`);
  const configuration = jsonOf(value) as Record<string, unknown>; // an ObjectValue's fields
  const atomics = atomicPlaces(node, configuration);
  if (atomics.length > 0)
    throw new ExpressionError(
      `error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`,
    );
  const { metadata } = configuration;
  for (const field of fixedMetadata)
    if (typeof metadata === 'object' && metadata !== null && Object.hasOwn(metadata, field))
      throw new ExpressionError(`error applying patch: metadata.${field} may not be changed`);
  return mergeTyped(node, object, configuration) as KubeObject; // of an object and fields of its type
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

  const mutate = async (match: PolicyMatch, request: AdmissionRequest, checks: AuthorizerChecks): Promise<boolean> => {
    const { namespace, params, matched, policy } = match;
    const versioned = await inVersion(context.table, request, matched);
    const { object } = versioned;
    if (!object) return false;
    const review = reviewRequest(request, versioned);
    const known = expressionVariables({ request, versioned, review, namespace, params, checks });
    const next = await checks.evaluate(() => {
      if (!conditionsHold(policy.conditions, known)) return object;
      const budget: Budget = { left: policyBudget };
      let current = object;
      for (const mutation of policy.own) {
        // Each sees what those before it have done; so do the variables.
        const variables = policyVariables(policy.variables, { ...known, object: dynamicValue(current) }, budget);
        current = applied(mutation, evaluateExpression(mutation.value, variables, budget), current, match);
      }
      return current;
    });
    if (deepEqual(next, object)) return false;
    const { name, uid } = object.metadata;
    if (next.metadata?.name !== name || next.metadata.uid !== uid)
      throw new ExpressionError('the policy may not change metadata.name or metadata.uid');
    await takeMutation(context.table, request, matched, next);
    return true;
  };

  return {
    name: 'MutatingAdmissionPolicy',
    // A deletion has no object to change.
    handles: (request) => request.object !== undefined && policies.handles(request) && !isExempt(request),
    async admit(request) {
      const checks = new AuthorizerChecks(context.authorizer, request.user);
      const found = policies.matches(request, ({ policy, binding, message }) => {
        const bound = binding ? ` with binding '${binding.metadata.name}'` : '';
        throw denied(request, `policy '${policy.metadata.name}'${bound} denied request: ${message}`);
      });
      for await (const match of found) {
        const { policy } = match.policy;
        const id = `${policy.metadata.name}/${match.binding.metadata.name}/${match.params?.metadata.namespace}/${match.params?.metadata.name}`;
        if (!rounds.isDue(request, id)) continue;
        const startedMs = context.clock.monotonic();
        const note = (errorType: 'no_error' | 'invalid_error') =>
          context.metrics?.mutatingPolicy({
            policy: policy.metadata.name,
            binding: match.binding.metadata.name,
            errorType,
            seconds: (context.clock.monotonic() - startedMs) / 1000,
          });
        try {
          const mutated = await mutate(match, request, checks);
          note('no_error');
          rounds.invoked(request, id, { mutated, again: policy.spec.reinvocationPolicy === 'IfNeeded' });
        } catch (error) {
          if (!(error instanceof ExpressionError)) throw error;
          note('invalid_error');
          if (!failsClosed(policy)) continue;
          throw denied(
            request,
            `policy '${policy.metadata.name}' with binding '${match.binding.metadata.name}' denied request: ${error.message}`,
          );
        }
      }
    },
  };
}
