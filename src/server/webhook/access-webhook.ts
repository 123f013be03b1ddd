/** Others who say who may do what: --authorization-webhook-*, and the webhooks of --authorization-config. */
import {
  type AccessCondition,
  aggregateMessage,
  BudgetError,
  CelError,
  CostError,
  parseFieldSelector,
  parseSelector,
  SelectorError,
} from '../../api/index.ts';
import { expiringCache } from '../../client/index.ts';
import type { WebhookAuthorizerMetrics } from '../metrics/authorizer-metrics.ts';
import type { Attributes, Authorizer, Decision, SelectorRequirement } from '../request.ts';
import type { PostOutcome } from './kubeconfig-webhook.ts';
import { askReview, type ReviewOptions } from './reviews.ts';

export interface AccessWebhookOptions extends Omit<ReviewOptions, 'onTry'> {
  /** --authorization-webhook-cache-authorized-ttl, authorizedTTL; 0: what is allowed is not remembered. */
  allowedTtlMs: number;
  /** --authorization-webhook-cache-unauthorized-ttl, unauthorizedTTL. */
  deniedTtlMs: number;
  /** What becomes of a request where the webhook can't be asked. Default `noOpinion`: others decide. */
  onFailure?: 'noOpinion' | 'deny';
  /** All must hold where the webhook is to be asked. Default: it always is. */
  conditions?: readonly { source: string; holds: AccessCondition }[];
  metrics?: WebhookAuthorizerMetrics;
  onError(error: unknown): void;
}

interface AccessStatus {
  allowed: boolean;
  denied: boolean;
  reason: string;
}

/** What is asked about in longer words is not remembered. */
const maxRememberedLength = 10_000;

/** What a selector asks for, as reviews have it; nothing of one that can't be read: the request is then wider than it seems. */
function requirementsOf(read: () => readonly SelectorRequirement[]): { requirements: readonly SelectorRequirement[] } | undefined {
  try {
    const requirements = read();
    return requirements.length > 0 ? { requirements } : undefined;
  } catch (error) {
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}

const fieldRequirements = (text: string) =>
  requirementsOf(() =>
    parseFieldSelector(text).requirements.map(({ field, operator, value }) => ({
      key: field,
      operator: operator === '=' ? 'In' : 'NotIn',
      values: [value],
    })),
  );

/** Comparisons have no word in a review. */
const labelOperators: Readonly<Record<string, string>> = {
  ...{ In: 'In', Equals: 'In', NotIn: 'NotIn', NotEquals: 'NotIn' },
  ...{ Exists: 'Exists', DoesNotExist: 'DoesNotExist' },
};

const labelRequirements = (text: string) =>
  requirementsOf(() =>
    parseSelector(text).requirements.flatMap(({ key, operator, values }) => {
      const known = labelOperators[operator];
      return known ? [{ key, operator: known, ...(values.length > 0 ? { values } : {}) }] : [];
    }),
  );

interface ReviewSpec {
  resourceAttributes?: object;
  nonResourceAttributes?: object;
  user: string;
  groups: readonly string[];
  extra: object;
  uid: string;
}

/** The review's spec in v1, empty texts included: what conditions see. */
function specOf({ user, ...attributes }: Attributes): ReviewSpec {
  const { verb, isResourceRequest, apiGroup, apiVersion, namespace, resource, subresource, name, path } = attributes;
  const { fieldSelector: fields, labelSelector: labels, requirements: given } = attributes;
  const fieldSelector = given?.fields ? { requirements: given.fields } : fields === undefined ? undefined : fieldRequirements(fields);
  const labelSelector = given?.labels ? { requirements: given.labels } : labels === undefined ? undefined : labelRequirements(labels);
  return {
    ...(isResourceRequest
      ? {
          resourceAttributes: {
            ...{ namespace, verb, group: apiGroup, version: apiVersion, resource, subresource, name },
            ...(fieldSelector ? { fieldSelector } : {}),
            ...(labelSelector ? { labelSelector } : {}),
          },
        }
      : { nonResourceAttributes: { path, verb } }),
    user: user.name,
    groups: user.groups,
    extra: user.extra ?? {},
    uid: user.uid ?? '',
  };
}

const withoutEmpty = (object: object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== ''));

