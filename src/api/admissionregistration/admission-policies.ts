/** ValidatingAdmissionPolicy, MutatingAdmissionPolicy and their bindings (KEP-3488, KEP-3962). */
import { reject, require as requireValue } from '../core/checks.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  type ParamKind,
  type ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../generated/admissionregistration.v1.ts';
import * as v1alpha1 from '../generated/admissionregistration.v1alpha1.ts';
import * as v1beta1 from '../generated/admissionregistration.v1beta1.ts';
import type { LabelSelector } from '../generated/meta.v1.ts';
import { defineKind } from '../kind.ts';
import { isDns1123Subdomain } from '../names.ts';
import { validateConditions } from '../object-meta.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import type { KubeObject } from '../resource.ts';
import { sameShape } from '../served-version.ts';
import { defaultMatchResources, validateMatchResources, warnOfReservedName } from './match-rules.ts';
import { validateMutableOperations, validateMutatingPolicy, validateParamRef, validateValidatingPolicy } from './policy-validation.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');
const validationActions = ['Audit', 'Deny', 'Warn'];

const specChanged = (next: KubeObject & { spec?: unknown }, prev: KubeObject & { spec?: unknown }) => !semanticEqual(next.spec, prev.spec);

const paramKindColumn = {
  name: 'ParamKind',
  type: 'string' as const,
  description: 'ParamKind specifies the kind of resources used to parameterize this policy',
  value: ({ spec }: KubeObject & { spec?: { paramKind?: ParamKind } }) =>
    spec?.paramKind ? `${spec.paramKind.apiVersion}/${spec.paramKind.kind}` : '<unset>',
};

