import { allowOneOf, requireDnsLabel, requireNonNegative } from '../core/checks.ts';
import { validatePersistentVolumeClaimSpec } from '../core/claim-spec.ts';
import { validatePodAnnotations } from '../core/pod-annotations.ts';
import { defaultPersistentVolumeClaimSpec, defaultPodTemplate } from '../core/pod-defaults.ts';
import { validatePodTemplate } from '../core/pod-spec.ts';
import { workloadWarnings } from '../core/pod-warnings.ts';
import { claimSpecWarnings } from '../core/volume-warnings.ts';
import { semanticEqual } from '../equality.ts';
import { FieldErrors, FieldPath } from '../fields.ts';
import { StatefulSet, type StatefulSetSpec } from '../generated/apps.v1.ts';
import * as v1beta1 from '../generated/apps.v1beta1.ts';
import * as v1beta2 from '../generated/apps.v1beta2.ts';
import type { PersistentVolumeClaim, PodTemplateSpec } from '../generated/core.v1.ts';
import { isZero, requireAtMost100Percent, requireNonNegativeIntOrPercent } from '../int-or-percent.ts';
import { internalForm } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { nameIsDnsLabel } from '../names.ts';
import { validateAnnotations, validateLabels } from '../object-meta.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { orphaning, sameShape } from '../served-version.ts';
import { containerColumns } from './pod-columns.ts';
import {
  defaultSelectorFromTemplate,
  requireAtMost,
  requireCounts,
  validateCollisionCount,
  validateRunsForEver,
  validateSelectorMatches,
  validateWorkloadSelector,
} from './template-rules.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');

function validateUpdateStrategy({ updateStrategy = {} }: StatefulSetSpec, errors: FieldErrors): void {
  const path = specPath.child('updateStrategy');
  const { type, rollingUpdate } = updateStrategy;
  if (!type) errors.required(path);
  else if (type === 'OnDelete') {
    if (rollingUpdate)
      errors.invalid(
        path.child('rollingUpdate'),
        internalForm('apps.v1.RollingUpdateStatefulSetStrategy', rollingUpdate),
        "only allowed for updateStrategy 'RollingUpdate'",
      );
  } else if (type === 'RollingUpdate') {
    if (!rollingUpdate) return;
    const at = path.child('rollingUpdate');
    requireNonNegative(errors, at.child('partition'), rollingUpdate.partition);
    const { maxUnavailable } = rollingUpdate;
    if (maxUnavailable === undefined) return;
    requireNonNegativeIntOrPercent(maxUnavailable, at.child('maxUnavailable'), errors);
    if (isZero(maxUnavailable)) errors.invalid(at.child('maxUnavailable'), maxUnavailable, 'cannot be 0');
    requireAtMost100Percent(maxUnavailable, at.child('maxUnavailable'), errors);
  } else errors.invalid(path, internalForm('apps.v1.StatefulSetUpdateStrategy', updateStrategy), "must be 'RollingUpdate' or 'OnDelete'");
}

function validateRetentionPolicy({ persistentVolumeClaimRetentionPolicy: policy }: StatefulSetSpec, errors: FieldErrors): void {
  if (!policy) return;
  const path = specPath.child('persistentVolumeClaimRetentionPolicy');
  allowOneOf(errors, path.child('whenDeleted'), policy.whenDeleted ?? '', ['Retain', 'Delete']);
  allowOneOf(errors, path.child('whenScaled'), policy.whenScaled ?? '', ['Retain', 'Delete']);
}

/** The claims are volumes of the pods, in place of what the template says of such by the same names. */
function withClaims(template: PodTemplateSpec, claims: readonly PersistentVolumeClaim[]): PodTemplateSpec {
  const names = [...new Set(claims.map(({ metadata }) => metadata?.name ?? ''))];
  const volumes = [
    ...names.map((name) => ({ name, persistentVolumeClaim: { claimName: name } })),
    ...(template.spec.volumes ?? []).filter(({ name }) => !names.includes(name)),
  ];
  // The controller gives each pod a name and a domain of its own.
  const { hostname: _, subdomain: __, ...spec } = template.spec;
  return { ...template, spec: { ...spec, volumes } };
}

interface Rules {
  /** What was stored before some rules were may go on breaking them. */
  isStored?: boolean;
  skipsPodSpec?: boolean;
}

function validateTemplate({ template, volumeClaimTemplates = [] }: StatefulSetSpec, { skipsPodSpec }: Rules, errors: FieldErrors): void {
  const path = specPath.child('template');
  if (!skipsPodSpec) {
    validatePodTemplate(withClaims(template, volumeClaimTemplates), path, errors);
    return;
  }
  const { labels, annotations } = template.metadata ?? {};
  validateLabels(labels, path.child('labels'), errors);
  validateAnnotations(annotations, path.child('annotations'), errors);
  validatePodAnnotations(annotations, template.spec, path.child('annotations'), errors);
}

