import { podTemplateWarnings } from '../core/pod-warnings.ts';
import type { FieldPath } from '../fields.ts';
import type { JobSpec } from '../generated/batch.v1.ts';
import type { KubeObject } from '../resource.ts';
import { hostnameWarnings } from '../warnings.ts';

/** From here on the list of indexes that are done may grow too long to be kept. */
const manyCompletions = 100_000;
const manyAtOnce = 10_000;

function specWarnings({ completionMode, completions = 0, parallelism = 0, template }: JobSpec, path: FieldPath): string[] {
  const isHuge = completionMode === 'Indexed' && completions > manyCompletions && parallelism > manyAtOnce;
  return [
    ...(isHuge
      ? [
          `${path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail`,
        ]
      : []),
    ...podTemplateWarnings(template, path.child('template')),
  ];
}

/** Of a job, or of what makes jobs: when it is made and whenever its generation rises. */
export function jobWarnings({ metadata }: KubeObject, prev: KubeObject | undefined, spec: JobSpec | undefined, path: FieldPath): string[] {
  if (!spec || (prev && metadata.generation === prev.metadata.generation)) return [];
  return [...(prev ? [] : hostnameWarnings(metadata.name)), ...specWarnings(spec, path)];
}
