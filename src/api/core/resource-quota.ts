import { type FieldErrors, FieldPath } from '../fields.ts';
import {
  ResourceQuota,
  type ResourceQuotaScope,
  type ResourceQuotaSpec,
  type ScopedResourceSelectorRequirement,
} from '../generated/core.v1.ts';
import { internalForm } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { fieldImmutable } from '../object-meta.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { canonicalQuantity } from '../quantity.ts';
import { isStandardQuotaResource, validateQuotaResourceName, validateResourceQuantity } from './resource-names.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');

const scopes: readonly ResourceQuotaScope[] = [
  'Terminating',
  'NotTerminating',
  'BestEffort',
  'NotBestEffort',
  'PriorityClass',
  'CrossNamespacePodAffinity',
  'VolumeAttributesClass',
];
const podCompute = ['cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory'];

/** Whether a scope, which is about pods or claims, makes sense for a resource. */
function isScopeValidFor(scope: string, resource: string): boolean {
  switch (scope) {
    case 'BestEffort':
      return resource === 'pods';
    case 'VolumeAttributesClass':
      return resource === 'persistentvolumeclaims' || resource === 'requests.storage';
    case 'Terminating':
    case 'NotTerminating':
    case 'NotBestEffort':
    case 'PriorityClass':
    case 'CrossNamespacePodAffinity':
      return resource === 'pods' || podCompute.includes(resource);
    default:
      return true;
  }
}

/** The resources that a scope does not go with; one error for each. */
const misfits = (scope: string, { hard = {} }: ResourceQuotaSpec) =>
  Object.keys(hard).filter((name) => isStandardQuotaResource(name) && !isScopeValidFor(scope, name));

function validateConflicts(given: readonly string[], spec: ResourceQuotaSpec, path: FieldPath, errors: FieldErrors): void {
  for (const pair of [
    ['BestEffort', 'NotBestEffort'],
    ['Terminating', 'NotTerminating'],
  ])
    if (pair.every((scope) => given.includes(scope))) errors.invalid(path, spec.scopes ?? [], 'conflicting scopes');
}

function validateRequirement(
  requirement: ScopedResourceSelectorRequirement,
  spec: ResourceQuotaSpec,
  path: FieldPath,
  errors: FieldErrors,
): void {
  const { operator, scopeName, values = [] } = requirement;
  if (!scopes.includes(scopeName)) errors.invalid(path.child('scopeName'), scopeName, 'unsupported scope');
  for (const _ of misfits(scopeName, spec))
    errors.invalid(path, internalForm('core.v1.ScopeSelector', spec.scopeSelector), 'unsupported scope applied to resource');
  if (scopeName !== 'PriorityClass' && scopeName !== 'VolumeAttributesClass' && scopes.includes(scopeName) && operator !== 'Exists')
    errors.invalid(
      path.child('operator'),
      operator,
      "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
    );
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0)
      errors.required(path.child('values'), "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0)
      errors.invalid(path.child('values'), values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
  } else errors.invalid(path.child('operator'), operator, 'not a valid selector operator');
}

function validateList(list: Readonly<Record<string, string>> | undefined, path: FieldPath, errors: FieldErrors): void {
  for (const [name, value] of Object.entries(list ?? {})) {
    validateQuotaResourceName(name, path.key(name), errors);
    validateResourceQuantity(name, value, path.key(name), errors);
  }
}

function validateStatus({ status }: ResourceQuota, errors: FieldErrors): void {
  validateList(status?.hard, statusPath.child('hard'), errors);
  validateList(status?.used, statusPath.child('used'), errors);
}

/** `cpu: 1/2, pods: 3/10` of the resources that a name's form picks. */
function usage({ status }: ResourceQuota, isShown: (name: string) => boolean): string {
  const { hard = {}, used = {} } = status ?? {};
  return Object.keys(hard)
    .filter(isShown)
    .sort()
    .map((name) => `${name}: ${canonicalQuantity(used[name] ?? '0')}/${canonicalQuantity(hard[name] ?? '0')}`)
    .join(', ');
}

const isLimit = (name: string) => name.startsWith('limits.');

export const resourceQuota = defineKind<ResourceQuota>({
  resource: ResourceQuota,
  answersDeleted: true,
  shortNames: ['quota'],
  storagePrefix: 'resourcequotas',
  generation: false,
  defaults(quota) {
    quota.spec ??= {};
  },
  create(quota) {
    quota.status = {};
  },
  update(next, prev) {
    next.status = prev.status;
  },
  validate(quota, errors) {
    const { spec } = quota;
    validateList(spec.hard, specPath.child('hard'), errors);
    const given = spec.scopes ?? [];
    const scopesPath = specPath.child('scopes');
    for (const scope of given) {
      if (!scopes.includes(scope)) errors.invalid(scopesPath, given, 'unsupported scope');
      for (const _ of misfits(scope, spec)) errors.invalid(scopesPath, given, 'unsupported scope applied to resource');
    }
    validateConflicts(given, spec, scopesPath, errors);
    const selected = spec.scopeSelector?.matchExpressions ?? [];
    const selectorPath = specPath.child('scopeSelector', 'matchExpressions');
    for (const requirement of selected) validateRequirement(requirement, spec, selectorPath, errors);
    validateConflicts(
      selected.map(({ scopeName }) => scopeName),
      spec,
      selectorPath,
      errors,
    );
    validateStatus(quota, errors);
  },
  validateUpdate(next, prev, errors) {
    const before = new Set(prev.spec.scopes);
    const now = new Set(next.spec.scopes);
    if (before.symmetricDifference(now).size > 0) errors.invalid(specPath.child('scopes'), next.spec.scopes ?? [], fieldImmutable);
  },
  subresources: {
    status: {
      validate: (next, _prev, errors) => validateStatus(next, errors),
    },
  },
  columns: [
    nameColumn,
    {
      name: 'Request',
      description: 'Request represents a minimum amount of cpu/memory that a container may consume.',
      value: (quota) => usage(quota, (name) => !isLimit(name)),
    },
    {
      name: 'Limit',
      description: 'Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node.',
      value: (quota) => usage(quota, isLimit),
    },
    ageColumn,
  ],
});
