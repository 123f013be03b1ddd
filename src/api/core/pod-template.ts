import { containerColumns } from '../apps/pod-columns.ts';
import { semanticEqual } from '../equality.ts';
import { FieldPath } from '../fields.ts';
import { PodTemplate } from '../generated/core.v1.ts';
import { defineKind } from '../kind.ts';
import { formatLabels, nameColumn } from '../printing.ts';
import { defaultPodTemplate, validatePodTemplate } from './pod-spec.ts';
import { workloadWarnings } from './pod-warnings.ts';

export const podTemplate = defineKind<PodTemplate>({
  resource: PodTemplate,
  answersDeleted: true,
  storagePrefix: 'podtemplates',
  generation: (next, prev) => !semanticEqual(next.template, prev.template),
  defaults(podTemplate) {
    podTemplate.template ??= { spec: { containers: [] } };
    defaultPodTemplate(podTemplate.template);
  },
  validate(podTemplate, errors) {
    if (podTemplate.template) validatePodTemplate(podTemplate.template, new FieldPath('template'), errors);
  },
  warnings: (next, prev) => workloadWarnings(next, prev, next.template, { isNamed: false, path: new FieldPath('template') }),
  columns: [
    nameColumn,
    ...containerColumns<PodTemplate>(({ template }) => template?.spec).map((column) => ({ ...column, priority: 0 })),
    {
      name: 'Pod Labels',
      description: 'The labels for the pod template.',
      value: ({ template }) => formatLabels(template?.metadata?.labels),
    },
  ],
});
