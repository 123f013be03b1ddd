import { requireNonNegative } from '../core/checks.ts';
import { defaultPodTemplate } from '../core/pod-defaults.ts';
import { workloadWarnings } from '../core/pod-warnings.ts';
import { FieldPath } from '../fields.ts';
import { ReplicaSet } from '../generated/apps.v1.ts';
import * as v1beta2 from '../generated/apps.v1beta2.ts';
import * as extensions from '../generated/extensions.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { validateImmutable } from '../object-meta.ts';
import { ageColumn, fieldDoc, nameColumn } from '../printing.ts';
import { changeable, orphaning, sameShape } from '../served-version.ts';
import { containerColumns, selectorColumn } from './pod-columns.ts';
import {
  defaultSelectorFromTemplate,
  requireAtMost,
  requireCounts,
  validateAlwaysTemplate,
  validateSelectorMatches,
  validateWorkloadSelector,
} from './template-rules.ts';

const specPath = new FieldPath('spec');
const statusPath = new FieldPath('status');

export const replicaSet = defineKind<ReplicaSet>({
  resource: ReplicaSet,
  shortNames: ['rs'],
  categories: ['all'],
  versions: [
    orphaning(sameShape(v1beta2.ReplicaSet, ReplicaSet)),
    changeable(orphaning(sameShape(extensions.ReplicaSet, ReplicaSet, { defaults: defaultSelectorFromTemplate }))),
  ],
  defaults(rs) {
    rs.spec ??= {};
    rs.spec.replicas ??= 1;
    if (rs.spec.template) defaultPodTemplate(rs.spec.template);
  },
  validate({ spec }, errors) {
    requireNonNegative(errors, specPath.child('replicas'), spec.replicas);
    requireNonNegative(errors, specPath.child('minReadySeconds'), spec.minReadySeconds);
    // Upstream says so of a ReplicaSet, too.
    validateWorkloadSelector(spec.selector, 'deployment', specPath.child('selector'), errors);
    if (validateSelectorMatches(spec.selector, spec.template, specPath, errors))
      validateAlwaysTemplate(spec.template, 'ReplicaSet', specPath.child('template'), errors);
  },
  warnings: (next, prev) => workloadWarnings(next, prev, next.spec.template),
  validateUpdate(next, prev, errors) {
    validateImmutable(next.spec.selector, prev.spec.selector, specPath.child('selector'), errors, 'meta.v1.LabelSelector');
  },
  subresources: {
    status: {
      validate({ status }, _prev, errors) {
        if (!status) return;
        const parts = ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'] as const;
        requireCounts(status, ['replicas', ...parts, 'terminatingReplicas', 'observedGeneration'], statusPath, errors);
        requireAtMost(status, parts, 'replicas', 'cannot be greater than status.replicas', statusPath, errors);
        requireAtMost(status, ['availableReplicas'], 'readyReplicas', 'cannot be greater than readyReplicas', statusPath, errors);
      },
    },
    scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', selector: 'spec.selector' },
  },
  columns: [
    nameColumn,
    { name: 'Desired', type: 'integer', description: fieldDoc('apps.v1.ReplicaSetSpec.replicas'), value: ({ spec }) => spec.replicas ?? 0 },
    {
      name: 'Current',
      type: 'integer',
      description: fieldDoc('apps.v1.ReplicaSetStatus.replicas'),
      value: ({ status }) => status?.replicas ?? 0,
    },
    {
      name: 'Ready',
      type: 'integer',
      description: fieldDoc('apps.v1.ReplicaSetStatus.readyReplicas'),
      value: ({ status }) => status?.readyReplicas ?? 0,
    },
    ageColumn,
    ...containerColumns<ReplicaSet>((rs) => rs.spec.template?.spec),
    selectorColumn<ReplicaSet>(fieldDoc('apps.v1.ReplicaSetSpec.selector'), (rs) => rs.spec.selector),
  ],
});
