/** The webhooks of all configurations of a kind. */
import {
  AdmissionCompiler,
  celTypes,
  type KubeObject,
  type MutatingWebhook,
  type Resource,
  StatusError,
  type ValidatingWebhook,
} from '../../../api/index.ts';
import type { WebhookOutcome } from '../../metrics/extension-metrics.ts';
import type { ServedResource } from '../../registry/served-resource.ts';
import type { AdmissionRequest } from '../../request.ts';
import { refuse } from '../context.ts';
import { AuthorizerChecks } from '../extension/authorizer-checks.ts';
import type { ExtensionContext } from '../extension/context.ts';
import {
  type Compiled,
  conditionsHold,
  ExpressionError,
  expressionVariables,
  ofConditions,
  tallied,
  timedCompile,
  withAuthorizer,
} from '../extension/expressions.ts';
import { type Followed, followed } from '../extension/followed.ts';
import { type Criteria, criteriaOf, matchRequest } from '../extension/matching.ts';
import { reviewRequest } from '../extension/review-request.ts';
import { inVersion } from '../extension/versions.ts';

export type Webhook = ValidatingWebhook & Pick<MutatingWebhook, 'reinvocationPolicy'>;

export interface Hook {
  readonly configuration: string;
  /** Tells it from others of the same name. */
  readonly id: string;
  readonly webhook: Webhook;
  readonly criteria: Criteria;
  readonly conditions: readonly Compiled[];
}

export const failsClosed = ({ webhook }: Hook) => webhook.failurePolicy !== 'Ignore';

export function followHooks<T extends KubeObject & { webhooks?: Webhook[] }>(
  context: ExtensionContext,
  resource: Resource<T>,
): Followed<Hook[]> {
  const compiled = timedCompile(context);
  return followed(context, resource, ({ metadata, webhooks = [] }) =>
    webhooks.map((webhook, i) => {
      const compiler = new AdmissionCompiler({ hasParams: false });
      return {
        configuration: metadata.name,
        id: `${metadata.name}/${webhook.name}/${i}`,
        webhook,
        criteria: criteriaOf({ ...webhook, rules: webhook.rules ?? [] }),
        conditions: (webhook.matchConditions ?? []).map(({ expression }) =>
          compiled(expression, () => compiler.compile(expression, { returns: [celTypes.boolType] })),
        ),
      };
    }),
  );
}

/** The resource, in the version to be shown, that a hook is to be called with; undefined where it is not for this request. */
export async function matchHook(
  context: ExtensionContext,
  hook: Hook,
  request: AdmissionRequest,
  type: WebhookOutcome['type'],
): Promise<ServedResource | undefined> {
  const matched = await matchRequest(hook.criteria, request, context);
  if (!matched || hook.conditions.length === 0) return matched;
  const versioned = await inVersion(context.table, request, matched);
  const checks = new AuthorizerChecks(context.authorizer, request.user);
  const review = reviewRequest(request, versioned);
  const variables = withAuthorizer(ofConditions(expressionVariables({ versioned, review }), review), request, checks);
  try {
    const holds = await tallied(
      context,
      { name: hook.webhook.name, kind: 'webhook', type, operation: request.operation },
      (tally) => checks.evaluate(() => conditionsHold(hook.conditions, variables, tally)),
      ({ hold }) => hold === 'no' || !failsClosed(hook),
    );
    return holds ? matched : undefined;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    if (failsClosed(hook)) throw refuse(request, error.message);
    return undefined;
  }
}

/** Whether a dry run may call it. Throws BadRequest. */
export function checkDryRun({ webhook: { name, sideEffects } }: Hook, { dryRun }: AdmissionRequest): void {
  if (!dryRun || sideEffects === 'None' || sideEffects === 'NoneOnDryRun') return;
  throw new StatusError(400, 'BadRequest', `admission webhook ${JSON.stringify(name)} does not support dry run`);
}
