import { containerColumns, selectorColumn } from '../apps/pod-columns.ts';
import { readSelector } from '../apps/template-rules.ts';
import { defaultPodTemplate } from '../core/pod-defaults.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { Job, type JobSpec } from '../generated/batch.v1.ts';
import type { PodTemplateSpec } from '../generated/core.v1.ts';
import { internalForm, sortedMap } from '../internal-form.ts';
import { defineKind } from '../kind.ts';
import { isDns1123Label } from '../names.ts';
import { validateImmutable, validateLabelSelector } from '../object-meta.ts';
import { ageColumn, fieldDoc, humanDuration, nameColumn } from '../printing.ts';
import { validateJobSpec } from './job-spec.ts';
import { validateJobStatus } from './job-status.ts';
import { jobWarnings } from './job-warnings.ts';
import { defaultPodFailurePolicy } from './pod-failure-policy.ts';

const specPath = new FieldPath('spec');
const maxInt32 = 2147483647;

/** Labels that tie pods to their job; the ones without a prefix came first and stay for those who select by them. */
export const jobLabels = {
  controllerUid: 'batch.kubernetes.io/controller-uid',
  jobName: 'batch.kubernetes.io/job-name',
  legacyControllerUid: 'controller-uid',
  legacyJobName: 'job-name',
} as const;

/** Unless the user selects pods by hand, a job selects its pods by its own uid, so that no two jobs ever fight over one. */
function generateSelector(job: Job): void {
  const { spec, metadata } = job;
  if (spec.manualSelector) return;
  spec.template.metadata ??= {};
  const given = spec.template.metadata.labels;
  const labels: Record<string, string> = { ...given };
  // What the user set by hand is left for validation to reject.
  labels[jobLabels.legacyJobName] ??= metadata.name ?? '';
  labels[jobLabels.jobName] ??= metadata.name ?? '';
  labels[jobLabels.legacyControllerUid] ??= metadata.uid;
  labels[jobLabels.controllerUid] ??= metadata.uid;
  spec.template.metadata.labels = labels;
  // Upstream reads no job without labels, and those that it has by default stay the template's, as one map.
  if (metadata.labels === given || Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels };
  spec.selector = { ...spec.selector, matchLabels: { [jobLabels.controllerUid]: metadata.uid, ...spec.selector?.matchLabels } };
}

function requireLabel(template: PodTemplateSpec, key: string, expected: string, errors: FieldErrors): void {
  const labels = template.metadata?.labels;
  const path = specPath.child('template', 'metadata', 'labels').key(key);
  if (labels?.[key] === undefined) errors.required(path, `must be '${expected}'`);
  else if (labels[key] !== expected) errors.invalid(path, labels, `must be '${expected}'`);
}

/** Jobs of old may be without the labels that have a prefix. */
function validateGeneratedSelector(
  { metadata: { name = '', uid }, spec }: Job,
  { isPrefixed }: { isPrefixed: boolean },
  errors: FieldErrors,
): void {
  if (spec.manualSelector || !spec.selector) return;
  if (!uid) errors.required(new FieldPath('metadata').child('uid'));
  const expected = {
    [jobLabels.legacyControllerUid]: uid,
    [jobLabels.legacyJobName]: name,
    ...(isPrefixed ? { [jobLabels.controllerUid]: uid, [jobLabels.jobName]: name } : {}),
  };
  for (const [key, value] of Object.entries(expected)) requireLabel(spec.template, key, value, errors);
  const selector = readSelector(spec.selector);
  if (selector && !selector.matches(expected))
    errors.invalid(specPath.child('selector'), internalForm('meta.v1.LabelSelector', spec.selector), '`selector` not auto-generated');
}

function validateSpec(spec: JobSpec, errors: FieldErrors): void {
  validateJobSpec(spec, specPath, errors);
  if (!spec.selector) errors.required(specPath.child('selector'));
  else validateLabelSelector(spec.selector, specPath.child('selector'), errors);
  const selector = readSelector(spec.selector);
  const labels = spec.template.metadata?.labels;
  if (selector && !selector.matches(labels))
    errors.invalid(specPath.child('template', 'metadata', 'labels'), sortedMap(labels), '`selector` does not match template `labels`');
}

/** The pods of an indexed job are named after it and their number. */
function validateHostnames({ metadata: { name = '' }, spec }: Job, errors: FieldErrors): void {
  if (spec.completionMode !== 'Indexed' || !spec.completions || spec.completions < 0) return;
  const longest = `${name}-${spec.completions - 1}`;
  if (isDns1123Label(longest).length > 0)
    errors.invalid(new FieldPath('metadata').child('name'), name, `will not able to create pod with invalid DNS label: ${longest}`);
}

/** Whether a suspended job has no pods, be it that it never started or that all have ended since. */
const isAtRest = ({ spec, status = {} }: Job) =>
  spec.suspend === true &&
  !status.active &&
  (!status.startTime || (status.conditions ?? []).some(({ type, status: is }) => type === 'Suspended' && is === 'True'));

/**
 * What a template says of pods, with what queueing controllers may say of a job at rest as another has it: where its pods go, and what
 * their containers ask for (KEP-2926, KEP-5440).
 */
