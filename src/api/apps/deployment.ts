import { requireNonNegative } from '../core/checks.ts';
import { defaultPodTemplate } from '../core/pod-defaults.ts';
import { workloadWarnings } from '../core/pod-warnings.ts';
import { semanticEqual } from '../equality.ts';
import type { FieldErrors } from '../fields.ts';
import { FieldPath } from '../fields.ts';
import { Deployment, type DeploymentStrategy } from '../generated/apps.v1.ts';
import * as v1beta1 from '../generated/apps.v1beta1.ts';
import * as v1beta2 from '../generated/apps.v1beta2.ts';
import * as extensions from '../generated/extensions.v1beta1.ts';
import { type IntOrString, isZero, requireAtMost100Percent, requireNonNegativeIntOrPercent } from '../int-or-percent.ts';
import { internalForm } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { validateImmutable } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { changeable, convertedVersion, orphaning, sameShape } from '../served-version.ts';
import { containerColumns, selectorColumn } from './pod-columns.ts';
import {
  defaultSelectorFromTemplate,
  requireAtMost,
  requireCounts,
  validateAlwaysTemplate,
  validateCollisionCount,
  validateSelectorMatches,
  validateWorkloadSelector,
} from './template-rules.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');
const maxInt32 = 2147483647;

interface Defaults {
  rollingUpdate: IntOrString;
  revisionHistoryLimit: number;
  progressDeadlineSeconds: number;
}

function applyDefaults(deployment: Deployment, given: Defaults): void {
  deployment.spec ??= { template: { spec: { containers: [] } } };
  const { spec } = deployment;
  spec.replicas ??= 1;
  spec.strategy ??= {};
  spec.strategy.type ||= 'RollingUpdate';
  if (spec.strategy.type === 'RollingUpdate') {
    spec.strategy.rollingUpdate ??= {};
    spec.strategy.rollingUpdate.maxUnavailable ??= given.rollingUpdate;
    spec.strategy.rollingUpdate.maxSurge ??= given.rollingUpdate;
  }
  spec.revisionHistoryLimit ??= given.revisionHistoryLimit;
  spec.progressDeadlineSeconds ??= given.progressDeadlineSeconds;
}

/** The revision to go back to, 0 for the one before. */
export const rollbackAnnotation = 'deprecated.deployment.rollback.to';

type Rollbackable = Omit<Deployment, 'apiVersion' | 'kind'> & { spec: { rollbackTo?: { revision?: number } } };

/** The field rollbackTo lives on in apps/v1 as an annotation. */
const rollbackConversion = {
  toStorage({ spec, metadata, ...rest }: Rollbackable) {
    const { rollbackTo, ...others } = spec;
    if (!rollbackTo) return { ...rest, metadata, spec: others };
    const annotations = { ...metadata.annotations, [rollbackAnnotation]: String(rollbackTo.revision ?? 0) };
    return { ...rest, metadata: { ...metadata, annotations }, spec: others };
  },
  fromStorage({ spec, metadata, ...rest }: Deployment) {
    const revision = metadata.annotations?.[rollbackAnnotation];
    if (revision === undefined || !/^\d+$/.test(revision)) return { ...rest, metadata, spec };
    const { [rollbackAnnotation]: _, ...annotations } = metadata.annotations ?? {};
    const { annotations: __, ...others } = metadata;
    return {
      ...rest,
      metadata: Object.keys(annotations).length > 0 ? { ...others, annotations } : others,
      spec: { ...spec, rollbackTo: { revision: Number(revision) } },
    };
  },
};

function validateStrategy(strategy: DeploymentStrategy, path: FieldPath, errors: FieldErrors): void {
  if (strategy.type === 'Recreate') {
    if (strategy.rollingUpdate) errors.forbidden(path.child('rollingUpdate'), "may not be specified when strategy `type` is 'Recreate'");
    return;
  }
  if (strategy.type !== 'RollingUpdate') {
    errors.notSupported(path, internalForm('apps.v1.DeploymentStrategy', strategy), ['Recreate', 'RollingUpdate']);
    return;
  }
  const at = path.child('rollingUpdate');
  if (!strategy.rollingUpdate) {
    errors.required(at, 'this should be defaulted and never be nil');
    return;
  }
  const { maxUnavailable, maxSurge } = strategy.rollingUpdate;
  requireNonNegativeIntOrPercent(maxUnavailable, at.child('maxUnavailable'), errors);
  requireNonNegativeIntOrPercent(maxSurge, at.child('maxSurge'), errors);
  if (isZero(maxUnavailable) && isZero(maxSurge))
    errors.invalid(at.child('maxUnavailable'), maxUnavailable ?? 0, 'may not be 0 when `maxSurge` is 0');
  requireAtMost100Percent(maxUnavailable, at.child('maxUnavailable'), errors);
}

