import { requireNonNegative } from '../core/checks.ts';
import { defaultPodTemplate } from '../core/pod-defaults.ts';
import { workloadWarnings } from '../core/pod-warnings.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { DaemonSet, type DaemonSetSpec } from '../generated/apps.v1.ts';
import * as v1beta2 from '../generated/apps.v1beta2.ts';
import * as extensions from '../generated/extensions.v1beta1.ts';
import { isZero, requireAtMost100Percent, requireNonNegativeIntOrPercent } from '../int-or-percent.ts';
import { internalForm, sortedMap } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { validateImmutable, validateLabelSelector } from '../object-meta.ts';
import { ageColumn, fieldDoc, formatLabels, nameColumn } from '../printing.ts';
import { changeable, convertedVersion, orphaning, sameShape } from '../served-version.ts';
import { containerColumns, selectorColumn } from './pod-columns.ts';
import {
  defaultSelectorFromTemplate,
  readSelector,
  rejectEmptySelector,
  requireCounts,
  validateAlwaysTemplate,
  validateCollisionCount,
} from './template-rules.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');

/** Counts changes of the template. A field until apps/v1beta2; since then an annotation. */
export const templateGenerationAnnotation = 'deprecated.daemonset.template.generation';

function templateGeneration({ metadata }: DaemonSet): number {
  const text = metadata.annotations?.[templateGenerationAnnotation] ?? '';
  return /^\d+$/.test(text) ? Number(text) : 0;
}

function setTemplateGeneration({ metadata }: DaemonSet, value: number): void {
  metadata.annotations = { ...metadata.annotations, [templateGenerationAnnotation]: String(value) };
}

function validateUpdateStrategy({ updateStrategy = {} }: DaemonSetSpec, path: FieldPath, errors: FieldErrors): void {
  if (updateStrategy.type === 'OnDelete') return;
  if (updateStrategy.type !== 'RollingUpdate') {
    errors.notSupported(path, internalForm('apps.v1.DaemonSetUpdateStrategy', updateStrategy), ['RollingUpdate', 'OnDelete']);
    return;
  }
  const at = path.child('rollingUpdate');
  const { rollingUpdate } = updateStrategy;
  if (!rollingUpdate) {
    errors.required(at);
    return;
  }
  // Upstream does not check that these are percentages, for historical reasons; either both are zero, or neither is not.
  const unavailable = !isZero(rollingUpdate.maxUnavailable);
  const surge = !isZero(rollingUpdate.maxSurge);
  requireNonNegativeIntOrPercent(rollingUpdate.maxUnavailable, at.child('maxUnavailable'), errors);
  requireNonNegativeIntOrPercent(rollingUpdate.maxSurge, at.child('maxSurge'), errors);
  requireAtMost100Percent(rollingUpdate.maxUnavailable, at.child('maxUnavailable'), errors);
  requireAtMost100Percent(rollingUpdate.maxSurge, at.child('maxSurge'), errors);
  if (unavailable && surge) errors.invalid(at.child('maxSurge'), rollingUpdate.maxSurge, 'may not be set when maxUnavailable is non-zero');
  else if (!unavailable && !surge) errors.required(at.child('maxUnavailable'), 'cannot be 0 when maxSurge is 0');
}

function applyDefaults(ds: DaemonSet, strategy: 'OnDelete' | 'RollingUpdate'): void {
  ds.spec ??= { template: { spec: { containers: [] } } };
  const { spec } = ds;
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ||= strategy;
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= {};
    spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
    spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
  }
  spec.revisionHistoryLimit ??= 10;
}

const extensionsV1beta1 = convertedVersion(extensions.DaemonSet, DaemonSet, {
  defaults(ds) {
    ds.spec ??= { template: { spec: { containers: [] } } };
    defaultSelectorFromTemplate(ds);
    // The fields that defaults touch have the same shape in both versions.
    applyDefaults(ds as DaemonSet, 'OnDelete');
    ds.spec.templateGeneration ||= 1;
  },
  toStorage({ spec, metadata, ...rest }) {
    const { templateGeneration: generation, ...fields } = spec;
    // The older version's type of update strategy is an open set of the same values.
    const others = fields as DaemonSetSpec;
    if (!generation) return { ...rest, metadata, spec: others };
    const annotations = { ...metadata.annotations, [templateGenerationAnnotation]: String(generation) };
    return { ...rest, metadata: { ...metadata, annotations }, spec: others };
  },
  fromStorage(ds) {
    const { apiVersion: _, kind: __, metadata, spec, ...rest } = ds;
    const generation = templateGeneration(ds);
    if (generation === 0) return { ...rest, metadata, spec };
    const { [templateGenerationAnnotation]: ___, ...annotations } = metadata.annotations ?? {};
    const { annotations: ____, ...others } = metadata;
    const meta = Object.keys(annotations).length > 0 ? { ...others, annotations } : others;
    return { ...rest, metadata: meta, spec: { ...spec, templateGeneration: generation } };
  },
});

