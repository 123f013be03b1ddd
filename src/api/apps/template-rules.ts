/** What the kinds that keep pods running demand of their selector and template. */
import { requireNonNegative } from '../core/checks.ts';
import { validatePodTemplate } from '../core/pod-spec.ts';
import type { FieldErrors, FieldPath } from '../fields.ts';
import type { PodTemplateSpec } from '../generated/core.v1.ts';
import type { LabelSelector, ObjectMeta } from '../generated/meta.v1.ts';
import { internalForm, sortedMap } from '../internal-form.ts';
import { validateLabelSelector } from '../object-meta.ts';
import { type Selector, SelectorError, selectorFromObject } from '../selectors.ts';

/** The selector, where it can be read. */
export function readSelector(selector: LabelSelector | undefined): Selector | undefined {
  try {
    return selectorFromObject(selector);
  } catch (error) {
    if (error instanceof SelectorError) return undefined;
    throw error;
  }
}

/** `kind` as upstream's message names it. */
export function rejectEmptySelector(selector: LabelSelector, kind: string, path: FieldPath, errors: FieldErrors): void {
  if (Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions?.length ?? 0) === 0)
    errors.invalid(path, internalForm('meta.v1.LabelSelector', selector), `empty selector is invalid for ${kind}`);
}

/** A selector that is there, valid and not empty. `kind` as upstream's message names it. */
export function validateWorkloadSelector(selector: LabelSelector | undefined, kind: string, path: FieldPath, errors: FieldErrors): void {
  if (!selector) {
    errors.required(path);
    return;
  }
  validateLabelSelector(selector, path, errors);
  rejectEmptySelector(selector, kind, path, errors);
}

/**
 * The selector must select the pods that the template makes; none selects none. Answers whether it can be read at all, without which
 * upstream does not look at the template.
 */
export function validateSelectorMatches(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  specPath: FieldPath,
  errors: FieldErrors,
  unreadable = 'invalid label selector',
): boolean {
  const read = readSelector(selector);
  if (!read) {
    errors.invalid(specPath.child('selector'), internalForm('meta.v1.LabelSelector', selector), unreadable);
    return false;
  }
  const labels = template?.metadata?.labels;
  if (!read.everything && !read.matches(labels))
    errors.invalid(specPath.child('template', 'metadata', 'labels'), sortedMap(labels), '`selector` does not match template `labels`');
  return true;
}

/** A template of pods that run for ever. */
export function validateAlwaysTemplate(template: PodTemplateSpec | undefined, kind: string, path: FieldPath, errors: FieldErrors): void {
  if (!template) {
    errors.required(path);
    return;
  }
  validatePodTemplate(template, path, errors);
  validateRunsForEver(template, kind, path, errors);
}

/** Pods that are restarted always, and have no deadline. */
export function validateRunsForEver(template: PodTemplateSpec, kind: string, path: FieldPath, errors: FieldErrors): void {
  const spec = path.child('spec');
  if (template.spec?.restartPolicy !== 'Always')
    errors.notSupported(spec.child('restartPolicy'), template.spec?.restartPolicy ?? '', ['Always']);
  if (template.spec?.activeDeadlineSeconds !== undefined)
    errors.forbidden(spec.child('activeDeadlineSeconds'), `activeDeadlineSeconds in ${kind} is not Supported`);
}

/** Counters in a status: none negative. */
export function requireCounts<S extends object>(
  status: S,
  fields: readonly (keyof S & string)[],
  path: FieldPath,
  errors: FieldErrors,
): void {
  for (const field of fields) {
    const value = status[field];
    if (typeof value === 'number') requireNonNegative(errors, path.child(field), value);
  }
}

/** Counters that are parts of another. */
export function requireAtMost<S extends object>(
  status: S,
  fields: readonly (keyof S & string)[],
  whole: keyof S & string,
  message: string,
  path: FieldPath,
  errors: FieldErrors,
): void {
  const limit = status[whole] ?? 0;
  for (const field of fields) {
    const value = status[field] ?? 0;
    if (value > limit) errors.invalid(path.child(field), value, message);
  }
}

/** collisionCount never falls. */
export function validateCollisionCount(
  next: { collisionCount?: number } | undefined,
  prev: { collisionCount?: number } | undefined,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (prev?.collisionCount === undefined) return;
  const value = next?.collisionCount ?? 0;
  if (next?.collisionCount === undefined || value < prev.collisionCount)
    errors.invalid(path.child('collisionCount'), value, 'cannot be decremented');
}

interface Templated {
  metadata: Partial<ObjectMeta>;
  spec?: { selector?: LabelSelector; template?: PodTemplateSpec };
}

/** Before apps/v1beta2 a selector that was not given, and the object's own labels, came from the template's labels. */
export function defaultSelectorFromTemplate(obj: Templated): void {
  const labels = obj.spec?.template?.metadata?.labels;
  if (!labels || !obj.spec) return;
  obj.spec.selector ??= { matchLabels: { ...labels } };
  if (Object.keys(obj.metadata.labels ?? {}).length === 0) obj.metadata.labels = { ...labels };
}
