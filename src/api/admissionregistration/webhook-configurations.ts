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
import { defaultRules, failurePolicies, matchPolicies, reinvocationPolicies, validateRule } from './match-rules.ts';

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
  if (name === '') {
    errors.required(path);
    return;
  }
  reject(errors, path, name, isDns1123Subdomain(name));
  if (isDns1123Subdomain(name).length === 0 && name.split('.').length < 3)
    errors.invalid(path, name, 'should be a domain with at least three segments separated by dots');
}

function validateReviewVersions(versions: readonly string[] | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!versions?.length) {
    errors.required(path, `must specify one of ${reviewVersions.join(', ')}`);
    return;
  }
  for (const [i, version] of versions.entries())
    if (versions.indexOf(version) < i) errors.invalid(path.index(i), version, 'duplicate version');
    else reject(errors, path.index(i), version, isDns1035Label(version));
  if (!versions.some((v) => reviewVersions.includes(v)))
    errors.invalid(path, versions, `must include at least one of ${reviewVersions.join(', ')}`);
}

function validateWebhook(webhook: Webhook, path: FieldPath, errors: FieldErrors): void {
  validateQualifiedName(webhook.name ?? '', path.child('name'), errors);
  for (const [i, rule] of (webhook.rules ?? []).entries()) validateRule(rule, path.child('rules').index(i), errors);
  allowOneOf(errors, path.child('failurePolicy'), webhook.failurePolicy, failurePolicies);
  allowOneOf(errors, path.child('matchPolicy'), webhook.matchPolicy, matchPolicies);
  const { timeoutSeconds } = webhook;
  if (timeoutSeconds !== undefined && (timeoutSeconds < 1 || timeoutSeconds > 30))
    errors.invalid(path.child('timeoutSeconds'), timeoutSeconds, 'the timeout value must be between 1 and 30 seconds');
  validateLabelSelector(webhook.namespaceSelector, path.child('namespaceSelector'), errors);
  validateLabelSelector(webhook.objectSelector, path.child('objectSelector'), errors);
  allowOneOf(errors, path.child('reinvocationPolicy'), webhook.reinvocationPolicy, reinvocationPolicies);
  validateWebhookLocation(webhook.clientConfig, path.child('clientConfig'), errors);
  validateReviewVersions(webhook.admissionReviewVersions, path.child('admissionReviewVersions'), errors);
  validateMatchConditions(webhook.matchConditions, false, path.child('matchConditions'), errors);
}

function validate({ webhooks = [] }: Configuration, errors: FieldErrors): void {
  const names = new Set<string>();
  for (const [i, webhook] of webhooks.entries()) {
    validateWebhook(webhook, webhooksPath.index(i), errors);
    if (webhook.name && names.has(webhook.name)) errors.duplicate(webhooksPath.index(i).child('name'), webhook.name);
    names.add(webhook.name);
  }
}

function validateSideEffects({ webhooks = [] }: Configuration, allowed: readonly string[], errors: FieldErrors): void {
  for (const [i, webhook] of webhooks.entries()) {
    const path = webhooksPath.index(i).child('sideEffects');
    if (webhook.sideEffects === undefined) errors.required(path, `must specify one of ${allowed.join(', ')}`);
    else allowOneOf(errors, path, webhook.sideEffects, allowed);
  }
}

/** v1 takes webhooks without side effects only; what v1beta1 took before may stay as it is. */
const validateCreate = (configuration: Configuration, errors: FieldErrors) => validateSideEffects(configuration, noSideEffects, errors);
const validateUpdate = (next: Configuration, prev: Configuration, errors: FieldErrors) =>
  validateSideEffects(
    next,
    (prev.webhooks ?? []).every((w) => noSideEffects.includes(w.sideEffects ?? '')) ? noSideEffects : sideEffects,
    errors,
  );

function rules(isMutating: boolean) {
  return {
    defaults({ webhooks = [] }: Configuration) {
      for (const webhook of webhooks) defaultWebhook(webhook, isMutating, false);
    },
    validate,
    validateCreate,
    validateUpdate,
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
      validateCreate: (configuration, errors) => validateSideEffects(configuration, sideEffects, errors),
      validateUpdate: (next, _prev, errors) => validateSideEffects(next, sideEffects, errors),
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
