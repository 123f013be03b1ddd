import { semanticEqual } from '../equality.ts';
import { Workload } from '../generated/scheduling.v1alpha2.ts';
import { defineKind } from '../kind.ts';
import { isDns1123Label, isDns1123Subdomain, isPathSegmentName } from '../names.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { requireName, specPath, validateKept, validatePodGroup } from './pod-group-checks.ts';

const maxTemplates = 8;

/** Groups of pods that are scheduled as one (KEP-4671). */
export const workload = defineKind<Workload>({
  resource: Workload,
  generation: (next, prev) => !semanticEqual(next.spec, prev.spec),
  validate({ spec }, errors) {
    const { controllerRef, podGroupTemplates = [] } = spec;
    if (controllerRef) {
      const at = specPath.child('controllerRef');
      if (controllerRef.apiGroup) requireName(controllerRef.apiGroup, isDns1123Subdomain, at.child('apiGroup'), errors);
      requireName(controllerRef.kind, isPathSegmentName, at.child('kind'), errors);
      requireName(controllerRef.name, isPathSegmentName, at.child('name'), errors);
    }
    const path = specPath.child('podGroupTemplates');
    if (podGroupTemplates.length === 0) errors.required(path);
    if (podGroupTemplates.length > maxTemplates) errors.tooMany(path, podGroupTemplates.length, maxTemplates);
    else
      for (const [i, template] of podGroupTemplates.entries()) {
        const at = path.index(i);
        requireName(template.name, isDns1123Label, at.child('name'), errors);
        if (podGroupTemplates.findIndex(({ name }) => name === template.name) < i) errors.duplicate(at, { name: template.name });
        validatePodGroup(template, at, errors);
      }
  },
  validateUpdate(next, prev, errors) {
    validateKept(next.spec, prev.spec, ['controllerRef', 'podGroupTemplates'], errors);
  },
  columns: [nameColumn, ageColumn],
});
