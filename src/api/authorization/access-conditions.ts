/** CEL over the spec of a SubjectAccessReview: when an authorization webhook is asked (AuthorizationConfiguration's matchConditions). */
import { CompileError, celEnvironment, compileExpression, celTypes as t, typedRows, typeRow } from '../cel/index.ts';

const texts = t.listOf(t.stringType);
const requirement = typeRow('kubernetes.SelectorRequirement', { key: t.stringType, operator: t.stringType, values: texts });
const selector = (name: string) => typeRow(name, { rawSelector: t.stringType, requirements: t.listOf(requirement.type) });
const fieldSelector = selector('kubernetes.FieldSelectorAttributes');
const labelSelector = selector('kubernetes.LabelSelectorAttributes');
const resource = typeRow('kubernetes.ResourceAttributes', {
  namespace: t.stringType,
  verb: t.stringType,
  group: t.stringType,
  version: t.stringType,
  resource: t.stringType,
  subresource: t.stringType,
  name: t.stringType,
  fieldSelector: fieldSelector.type,
  labelSelector: labelSelector.type,
});
const nonResource = typeRow('kubernetes.NonResourceAttributes', { path: t.stringType, verb: t.stringType });
const spec = typeRow('kubernetes.SubjectAccessReviewSpec', {
  resourceAttributes: resource.type,
  nonResourceAttributes: nonResource.type,
  user: t.stringType,
  groups: texts,
  extra: t.mapOf(t.stringType, texts),
  uid: t.stringType,
});
const typed = typedRows([requirement, fieldSelector, labelSelector, resource, nonResource, spec]);

/** Upstream's limit on what one evaluation may cost. */
const maxCost = 10_000_000;

/** Whether a review, given by its spec (v1, with its empty texts), is for the webhook; throws CelError, CostError, BudgetError. */
export type AccessCondition = (spec: object) => boolean;

/** @throws CompileError, also for what is not true or false */
export function compileAccessCondition(source: string): AccessCondition {
  const environment = celEnvironment();
  typed.declare(environment);
  environment.variable('request', spec.type);
  const compiled = compileExpression(environment, source);
  if (compiled.type.kind !== 'bool') throw new CompileError(`must evaluate to bool but got ${t.formatType(compiled.type)}`);
  return (review) => compiled.evaluate({ request: typed.instance(spec, { ...review }) }, { left: maxCost }) === true;
}