function validateSpec(spec: StatefulSetSpec, rules: Rules, errors: FieldErrors): void {
  if (!spec.podManagementPolicy) errors.required(specPath.child('podManagementPolicy'));
  else if (!['OrderedReady', 'Parallel'].includes(spec.podManagementPolicy))
    errors.invalid(specPath.child('podManagementPolicy'), spec.podManagementPolicy, "must be 'OrderedReady' or 'Parallel'");
  validateUpdateStrategy(spec, errors);
  validateRetentionPolicy(spec, errors);
  if (!rules.isStored)
    for (const [i, claim] of (spec.volumeClaimTemplates ?? []).entries())
      validatePersistentVolumeClaimSpec(claim.spec ?? {}, specPath.child('volumeClaimTemplates').index(i).child('spec'), errors);
  requireNonNegative(errors, specPath.child('replicas'), spec.replicas);
  requireNonNegative(errors, specPath.child('minReadySeconds'), spec.minReadySeconds);
  requireNonNegative(errors, specPath.child('ordinals', 'start'), spec.ordinals?.start);
  if (!rules.isStored && spec.serviceName) requireDnsLabel(errors, specPath.child('serviceName'), spec.serviceName);
  validateWorkloadSelector(spec.selector, 'statefulset', specPath.child('selector'), errors);
  if (validateSelectorMatches(spec.selector, spec.template, specPath, errors, '')) validateTemplate(spec, rules, errors);
  validateRunsForEver(spec.template, 'StatefulSet', specPath.child('template'), errors);
}

function isStoredValid({ spec }: StatefulSet): boolean {
  const errors = new FieldErrors();
  validateSpec(spec, { isStored: true }, errors);
  return errors.ok;
}

const mutable = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;

function fixedPart(spec: StatefulSetSpec): Partial<StatefulSetSpec> {
  const rest: Partial<StatefulSetSpec> = { ...spec };
  for (const field of mutable) delete rest[field];
  return rest;
}

export const statefulSet = defineKind<StatefulSet>({
  resource: StatefulSet,
  shortNames: ['sts'],
  categories: ['all'],
  versions: [
    orphaning(
      sameShape(v1beta1.StatefulSet, StatefulSet, {
        defaults(set) {
          set.spec ??= { template: { spec: { containers: [] } }, serviceName: '' };
          defaultSelectorFromTemplate(set);
          set.spec.updateStrategy ??= {};
          set.spec.updateStrategy.type ||= 'OnDelete';
        },
      }),
    ),
    orphaning(sameShape(v1beta2.StatefulSet, StatefulSet)),
  ],
  validateName: nameIsDnsLabel,
  defaults(set) {
    set.spec ??= { template: { spec: { containers: [] } }, serviceName: '' };
    const { spec } = set;
    spec.podManagementPolicy ||= 'OrderedReady';
    spec.updateStrategy ??= {};
    if (!spec.updateStrategy.type) {
      spec.updateStrategy.type = 'RollingUpdate';
      spec.updateStrategy.rollingUpdate ??= {};
    }
    const { type, rollingUpdate } = spec.updateStrategy;
    if (type === 'RollingUpdate' && rollingUpdate) rollingUpdate.partition ??= 0;
    spec.persistentVolumeClaimRetentionPolicy ??= {};
    spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain';
    spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain';
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    defaultPodTemplate(spec.template);
    for (const claim of spec.volumeClaimTemplates ?? []) {
      // Claim templates are whole objects; upstream stores them with type and status as well.
      claim.apiVersion = 'v1';
      claim.kind = 'PersistentVolumeClaim';
      claim.spec ??= {};
      defaultPersistentVolumeClaimSpec(claim.spec);
      claim.status ??= {};
      claim.status.phase ||= 'Pending';
    }
  },
  validateCreate: ({ spec }, errors) => validateSpec(spec, {}, errors),
  validateUpdate(next, prev, errors) {
    validateSpec(next.spec, { isStored: true, skipsPodSpec: !isStoredValid(prev) }, errors);
    if (!semanticEqual(fixedPart(next.spec), fixedPart(prev.spec)))
      errors.forbidden(
        specPath,
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
      );
  },
  warnings(next, prev) {
    const { revisionHistoryLimit = 0, template, volumeClaimTemplates = [] } = next.spec;
    const warnings = workloadWarnings(next, prev, template, { isNamed: false });
    if (!prev || next.metadata.generation !== prev.metadata.generation)
      for (const [i, claim] of volumeClaimTemplates.entries())
        warnings.push(...claimSpecWarnings(claim.spec ?? {}, specPath.child('volumeClaimTemplates').index(i)));
    if (revisionHistoryLimit < 0)
      warnings.push('spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended');
    return warnings;
  },
  subresources: {
    status: {
      validate({ status }, prev, errors) {
        const parts = ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'] as const;
        if (status) {
          requireCounts(status, ['replicas', ...parts, 'observedGeneration', 'collisionCount'], statusPath, errors);
          requireAtMost(status, parts, 'replicas', 'cannot be greater than status.replicas', statusPath, errors);
          requireAtMost(status, ['availableReplicas'], 'readyReplicas', 'cannot be greater than status.readyReplicas', statusPath, errors);
        }
        validateCollisionCount(status, prev.status, statusPath, errors);
      },
    },
    scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', selector: 'spec.selector' },
  },
  columns: [
    nameColumn,
    {
      name: 'Ready',
      description: 'Number of the pod with ready state',
      value: ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
    },
    ageColumn,
    ...containerColumns<StatefulSet>((set) => set.spec.template.spec),
  ],
});