const count = (name: string, description: string, field: keyof NonNullable<DaemonSet['status']>) => ({
  name,
  type: 'integer' as const,
  description,
  value: ({ status }: DaemonSet) => Number(status?.[field] ?? 0),
});

export const daemonSet = defineKind<DaemonSet>({
  resource: DaemonSet,
  shortNames: ['ds'],
  categories: ['all'],
  versions: [orphaning(sameShape(v1beta2.DaemonSet, DaemonSet)), changeable(orphaning(extensionsV1beta1))],
  defaults(ds) {
    applyDefaults(ds, 'RollingUpdate');
    defaultPodTemplate(ds.spec.template);
    // As upstream's conversion has it, so that who writes the object owns it.
    setTemplateGeneration(ds, templateGeneration(ds));
  },
  create(ds) {
    if (templateGeneration(ds) < 1) setTemplateGeneration(ds, 1);
  },
  update(next, prev) {
    const changed = !semanticEqual(next.spec.template, prev.spec.template);
    setTemplateGeneration(next, templateGeneration(prev) + (changed ? 1 : 0));
  },
  validate({ spec }, errors) {
    const { selector, template } = spec;
    validateLabelSelector(selector, specPath.child('selector'), errors);
    const read = readSelector(selector);
    const labels = template?.metadata?.labels;
    if (read && !read.matches(labels))
      errors.invalid(specPath.child('template', 'metadata', 'labels'), sortedMap(labels), '`selector` does not match template `labels`');
    if (selector) rejectEmptySelector(selector, 'daemonset', specPath.child('selector'), errors);
    validateAlwaysTemplate(template, 'DaemonSet', specPath.child('template'), errors);
    requireNonNegative(errors, specPath.child('minReadySeconds'), spec.minReadySeconds);
    validateUpdateStrategy(spec, specPath.child('updateStrategy'), errors);
    requireNonNegative(errors, specPath.child('revisionHistoryLimit'), spec.revisionHistoryLimit);
  },
  warnings: (next, prev) => workloadWarnings(next, prev, next.spec.template, { isNamed: false }),
  validateFirst(next, prev, errors) {
    if (prev) validateImmutable(next.spec.selector, prev.spec.selector, specPath.child('selector'), errors, 'meta.v1.LabelSelector');
  },
  subresources: {
    status: {
      validate(next, prev, errors) {
        const fields = [
          'currentNumberScheduled',
          'numberMisscheduled',
          'desiredNumberScheduled',
          'numberReady',
          'observedGeneration',
          'updatedNumberScheduled',
          'numberAvailable',
          'numberUnavailable',
          'collisionCount',
        ] as const;
        if (next.status) requireCounts(next.status, fields, statusPath, errors);
        validateCollisionCount(next.status, prev.status, statusPath, errors);
      },
    },
  },
  columns: [
    nameColumn,
    count('Desired', fieldDoc('apps.v1.DaemonSetStatus.desiredNumberScheduled'), 'desiredNumberScheduled'),
    count('Current', fieldDoc('apps.v1.DaemonSetStatus.currentNumberScheduled'), 'currentNumberScheduled'),
    count('Ready', fieldDoc('apps.v1.DaemonSetStatus.numberReady'), 'numberReady'),
    count('Up-to-date', fieldDoc('apps.v1.DaemonSetStatus.updatedNumberScheduled'), 'updatedNumberScheduled'),
    count('Available', fieldDoc('apps.v1.DaemonSetStatus.numberAvailable'), 'numberAvailable'),
    {
      name: 'Node Selector',
      description: fieldDoc('core.v1.PodSpec.nodeSelector'),
      value: ({ spec }) => formatLabels(spec.template.spec?.nodeSelector),
    },
    ageColumn,
    ...containerColumns<DaemonSet>((ds) => ds.spec.template.spec),
    selectorColumn<DaemonSet>(fieldDoc('apps.v1.DaemonSetSpec.selector'), (ds) => ds.spec.selector),
  ],
});
