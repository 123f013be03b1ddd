/** MutatingWebhookConfiguration and ValidatingWebhookConfiguration. */
import { allowOneOf, reject } from '../core/checks.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import {
  type MutatingWebhook,
  MutatingWebhookConfiguration,
  type ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '../generated/admissionregistration.v1.ts';
import * as v1beta1 from '../generated/admissionregistration.v1beta1.ts';
import { defineKind, type ServedVersion } from '../kind.ts';
import { isDns1035Label, isDns1123Subdomain } from '../names.ts';
import { validateLabelSelector } from '../object-meta.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import type { KubeObject, Resource } from '../resource.ts';
import { convertedVersion } from '../served-version.ts';
import { validateWebhookLocation } from '../webhook-client-config.ts';
import { validateMatchConditions } from './match-conditions.ts';
import { defaultRules, failurePolicies, matchPolicies, reinvocationPolicies, validateRule, warnOfReservedName } from './match-rules.ts';

type Webhook = ValidatingWebhook & Pick<MutatingWebhook, 'reinvocationPolicy'>;
type Configuration = KubeObject & { webhooks?: Webhook[] };

const webhooksPath = new FieldPath('webhooks');
const reviewVersions = ['v1', 'v1beta1'];
const noSideEffects = ['None', 'NoneOnDryRun'];
const sideEffects = [...noSideEffects, 'Some', 'Unknown'];

function defaultWebhook(webhook: Webhook, isMutating: boolean, isBeta: boolean): void {
  webhook.failurePolicy ??= isBeta ? 'Ignore' : 'Fail';
  webhook.matchPolicy ??= isBeta ? 'Exact' : 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= isBeta ? 30 : 10;
  if (isBeta) webhook.sideEffects ??= 'Unknown';
  if (isBeta && !webhook.admissionReviewVersions?.length) webhook.admissionReviewVersions = ['v1beta1'];
  if (isMutating) webhook.reinvocationPolicy ??= 'Never';
  if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= 443;
  defaultRules(webhook.rules);
}

/** A dotted name of at least three parts. */
function validateQualifiedName(name: string, path: FieldPath, errors: FieldErrors): void {
  const problems = isDns1123Subdomain(name);
  if (name === '') errors.required(path);
  else if (problems.length > 0) errors.invalid(path, name, problems.join(','));
  else if (name.split('.').length < 3) errors.invalid(path, name, 'should be a domain with at least three segments separated by dots');
}

/** What is asked of webhooks, beside what always is: an update asks less of what the object before it has wrong too. */
interface Demands {
  sideEffects: readonly string[];
  /** At least one version of reviews that this server sends. */
  knownReviews: boolean;
  uniqueNames: boolean;
  /** Match conditions are compiled. */
  conditions: boolean;
}

function validateReviewVersions(versions: readonly string[] | undefined, known: boolean, path: FieldPath, errors: FieldErrors): void {
  if (!versions?.length) {
    errors.required(path, `must specify one of ${reviewVersions.join(', ')}`);
    return;
  }
  for (const [i, version] of versions.entries())
    if (versions.indexOf(version) < i) errors.invalid(path.index(i), version, 'duplicate version');
    else reject(errors, path.index(i), version, isDns1035Label(version));
  if (known && !versions.some((v) => reviewVersions.includes(v)))
    errors.invalid(path, versions, `must include at least one of ${reviewVersions.join(', ')}`);
}

function validateWebhook(webhook: Webhook, demands: Demands, path: FieldPath, errors: FieldErrors): void {
  validateQualifiedName(webhook.name ?? '', path.child('name'), errors);
  for (const [i, rule] of (webhook.rules ?? []).entries()) validateRule(rule, path.child('rules').index(i), errors);
  allowOneOf(errors, path.child('failurePolicy'), webhook.failurePolicy, failurePolicies);
  allowOneOf(errors, path.child('matchPolicy'), webhook.matchPolicy, matchPolicies);
  if (webhook.sideEffects === undefined)
    errors.required(path.child('sideEffects'), `must specify one of ${demands.sideEffects.join(', ')}`);
  else allowOneOf(errors, path.child('sideEffects'), webhook.sideEffects, demands.sideEffects);
  const { timeoutSeconds } = webhook;
  if (timeoutSeconds !== undefined && (timeoutSeconds < 1 || timeoutSeconds > 30))
    errors.invalid(path.child('timeoutSeconds'), timeoutSeconds, 'the timeout value must be between 1 and 30 seconds');
  validateLabelSelector(webhook.namespaceSelector, path.child('namespaceSelector'), errors);
  validateLabelSelector(webhook.objectSelector, path.child('objectSelector'), errors);
  allowOneOf(errors, path.child('reinvocationPolicy'), webhook.reinvocationPolicy, reinvocationPolicies);
  validateWebhookLocation(webhook.clientConfig, path.child('clientConfig'), errors);
  if (demands.conditions) validateMatchConditions(webhook.matchConditions, false, path.child('matchConditions'), errors);
  validateReviewVersions(webhook.admissionReviewVersions, demands.knownReviews, path.child('admissionReviewVersions'), errors);
}

