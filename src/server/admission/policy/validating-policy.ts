import {
  type AdmissionCompiler,
  type Budget,
  celTypes,
  type KubeObject,
  StatusError,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  type Validation,
} from '../../../api/index.ts';
import type { PolicyOutcome } from '../../metrics/extension-metrics.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../../request.ts';
import { refuse } from '../context.ts';
import { AuthorizerChecks } from '../extension/authorizer-checks.ts';
import type { ExtensionContext } from '../extension/context.ts';
import {
  type Compile,
  type Compiled,
  type ConditionsTally,
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
import { inVersion } from '../extension/versions.ts';
import { errorTypeOf, failsClosed, followPolicies, type Match, policyVariables } from './bound-policies.ts';

const maxMessageBytes = 5 * 1024;
const maxAnnotationLength = 10 * 1024;

interface CompiledValidation {
  validation: Validation;
  condition: Compiled;
  message: Compiled | undefined;
}

interface Expressions {
  validations: CompiledValidation[];
  annotations: { key: string; value: Compiled }[];
}

type PolicyMatch = Match<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, Expressions>;

interface Failure {
  message: string;
  reason?: string;
  /** Of the validation. */
  index: number;
  /** It could not be evaluated. */
  failed?: boolean;
}

/** What expressions see: conditions, validations, and those that can't ask the authorizer. */
interface Variables {
  conditions: Record<string, unknown>;
  known: Record<string, unknown>;
  unasking: Record<string, unknown>;
}

interface Outcome {
  failures: Failure[];
  annotations: { key: string; value: string }[];
  /** Annotations that failed to evaluate. */
  errors: string[];
}

function compilePolicy({ spec }: ValidatingAdmissionPolicy, compiler: AdmissionCompiler, compiled: Compile): Expressions {
  return {
    validations: (spec.validations ?? []).map((validation) => ({
      validation,
      condition: compiled(validation.expression, () => compiler.compile(validation.expression, { returns: [celTypes.boolType] })),
      message: validation.messageExpression?.trim()
        ? compiled(validation.messageExpression, () =>
            compiler.compile(validation.messageExpression ?? '', { returns: [celTypes.stringType], hasAuthorizer: false }),
          )
        : undefined,
    })),
    annotations: (spec.auditAnnotations ?? []).map(({ key, valueExpression }) => ({
      key,
      value: compiled(valueExpression, () => compiler.compile(valueExpression, { returns: [celTypes.stringType, celTypes.nullType] })),
    })),
  };
}

/** What a message's expression says, where it can be said; undefined where it can't, as upstream. */
function evaluatedMessage(message: Compiled, variables: Record<string, unknown>, budget: Budget): string | undefined {
  let text: string;
  try {
    const value = evaluateExpression(message, variables, budget);
    text = typeof value === 'string' ? value.trim() : '';
  } catch (error) {
    if (!(error instanceof ExpressionError) || error.isOfBudget) throw error;
    return undefined;
  }
  return Buffer.byteLength(text) > maxMessageBytes || text.includes('\n') ? undefined : text;
}

const fixedMessage = ({ validation: { message, expression } }: CompiledValidation) =>
  message?.trim() || `failed expression: ${expression.trim()}`;

type Verdict = { holds: boolean } | { error: string };

function verdictOf({ condition }: CompiledValidation, variables: Record<string, unknown>, budget: Budget): Verdict {
  try {
    return { holds: evaluateExpression(condition, variables, budget) === true };
  } catch (error) {
    if (!(error instanceof ExpressionError) || error.isOfBudget) throw error;
    return { error: error.message };
  }
}

/**
 * What validations find wrong. Messages are evaluated for all of them with what is left of the budget; what is too much for it fails
 * them all. Throws ExpressionError when the budget does not do for the validations.
 */
function failuresOf({ policy }: PolicyMatch, known: Record<string, unknown>, unasking: Record<string, unknown>): Failure[] {
  const budget: Budget = { left: policyBudget };
  const { validations } = policy.own;
  const variables = policyVariables(policy.variables, known, budget);
  const verdicts = validations.map((item) => verdictOf(item, variables, budget));
  let messages: (string | undefined)[] = [];
  let spent: string | undefined;
  try {
    const forMessages = policyVariables(policy.variables, unasking, budget);
    messages = validations.map(({ message }) => message && evaluatedMessage(message, forMessages, budget));
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    spent = `failed messageExpression: ${error.message}`;
  }
  return validations.flatMap((item, index): Failure[] => {
    const verdict = verdicts[index];
    const error = verdict && 'error' in verdict ? verdict.error : spent;
    if (error !== undefined) return [{ message: error, index, failed: true }];
    if (verdict && 'holds' in verdict && verdict.holds) return [];
    const { reason } = item.validation;
    return [{ message: messages[index] || fixedMessage(item), ...(reason === undefined ? {} : { reason }), index }];
  });
}

function annotate({ policy }: PolicyMatch, unasking: Record<string, unknown>, outcome: Outcome): void {
  const budget: Budget = { left: policyBudget };
  const variables = policyVariables(policy.variables, unasking, budget);
  for (const { key, value } of policy.own.annotations) {
    try {
      const text = evaluateExpression(value, variables, budget);
      if (typeof text === 'string' && text.trim() !== '')
        outcome.annotations.push({ key, value: text.trim().slice(0, maxAnnotationLength) });
    } catch (error) {
      if (!(error instanceof ExpressionError) || error.isOfBudget) throw error;
      if (failsClosed(policy.policy)) outcome.errors.push(error.message);
    }
  }
}

/** What a policy says of a request with one parameter. Pure, but for what the authorizer is asked. */
function evaluatePolicy(match: PolicyMatch, { conditions, known, unasking }: Variables, tally: ConditionsTally): Outcome {
  const outcome: Outcome = { failures: [], annotations: [], errors: [] };
  try {
    if (!conditionsHold(match.policy.conditions, conditions, tally)) return outcome;
    outcome.failures = failuresOf(match, known, unasking);
    annotate(match, unasking, outcome);
    return outcome;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    // What can't be evaluated to its end is all that is said.
    return { failures: [{ message: error.message, index: 0, failed: true }], annotations: [], errors: [] };
  }
}

interface Denial {
  message: string;
  reason: string | undefined;
}

const denial = (policy: KubeObject, binding: KubeObject | undefined, why: string, reason?: string): Denial => ({
  message: `ValidatingAdmissionPolicy '${policy.metadata.name}'${binding ? ` with binding '${binding.metadata.name}'` : ''} denied request: ${why}`,
  reason,
});

/** Does what the binding says with what the policy found: deny, warn, note for the audit. */
function act(
  { policy: { policy }, binding }: PolicyMatch,
  { failures, errors }: Outcome,
  {
    request,
    denials,
    note,
  }: { request: AdmissionRequest; denials: Denial[]; note(action: string, errorType: PolicyOutcome['errorType']): void },
): void {
  const actions = binding.spec.validationActions ?? [];
  for (const { message, reason, index, failed } of failures) {
    const errorType = errorTypeOf(message);
    if (failed && !failsClosed(policy)) {
      note('allow', errorType);
      continue;
    }
    for (const action of actions) {
      note(action.toLowerCase(), errorType);
      if (action === 'Deny') denials.push(denial(policy, binding, message, reason));
      else if (action === 'Warn')
        request.warn(
          `Validation failed for ValidatingAdmissionPolicy '${policy.metadata.name}' with binding '${binding.metadata.name}': ${message}`,
        );
      else
        request.auditAnnotation(
          'validation.policy.admission.k8s.io/validation_failure',
          JSON.stringify([
            {
              message,
              policy: binding.spec.policyName,
              binding: binding.metadata.name,
              expressionIndex: index,
              validationActions: actions,
            },
          ]),
        );
    }
  }
  for (const message of errors) {
    note('deny', errorTypeOf(message));
    denials.push(denial(policy, binding, message));
  }
}

const codes: Record<string, number> = { Forbidden: 403, Unauthorized: 401, RequestEntityTooLarge: 413, Invalid: 422 };

/** A refusal: worded as Forbidden, with the reason of the failed validation. */
function denied(request: AdmissionRequest, { message, reason = 'Invalid' }: Denial): StatusError {
  const { message: text, status } = refuse(request, message);
  return new StatusError(codes[reason] ?? 422, reason, text, { ...status.details, causes: [{ message }] });
}

/** Validates requests by ValidatingAdmissionPolicies (KEP-3488). */
export function validatingAdmissionPolicy(context: ExtensionContext): AdmissionPlugin {
  const policies = followPolicies(context, {
    policy: ValidatingAdmissionPolicy,
    binding: ValidatingAdmissionPolicyBinding,
    mutation: false,
    compile: compilePolicy,
  });
  return {
    name: 'ValidatingAdmissionPolicy',
    handles: policies.handles,
    async validate(request) {
      const denials: Denial[] = [];
      const annotations = new Map<string, Set<string>>();
      const checks = new AuthorizerChecks(context.authorizer, request.user);
      const found = policies.matches(request, ({ policy, binding, message }) => denials.push(denial(policy, binding, message)));
      for await (const match of found) {
        const { policy } = match.policy;
        const versioned = await inVersion(context.table, request, match.matched);
        const review = reviewRequest(request, versioned);
        const { namespace, params } = match;
        // Messages and annotations can't ask the authorizer.
        const unasking = expressionVariables({ versioned, review, namespace, params });
        const known = withAuthorizer(unasking, request, checks);
        const variables = { conditions: ofConditions(known, review), known, unasking };
        const startedMs = context.clock.monotonic();
        const of = { name: policy.metadata.name, kind: 'policy', type: 'validate', operation: request.operation } as const;
        const outcome = await tallied(context, of, (tally) => checks.evaluate(() => evaluatePolicy(match, variables, tally)));
        const seconds = (context.clock.monotonic() - startedMs) / 1000;
        const note = (action: string, errorType: PolicyOutcome['errorType']) =>
          context.metrics?.validatingPolicy({
            policy: policy.metadata.name,
            binding: match.binding.metadata.name,
            action,
            errorType,
            seconds,
          });
        act(match, outcome, { request, denials, note });
        for (const { key, value } of outcome.annotations) {
          const name = `${policy.metadata.name}/${key}`;
          annotations.set(name, (annotations.get(name) ?? new Set()).add(value));
        }
      }
      // Bindings and parameters may give several values for a key.
      for (const [key, values] of annotations) request.auditAnnotation(key, [...values].join(', '));
      const [first] = denials;
      if (first) throw denied(request, first);
    },
  };
}