function validateStatus(next: Deployment, prev: Deployment, errors: FieldErrors): void {
  const status = next.status ?? {};
  const parts = ['updatedReplicas', 'readyReplicas', 'availableReplicas'] as const;
  requireCounts(
    status,
    ['observedGeneration', 'replicas', ...parts, 'unavailableReplicas', 'terminatingReplicas', 'collisionCount'],
    statusPath,
    errors,
  );
  requireAtMost(status, parts, 'replicas', 'cannot be greater than status.replicas', statusPath, errors);
  requireAtMost(status, ['availableReplicas'], 'readyReplicas', 'cannot be greater than readyReplicas', statusPath, errors);
  validateCollisionCount(next.status, prev.status, statusPath, errors);
}

export const deployment = defineKind<Deployment>({
  resource: Deployment,
  shortNames: ['deploy'],
  categories: ['all'],
  versions: [
    changeable(
      orphaning(
        convertedVersion(v1beta1.Deployment, Deployment, {
          defaults(d) {
            defaultSelectorFromTemplate(d);
            // Fields that defaults touch have the same shape in every version.
            applyDefaults(d as Deployment, { rollingUpdate: '25%', revisionHistoryLimit: 2, progressDeadlineSeconds: 600 });
          },
          toStorage: (d) => rollbackConversion.toStorage(d as Rollbackable),
          fromStorage: rollbackConversion.fromStorage,
        }),
      ),
    ),
    orphaning(sameShape(v1beta2.Deployment, Deployment)),
    changeable(
      orphaning(
        convertedVersion(extensions.Deployment, Deployment, {
          defaults(d) {
            defaultSelectorFromTemplate(d);
            applyDefaults(d as Deployment, { rollingUpdate: 1, revisionHistoryLimit: maxInt32, progressDeadlineSeconds: maxInt32 });
          },
          toStorage: (d) => rollbackConversion.toStorage(d as Rollbackable),
          fromStorage: rollbackConversion.fromStorage,
        }),
      ),
    ),
  ],
  defaults(d) {
    applyDefaults(d, { rollingUpdate: '25%', revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
    defaultPodTemplate(d.spec.template);
  },
  // The deployment controller copies annotations to ReplicaSets, so a change of them must be observed as well.
  generation: (next, prev) => !semanticEqual(next.spec, prev.spec) || !semanticEqual(next.metadata.annotations, prev.metadata.annotations),
  validate({ metadata, spec }, errors) {
    requireNonNegative(errors, specPath.child('replicas'), spec.replicas);
    validateWorkloadSelector(spec.selector, 'deployment', specPath.child('selector'), errors);
    if (validateSelectorMatches(spec.selector, spec.template, specPath, errors))
      validateAlwaysTemplate(spec.template, 'ReplicaSet', specPath.child('template'), errors);
    validateStrategy(spec.strategy ?? {}, specPath.child('strategy'), errors);
    requireNonNegative(errors, specPath.child('minReadySeconds'), spec.minReadySeconds);
    requireNonNegative(errors, specPath.child('revisionHistoryLimit'), spec.revisionHistoryLimit);
    const rollback = metadata.annotations?.[rollbackAnnotation];
    if (rollback !== undefined) requireNonNegative(errors, specPath.child('rollback', 'version'), Number(rollback));
    const deadline = spec.progressDeadlineSeconds;
    if (deadline === undefined) return;
    requireNonNegative(errors, specPath.child('progressDeadlineSeconds'), deadline);
    if (deadline <= (spec.minReadySeconds ?? 0))
      errors.invalid(specPath.child('progressDeadlineSeconds'), deadline, 'must be greater than minReadySeconds');
  },
  warnings: (next, prev) => workloadWarnings(next, prev, next.spec.template),
  validateUpdate(next, prev, errors) {
    validateImmutable(next.spec.selector, prev.spec.selector, specPath.child('selector'), errors, 'meta.v1.LabelSelector');
  },
  subresources: {
    status: { keepsMetadata: 'labels', validate: validateStatus },
    scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', selector: 'spec.selector' },
  },
  columns: [
    nameColumn,
    {
      name: 'Ready',
      description: 'Number of the pod with ready state',
      value: ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`,
    },
    {
      name: 'Up-to-date',
      description: fieldDoc('apps.v1.DeploymentStatus.updatedReplicas'),
      value: ({ status }) => status?.updatedReplicas ?? 0,
    },
    {
      name: 'Available',
      description: fieldDoc('apps.v1.DeploymentStatus.availableReplicas'),
      value: ({ status }) => status?.availableReplicas ?? 0,
    },
    ageColumn,
    ...containerColumns<Deployment>((d) => d.spec.template.spec),
    selectorColumn<Deployment>(fieldDoc('apps.v1.DeploymentSpec.selector'), (d) => d.spec.selector),
  ],
});