/** The spec as it is sent. */
function sentSpec(spec: ReviewSpec, version: ReviewOptions['version'], hasExtra: boolean): object {
  const { resourceAttributes, nonResourceAttributes, user, groups, extra, uid } = spec;
  return {
    ...(resourceAttributes ? { resourceAttributes: withoutEmpty(resourceAttributes) } : {}),
    ...(nonResourceAttributes ? { nonResourceAttributes: withoutEmpty(nonResourceAttributes) } : {}),
    ...(user === '' ? {} : { user }),
    // The older version's field has the other name.
    ...(groups.length > 0 ? { [version === 'v1' ? 'groups' : 'group']: groups } : {}),
    ...(hasExtra ? { extra } : {}),
    ...(uid === '' ? {} : { uid }),
  };
}

/** Whether the webhook is to be asked. One condition that is false decides, whatever else fails. */
function conditionsHold(conditions: NonNullable<AccessWebhookOptions['conditions']>, spec: object): boolean {
  const failures: string[] = [];
  for (const { source, holds } of conditions) {
    try {
      if (!holds(spec)) return false;
    } catch (error) {
      if (!(error instanceof CelError || error instanceof CostError || error instanceof BudgetError)) throw error;
      failures.push(`cel evaluation error: expression '${source}' resulted in error: ${error.message}`);
    }
  }
  if (failures.length === 0) return true;
  throw new Error(aggregateMessage(failures));
}

export function accessWebhook(options: AccessWebhookOptions): Authorizer {
  const { clock, version, conditions = [], onFailure = 'noOpinion', metrics } = options;
  const answers = expiringCache<Partial<AccessStatus>>(
    clock,
    ({ allowed }) => (allowed === true ? options.allowedTtlMs : options.deniedTtlMs),
    8192,
  );
  const failed = (error: unknown): Decision => {
    options.onError(error);
    return { decision: onFailure, reason: '', error: error instanceof Error ? error : new Error(String(error)) };
  };

  /** Throws where that can't be told. */
  function isForWebhook(spec: object): boolean {
    if (conditions.length === 0) return true;
    const startedMs = clock.monotonic();
    try {
      const holds = conditionsHold(conditions, spec);
      if (!holds) metrics?.excluded();
      return holds;
    } catch (error) {
      metrics?.conditionFailed();
      throw error;
    } finally {
      metrics?.conditionsEvaluated((clock.monotonic() - startedMs) / 1000);
    }
  }

  return {
    async authorize(attributes) {
      const spec = specOf(attributes);
      try {
        if (!isForWebhook(spec)) return { decision: 'noOpinion', reason: '' };
      } catch (error) {
        return failed(error);
      }
      const sent = sentSpec(spec, version, attributes.user.extra !== undefined);
      const { verb, apiGroup, apiVersion, namespace, resource, subresource, name, path, fieldSelector, labelSelector } = attributes;
      const words = [verb, apiGroup, apiVersion, namespace, resource, subresource, name, path, fieldSelector, labelSelector];
      const { length } = words.join('');
      let timedOut = false;
      const onTry = (result: PostOutcome, seconds: number) => {
        timedOut = result === 'timeout';
        metrics?.evaluated(result, seconds);
      };
      const asked = () => askReview<AccessStatus>({ ...options, onTry }, 'authorization.k8s.io', 'SubjectAccessReview', sent);
      let status: Partial<AccessStatus>;
      try {
        status = await (length < maxRememberedLength ? answers(JSON.stringify(sent), asked) : asked());
      } catch (error) {
        if (onFailure === 'noOpinion') metrics?.failedOpen(timedOut ? 'timeout' : 'error');
        return failed(error);
      }
      const reason = status.reason ?? '';
      if (status.denied !== true) return { decision: status.allowed === true ? 'allow' : 'noOpinion', reason };
      if (status.allowed !== true) return { decision: 'deny', reason };
      return { decision: 'deny', reason, error: new Error('webhook subject access review returned both allow and deny response') };
    },
    rulesFor: () =>
      Promise.resolve({
        resourceRules: [],
        nonResourceRules: [],
        incomplete: true,
        evaluationError: 'webhook authorizer does not support user rule resolution',
      }),
  };
}