/** A selector as upstream's generated code writes it. */
function goText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const labels = Object.entries(matchLabels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}: ${value},`);
  const requirements = matchExpressions.map(
    ({ key, operator, values = [] }) => `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  );
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{${requirements.join('')}},}`;
}

/** PolicyName and ParamRef. */
function bindingColumns(_what: string) {
  return [
    nameColumn,
    {
      name: 'PolicyName',
      type: 'string' as const,
      description: 'PolicyName indicates the policy definition which the policy binding binded to',
      value: ({ spec }: Binding) => spec?.policyName ?? '',
    },
    {
      name: 'ParamRef',
      type: 'string' as const,
      description: 'ParamRef indicates the param resource which sets the configuration param',
      value: ({ spec }: Binding) => {
        const { name, namespace, selector } = spec?.paramRef ?? {};
        // Whether parameters have namespaces can't be told from here.
        if (name) return `${namespace || '*'}/${name}`;
        return selector ? goText(selector) : '<unset>';
      },
    },
    ageColumn,
  ];
}

type Binding = KubeObject & { spec?: { policyName?: string; paramRef?: ParamRef } };

export const validatingAdmissionPolicy = defineKind<ValidatingAdmissionPolicy>({
  resource: ValidatingAdmissionPolicy,
  versions: [
    sameShape(v1beta1.ValidatingAdmissionPolicy, ValidatingAdmissionPolicy),
    sameShape(v1alpha1.ValidatingAdmissionPolicy, ValidatingAdmissionPolicy),
  ],
  categories: ['api-extensions'],
  allowUnconditionalUpdate: false,
  warnings: warnOfReservedName,
  defaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= 'Fail';
    defaultMatchResources(spec.matchConstraints);
  },
  validate(policy, errors) {
    validateValidatingPolicy(policy, specPath, errors);
  },
  subresources: {
    status: {
      keepsMetadata: true,
      validate({ status }, _prev, errors) {
        const warnings = statusPath.child('typeChecking', 'expressionWarnings');
        for (const [i, { fieldRef, warning }] of (status?.typeChecking?.expressionWarnings ?? []).entries()) {
          requireValue(errors, warnings.index(i).child('warning'), warning);
          requireValue(errors, warnings.index(i).child('fieldRef'), fieldRef?.trim());
        }
        validateConditions(status?.conditions, statusPath.child('conditions'), errors);
      },
    },
  },
  columns: [
    nameColumn,
    {
      name: 'Validations',
      type: 'integer',
      description: 'Validations indicates the number of validation rules defined in this configuration',
      value: ({ spec }) => spec?.validations?.length ?? 0,
    },
    paramKindColumn,
    ageColumn,
  ],
});

export const mutatingAdmissionPolicy = defineKind<MutatingAdmissionPolicy>({
  resource: MutatingAdmissionPolicy,
  versions: [
    sameShape(v1beta1.MutatingAdmissionPolicy, MutatingAdmissionPolicy),
    sameShape(v1alpha1.MutatingAdmissionPolicy, MutatingAdmissionPolicy),
  ],
  upstreamStorageVersion: 'v1beta1',
  categories: ['api-extensions'],
  allowUnconditionalUpdate: false,
  warnings: warnOfReservedName,
  defaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= 'Fail';
    defaultMatchResources(spec.matchConstraints);
  },
  validate(policy, errors) {
    validateMutatingPolicy(policy, specPath, errors);
  },
  generation: specChanged,
  columns: [
    nameColumn,
    {
      name: 'Mutations',
      type: 'integer',
      description: 'Mutation indicates the number of mutations rules defined in this configuration',
      value: ({ spec }) => spec?.mutations?.length ?? 0,
    },
    paramKindColumn,
    ageColumn,
  ],
});

function validateBinding(
  spec: ValidatingAdmissionPolicyBinding['spec'] | MutatingAdmissionPolicyBinding['spec'],
  errors: FieldErrors,
): void {
  const path = specPath.child('policyName');
  const name = spec?.policyName;
  if (requireValue(errors, path, name)) reject(errors, path, name, isDns1123Subdomain(name));
  validateParamRef(spec?.paramRef, specPath.child('paramRef'), errors);
}

/** In v1alpha1 nobody has to say what a missing parameter means. */
function denyWithoutParameters({ spec }: ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding): void {
  if (spec?.paramRef) spec.paramRef.parameterNotFoundAction ??= 'Deny';
}

export const validatingAdmissionPolicyBinding = defineKind<ValidatingAdmissionPolicyBinding>({
  resource: ValidatingAdmissionPolicyBinding,
  versions: [
    sameShape(v1beta1.ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBinding),
    sameShape(v1alpha1.ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBinding, { defaults: denyWithoutParameters }),
  ],
  categories: ['api-extensions'],
  allowUnconditionalUpdate: false,
  warnings: warnOfReservedName,
  defaults({ spec }) {
    defaultMatchResources(spec?.matchResources);
  },
  validate({ spec }, errors) {
    validateBinding(spec, errors);
    validateMatchResources(spec?.matchResources, specPath.child('matchResources'), errors);
    const path = specPath.child('validationActions');
    const actions: readonly string[] = spec?.validationActions ?? [];
    for (const [i, action] of actions.entries()) {
      if (!validationActions.includes(action)) errors.notSupported(path.index(i), action, validationActions);
      if (actions.indexOf(action) < i) errors.duplicate(path.index(i), action);
    }
    if (actions.includes('Deny') && actions.includes('Warn'))
      errors.invalid(
        path,
        actions,
        'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
      );
    if (actions.length === 0) errors.required(path, 'at least one validation action is required');
  },
  generation: specChanged,
  columns: bindingColumns('validating'),
});

export const mutatingAdmissionPolicyBinding = defineKind<MutatingAdmissionPolicyBinding>({
  resource: MutatingAdmissionPolicyBinding,
  versions: [
    sameShape(v1beta1.MutatingAdmissionPolicyBinding, MutatingAdmissionPolicyBinding),
    sameShape(v1alpha1.MutatingAdmissionPolicyBinding, MutatingAdmissionPolicyBinding, { defaults: denyWithoutParameters }),
  ],
  upstreamStorageVersion: 'v1beta1',
  categories: ['api-extensions'],
  allowUnconditionalUpdate: false,
  warnings: warnOfReservedName,
  defaults({ spec }) {
    defaultMatchResources(spec?.matchResources);
  },
  validate({ spec }, errors) {
    validateBinding(spec, errors);
    validateMatchResources(spec?.matchResources, specPath.child('matchResources'), errors);
    validateMutableOperations(spec?.matchResources, specPath.child('matchResources'), errors);
  },
  generation: specChanged,
  columns: bindingColumns('mutating'),
});