function withQueuedPartsOf(spec: PodTemplateSpec['spec'], other: PodTemplateSpec['spec']): object {
  const { affinity, nodeSelector, schedulingGates, tolerations } = other ?? {};
  const { nodeAffinity: _, ...rest } = spec?.affinity ?? {};
  const mixed = { ...rest, ...(affinity?.nodeAffinity && { nodeAffinity: affinity.nodeAffinity }) };
  const asked = (field: 'containers' | 'initContainers') =>
    spec?.[field]?.map((container, i) => ({ ...container, resources: other?.[field]?.[i]?.resources }));
  return {
    ...spec,
    nodeSelector,
    tolerations,
    schedulingGates,
    affinity: affinity !== undefined || Object.keys(mixed).length > 0 ? mixed : undefined,
    containers: asked('containers'),
    initContainers: asked('initContainers'),
  };
}

function validateCompletionsUpdate(next: JobSpec, prev: JobSpec, errors: FieldErrors): void {
  if (next.completions === prev.completions) return;
  const path = specPath.child('completions');
  if (next.completionMode !== 'Indexed') validateImmutable(next.completions, prev.completions, path, errors);
  else if (next.completions !== undefined && next.completions !== next.parallelism)
    errors.invalid(path, next.completions, 'can only be modified in tandem with spec.parallelism');
}

const hasCondition = (job: Job, type: string) => (job.status?.conditions ?? []).some((c) => c.type === type && c.status === 'True');

function statusCell(job: Job): string {
  if (hasCondition(job, 'Complete')) return 'Complete';
  if (hasCondition(job, 'Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp) return 'Terminating';
  for (const type of ['Suspended', 'FailureTarget', 'SuccessCriteriaMet']) if (hasCondition(job, type)) return type;
  return 'Running';
}

function completionsCell({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function durationCell({ status }: Job, nowMs: number): string {
  if (!status?.startTime) return '';
  const end = status.completionTime ? Date.parse(status.completionTime) : nowMs;
  return humanDuration(end - Date.parse(status.startTime));
}

/** What the structs that stay are in the table. */
const sharedTypes: Readonly<Record<string, string>> = {
  podFailurePolicy: 'batch.v1.PodFailurePolicy',
  successPolicy: 'batch.v1.SuccessPolicy',
  selector: 'meta.v1.LabelSelector',
};

export const job = defineKind<Job>({
  resource: Job,
  categories: ['all'],
  defaults(job) {
    job.spec ??= { template: { spec: { containers: [] } } };
    const { spec } = job;
    if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
    spec.parallelism ??= 1;
    spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : maxInt32;
    const labels = spec.template?.metadata?.labels;
    // One map for both, from which a new job may be told to have no labels of its own.
    if (labels && Object.keys(job.metadata.labels ?? {}).length === 0) job.metadata.labels = labels;
    spec.completionMode ??= 'NonIndexed';
    spec.suspend ??= false;
    spec.manualSelector ??= false;
    defaultPodFailurePolicy(spec);
    spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
    spec.template ??= { spec: { containers: [] } };
    defaultPodTemplate(spec.template);
  },
  create: generateSelector,
  validate(job, errors) {
    validateSpec(job.spec, errors);
    validateHostnames(job, errors);
  },
  validateFirst(next, prev, errors) {
    const before = prev?.spec.template.metadata?.labels ?? {};
    const isPrefixed = !prev || (jobLabels.jobName in before && jobLabels.controllerUid in before);
    validateGeneratedSelector(next, { isPrefixed }, errors);
  },
  validateUpdate(next, prev, errors) {
    validateCompletionsUpdate(next.spec, prev.spec, errors);
    const keep = (field: 'selector' | 'completionMode' | 'podFailurePolicy' | 'backoffLimitPerIndex' | 'managedBy' | 'successPolicy') =>
      validateImmutable(next.spec[field], prev.spec[field], specPath.child(field), errors, sharedTypes[field]);
    keep('selector');
    const { template: now } = next.spec;
    const { template: before } = prev.spec;
    const path = specPath.child('template');
    if (isAtRest(prev)) {
      const kept = withQueuedPartsOf(before.spec, now.spec);
      validateImmutable(now.spec, kept, path.child('spec'), errors, 'core.v1.PodSpec');
    } else validateImmutable(now, before, path, errors, 'core.v1.PodTemplateSpec');
    for (const field of ['completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const) keep(field);
  },
  warnings: (next, prev) => jobWarnings(next, prev, next.spec, specPath),
  defaultPropagation: 'Orphan',
  orphanWarning:
    'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning',
  fieldSelectors: { 'status.successful': ({ status }) => String(status?.succeeded ?? 0) },
  subresources: { status: { validate: validateJobStatus } },
  columns: [
    nameColumn,
    { name: 'Status', description: 'Status of the job.', value: statusCell },
    { name: 'Completions', description: fieldDoc('batch.v1.JobStatus.succeeded'), value: completionsCell },
    { name: 'Duration', description: 'Time required to complete the job.', value: durationCell },
    ageColumn,
    ...containerColumns<Job>(({ spec }) => spec.template.spec),
    selectorColumn<Job>(fieldDoc('batch.v1.JobSpec.selector'), ({ spec }) => spec.selector),
  ],
});