function validateWebhooks({ webhooks = [] }: Configuration, demands: Demands, errors: FieldErrors): void {
  const names = new Set<string>();
  for (const [i, webhook] of webhooks.entries()) {
    validateWebhook(webhook, demands, webhooksPath.index(i), errors);
    if (demands.uniqueNames && webhook.name && names.has(webhook.name)) errors.duplicate(webhooksPath.index(i).child('name'), webhook.name);
    names.add(webhook.name);
  }
}

const strict = { knownReviews: true, uniqueNames: true, conditions: true };

/** What the webhooks before kept to, those after must keep to. */
function demandsAfter({ webhooks = [] }: Configuration, next: readonly Webhook[]): Omit<Demands, 'sideEffects'> {
  return {
    knownReviews: webhooks.every(
      ({ admissionReviewVersions: versions }) => !versions?.length || versions.some((v) => reviewVersions.includes(v)),
    ),
    uniqueNames: new Set(webhooks.map(({ name }) => name)).size === webhooks.length,
    conditions: !semanticEqual(
      webhooks.map((w) => w.matchConditions ?? null),
      next.map((w) => w.matchConditions ?? null),
    ),
  };
}

/** v1 takes webhooks without side effects only; what v1beta1 took before may stay as it is. */
const validateCreate = (configuration: Configuration, errors: FieldErrors) =>
  validateWebhooks(configuration, { ...strict, sideEffects: noSideEffects }, errors);
function validateUpdate(next: Configuration, prev: Configuration, errors: FieldErrors): void {
  const hadNone = (prev.webhooks ?? []).every((w) => noSideEffects.includes(w.sideEffects ?? ''));
  validateWebhooks(next, { ...demandsAfter(prev, next.webhooks ?? []), sideEffects: hadNone ? noSideEffects : sideEffects }, errors);
}

function rules(isMutating: boolean) {
  return {
    defaults({ webhooks = [] }: Configuration) {
      for (const webhook of webhooks) defaultWebhook(webhook, isMutating, false);
    },
    validateCreate,
    validateUpdate,
    warnings: warnOfReservedName,
    generation: (next: Configuration, prev: Configuration) => !semanticEqual(next.webhooks, prev.webhooks),
    categories: ['api-extensions'],
    columns: [
      nameColumn,
      {
        name: 'Webhooks',
        type: 'integer' as const,
        description: 'Webhooks indicates the number of webhooks registered in this configuration',
        value: ({ webhooks }: Configuration) => webhooks?.length ?? 0,
      },
      ageColumn,
    ],
  };
}

/** Of the same fields, with other defaults, and webhooks with side effects. */
function beta<T extends Configuration>(served: Resource, storage: Resource<T>, isMutating: boolean): ServedVersion<T> {
  return {
    ...convertedVersion<T, T>(served as Resource<T>, storage, {
      defaults({ webhooks = [] }) {
        for (const webhook of webhooks) defaultWebhook(webhook, isMutating, true);
      },
      toStorage: (obj) => obj,
      fromStorage: (obj) => obj,
    }),
    overrides: {
      validateCreate: (configuration, errors) => validateWebhooks(configuration, { ...strict, sideEffects }, errors),
      validateUpdate: (next, prev, errors) =>
        validateWebhooks(next, { ...demandsAfter(prev, (next as Configuration).webhooks ?? []), sideEffects }, errors),
    },
  };
}

export const mutatingWebhookConfiguration = defineKind<MutatingWebhookConfiguration>({
  resource: MutatingWebhookConfiguration,
  versions: [beta(v1beta1.MutatingWebhookConfiguration, MutatingWebhookConfiguration, true)],
  allowUnconditionalUpdate: false,
  ...rules(true),
});

export const validatingWebhookConfiguration = defineKind<ValidatingWebhookConfiguration>({
  resource: ValidatingWebhookConfiguration,
  versions: [beta(v1beta1.ValidatingWebhookConfiguration, ValidatingWebhookConfiguration, false)],
  allowUnconditionalUpdate: false,
  ...rules(false),
});
