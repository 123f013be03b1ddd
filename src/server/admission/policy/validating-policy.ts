import {
  type AdmissionCompiler,
  type Budget,
  celTypes,
  type KubeObject,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  type Validation,
} from '../../../api/index.ts';
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
import { reviewRequest } from '../extension/review-request.ts';
import { inVersion } from '../extension/versions.ts';
import { denied, failsClosed, followPolicies, type Match, policyVariables } from './bound-policies.ts';

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
      value: compiled(valueExpression.trim(), () =>
        compiler.compile(valueExpression.trim(), { returns: [celTypes.stringType, celTypes.nullType] }),
      ),
    })),
  };
}

function messageOf({ validation, message }: CompiledValidation, variables: Record<string, unknown>, budget: Budget): string {
  let text = '';
  if (message) {
    try {
      const value = evaluateExpression(message, variables, budget);
      text = typeof value === 'string' ? value.trim() : '';
    } catch (error) {
      // As upstream: a message that can't be made gives way to the fixed one.
      if (!(error instanceof ExpressionError)) throw error;
    }
  }
  if (Buffer.byteLength(text) > maxMessageBytes || text.includes('\n')) text = '';
  return text || validation.message?.trim() || `failed expression: ${validation.expression.trim()}`;
}

/** What a policy says of a request with one parameter. Pure, but for what the authorizer is asked. */
function evaluatePolicy({ policy }: PolicyMatch, known: Record<string, unknown>): Outcome {
  const outcome: Outcome = { failures: [], annotations: [], errors: [] };
  const closed = failsClosed(policy.policy);
  try {
    if (!conditionsHold(policy.conditions, known)) return outcome;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    if (closed) outcome.failures.push({ message: error.message, index: 0, failed: true });
    return outcome;
  }
  const budget: Budget = { left: policyBudget };
  const variables = policyVariables(policy.variables, known, budget);
  for (const [index, item] of policy.own.validations.entries()) {
    try {
      if (evaluateExpression(item.condition, variables, budget) === true) continue;
      outcome.failures.push({
        message: messageOf(item, variables, budget),
        ...(item.validation.reason === undefined ? {} : { reason: item.validation.reason }),
        index,
      });
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      if (closed) outcome.failures.push({ message: error.message, index, failed: true });
      if (budget.left <= 0) break;
    }
  }
  const annotationBudget: Budget = { left: policyBudget };
  for (const { key, value } of policy.own.annotations) {
    try {
      const text = evaluateExpression(value, policyVariables(policy.variables, known, annotationBudget), annotationBudget);
      if (typeof text === 'string') {
        if (text.trim() !== '') outcome.annotations.push({ key, value: text.trim().slice(0, maxAnnotationLength) });
      } else if (text !== null && closed)
        outcome.errors.push(
          `valueExpression '${value.source}' resulted in unsupported return type: ${typeof text}. Return type must be either string or null.`,
        );
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      if (closed) outcome.errors.push(error.message);
    }
  }
  return outcome;
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
  request: AdmissionRequest,
  denials: Denial[],
): void {
  const actions = binding.spec.validationActions ?? [];
  for (const { message, reason, index } of failures) {
    if (actions.includes('Deny')) denials.push(denial(policy, binding, message, reason));
    if (actions.includes('Warn'))
      request.warn(
        `Validation failed for ValidatingAdmissionPolicy '${policy.metadata.name}' with binding '${binding.metadata.name}': ${message}`,
      );
    if (actions.includes('Audit'))
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
  for (const message of errors) denials.push(denial(policy, binding, message));
}

/** Validates requests by ValidatingAdmissionPolicies (KEP-3488). */
export function validatingAdmissionPolicy(context: ExtensionContext): AdmissionPlugin {
  const policies = followPolicies(context, {
    policy: ValidatingAdmissionPolicy,
    binding: ValidatingAdmissionPolicyBinding,
    mutation: false,
    compile: compilePolicy,
  });
  const measure = ({ policy: { policy }, binding }: PolicyMatch, { failures }: Outcome, seconds: number): void => {
    const found = failures.length > 0;
    const actions = found ? (binding.spec.validationActions ?? []).map((action) => action.toLowerCase()) : ['allow'];
    const errorType = failures.some(({ failed }) => failed) ? 'invalid_error' : 'no_error';
    for (const action of actions)
      context.metrics?.validatingPolicy({ policy: policy.metadata.name, binding: binding.metadata.name, action, errorType, seconds });
  };
  return {
    name: 'ValidatingAdmissionPolicy',
    handles: policies.handles,
    async validate(request) {
      const denials: Denial[] = [];
      const annotations = new Map<string, Set<string>>();
      const checks = new AuthorizerChecks(context.authorizer, request.user);
      const found = policies.matches(request, ({ policy, binding, message }) => denials.push(denial(policy, binding, message)));
      for await (const match of found) {
        const versioned = await inVersion(context.table, request, match.matched);
        const review = reviewRequest(request, versioned);
        const { namespace, params } = match;
        const known = expressionVariables({ request, versioned, review, namespace, params, checks });
        const startedMs = context.clock.monotonic();
        const outcome = await checks.evaluate(() => evaluatePolicy(match, known));
        measure(match, outcome, (context.clock.monotonic() - startedMs) / 1000);
        act(match, outcome, request, denials);
        for (const { key, value } of outcome.annotations) {
          const name = `${match.policy.policy.metadata.name}/${key}`;
          annotations.set(name, (annotations.get(name) ?? new Set()).add(value));
        }
      }
      // Bindings and parameters may give several values for a key.
      for (const [key, values] of annotations) request.auditAnnotation(key, [...values].join(', '));
      const [first] = denials;
      if (first) throw denied(request, first.message, first.reason);
    },
  };
}
