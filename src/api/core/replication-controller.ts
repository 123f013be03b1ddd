import { containerColumns } from '../apps/pod-columns.ts';
import { requireAtMost, requireCounts, validateAlwaysTemplate } from '../apps/template-rules.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { ReplicationController } from '../generated/core.v1.ts';
import { sortedMap } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { ageColumn, fieldDoc, formatLabels, nameColumn } from '../printing.ts';
import { requireNonNegative } from './checks.ts';
import { defaultPodTemplate } from './pod-spec.ts';
import { workloadWarnings } from './pod-warnings.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');
const counts = ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration'] as const;

const nonConvertible = 'non-convertible.kubernetes.io/';

/** An annotation may say of a field that another version of the object can't hold it; it stays then as it is. */
function validateNonConvertible(next: ReplicationController, prev: ReplicationController, errors: FieldErrors): void {
  for (const [key, value] of Object.entries(prev.metadata.annotations ?? {})) {
    if (!key.startsWith(nonConvertible)) continue;
    const field = key.slice(nonConvertible.length);
    if (!field.includes('selector')) errors.notFound(new FieldPath(field), value, 'unknown non-convertible field');
    else if (!semanticEqual(next.spec.selector, prev.spec.selector))
      errors.invalid(specPath.child('selector'), next.spec.selector, 'cannot update non-convertible selector');
  }
}

export const replicationController = defineKind<ReplicationController>({
  resource: ReplicationController,
  shortNames: ['rc'],
  categories: ['all'],
  storagePrefix: 'controllers',
  defaultPropagation: 'Orphan',
  defaults(controller) {
    controller.spec ??= {};
    const { metadata, spec } = controller;
    spec.replicas ??= 1;
    if (!spec.template) return;
    defaultPodTemplate(spec.template);
    const labels = spec.template.metadata?.labels;
    if (!labels) return;
    if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
    if (Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels };
  },
  create(controller) {
    controller.status = { replicas: 0 };
  },
  update(next, prev) {
    if (prev.status) next.status = prev.status;
  },
  validate({ spec }, errors) {
    requireNonNegative(errors, specPath.child('minReadySeconds'), spec.minReadySeconds);
    const selector = Object.entries(spec.selector ?? {});
    if (selector.length === 0) errors.required(specPath.child('selector'));
    requireNonNegative(errors, specPath.child('replicas'), spec.replicas);
    const path = specPath.child('template');
    const labels = spec.template?.metadata?.labels ?? {};
    if (spec.template && selector.some(([key, value]) => labels[key] !== value))
      errors.invalid(
        path.child('metadata', 'labels'),
        sortedMap(spec.template.metadata?.labels),
        '`selector` does not match template `labels`',
      );
    validateAlwaysTemplate(spec.template, 'ReplicationController', path, errors);
  },
  validateUpdate: validateNonConvertible,
  // Of an update, upstream looks at the template as it was.
  warnings: (next, prev) => workloadWarnings(next, prev, (prev ?? next).spec.template),
  fieldSelectors: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  subresources: {
    status: {
      validate({ status }, _prev, errors) {
        if (!status) return;
        const whole = 'cannot be greater than status.replicas';
        requireCounts(status, counts, statusPath, errors);
        requireAtMost(status, ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'], 'replicas', whole, statusPath, errors);
        requireAtMost(status, ['availableReplicas'], 'readyReplicas', 'cannot be greater than readyReplicas', statusPath, errors);
      },
    },
    scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', selector: 'spec.selector' },
  },
  columns: [
    nameColumn,
    {
      name: 'Desired',
      type: 'integer',
      description: fieldDoc('core.v1.ReplicationControllerSpec.replicas'),
      value: ({ spec }) => spec.replicas ?? 0,
    },
    {
      name: 'Current',
      type: 'integer',
      description: fieldDoc('core.v1.ReplicationControllerStatus.replicas'),
      value: ({ status }) => status?.replicas ?? 0,
    },
    {
      name: 'Ready',
      type: 'integer',
      description: fieldDoc('core.v1.ReplicationControllerStatus.readyReplicas'),
      value: ({ status }) => status?.readyReplicas ?? 0,
    },
    ageColumn,
    ...containerColumns<ReplicationController>(({ spec }) => spec.template?.spec),
    {
      name: 'Selector',
      priority: 1,
      description: fieldDoc('core.v1.ReplicationControllerSpec.selector'),
      value: ({ spec }) => formatLabels(spec.selector),
    },
  ],
});
