/** Validation of an autoscaler (upstream: pkg/apis/autoscaling/validation). */
import { reject, requireDnsLabel, requireNonNegative } from '../core/checks.ts';
import { validateContainerResourceName } from '../core/resource-names.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import type {
  CrossVersionObjectReference,
  HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
} from '../generated/autoscaling.v2.ts';
import { isPathSegmentName } from '../names.ts';
import { compareQuantities } from '../quantity.ts';

const specPath = new FieldPath('spec');
const maxStabilizationSeconds = 3600;
const maxPeriodSeconds = 1800;
const sources = {
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
  External: 'external',
  ContainerResource: 'containerResource',
} as const;

type ApiVersion = 'with a group' | 'of any group' | 'as it is';

/** What is wrong with the API version of what is referred to. */
function apiVersionProblem({ apiVersion = '' }: CrossVersionObjectReference, must: ApiVersion): string | undefined {
  if (must === 'as it is') return undefined;
  const parts = apiVersion.split('/');
  if (parts.length > 2) return `unexpected GroupVersion string: ${apiVersion}`;
  return must === 'with a group' && (parts.length < 2 || parts[0] === '') ? 'apiVersion must specify API group' : undefined;
}

function validateReference(ref: CrossVersionObjectReference, must: ApiVersion, path: FieldPath, errors: FieldErrors): void {
  for (const field of ['kind', 'name'] as const) {
    const value = ref[field];
    if (!value) errors.required(path.child(field));
    else reject(errors, path.child(field), value, isPathSegmentName(value));
  }
  const problem = apiVersionProblem(ref, must);
  if (problem) errors.invalid(path.child('apiVersion'), ref.apiVersion ?? '', problem);
}

function validateIdentifier({ name }: MetricIdentifier, path: FieldPath, errors: FieldErrors): void {
  if (!name) errors.required(path.child('name'), 'must specify a metric name');
  else reject(errors, path.child('name'), name, isPathSegmentName(name));
}

function validateTarget(target: MetricTarget, path: FieldPath, errors: FieldErrors): void {
  const { type, value, averageValue, averageUtilization } = target;
  if (!type) errors.required(path.child('type'), 'must specify a metric target type');
  if (!['Utilization', 'Value', 'AverageValue'].includes(type ?? ''))
    errors.invalid(path.child('type'), type ?? '', 'must be either Utilization, Value, or AverageValue');
  if (value !== undefined && compareQuantities(value, '0') !== 1) errors.invalid(path.child('value'), value, 'must be positive');
  if (averageValue !== undefined && compareQuantities(averageValue, '0') !== 1)
    errors.invalid(path.child('averageValue'), averageValue, 'must be positive');
  if (averageUtilization !== undefined && averageUtilization < 1)
    errors.invalid(path.child('averageUtilization'), averageUtilization, 'must be greater than 0');
}

function validateResourceTarget(target: MetricTarget, path: FieldPath, errors: FieldErrors): void {
  validateTarget(target, path, errors);
  if (target.averageUtilization === undefined && target.averageValue === undefined)
    errors.required(path.child('averageUtilization'), 'must set either a target raw value or a target utilization');
  if (target.averageUtilization !== undefined && target.averageValue !== undefined)
    errors.forbidden(path.child('averageValue'), 'may not set both a target raw value and a target utilization');
}

function validateSource(spec: MetricSpec, must: ApiVersion, path: FieldPath, errors: FieldErrors): void {
  const { object, pods, resource, containerResource, external } = spec;
  if (object) {
    const at = path.child('object');
    validateReference(object.describedObject ?? {}, must, at.child('describedObject'), errors);
    validateIdentifier(object.metric ?? {}, at.child('metric'), errors);
    validateTarget(object.target ?? {}, at.child('target'), errors);
    if (object.target?.value === undefined && object.target?.averageValue === undefined)
      errors.required(at.child('target', 'averageValue'), 'must set either a target value or averageValue');
  }
  if (pods) {
    const at = path.child('pods');
    validateIdentifier(pods.metric ?? {}, at.child('metric'), errors);
    validateTarget(pods.target ?? {}, at.child('target'), errors);
    if (pods.target?.averageValue === undefined)
      errors.required(at.child('target', 'averageValue'), 'must specify a positive target averageValue');
  }
  if (resource) {
    if (!resource.name) errors.required(path.child('resource', 'name'), 'must specify a resource name');
    validateResourceTarget(resource.target ?? {}, path.child('resource', 'target'), errors);
  }
  if (containerResource) {
    const at = path.child('containerResource');
    if (!containerResource.name) errors.required(at.child('name'), 'must specify a resource name');
    else validateContainerResourceName(containerResource.name, at.child('name'), errors);
    if (!containerResource.container) errors.required(at.child('container'), 'must specify a container');
    else requireDnsLabel(errors, at.child('container'), containerResource.container);
    validateResourceTarget(containerResource.target ?? {}, at.child('target'), errors);
  }
  if (external) {
    const at = path.child('external');
    validateIdentifier(external.metric ?? {}, at.child('metric'), errors);
    validateTarget(external.target ?? {}, at.child('target'), errors);
    const { value, averageValue } = external.target ?? {};
    if (value === undefined && averageValue === undefined)
      errors.required(at.child('target', 'averageValue'), 'must set either a target value for metric or a per-pod target');
    if (value !== undefined && averageValue !== undefined)
      errors.forbidden(at.child('target', 'value'), 'may not set both a target value for metric and a per-pod target');
  }
}

function validateMetric(spec: MetricSpec, must: ApiVersion, path: FieldPath, errors: FieldErrors): void {
  const { type = '' } = spec;
  const typePath = path.child('type');
  const types = Object.keys(sources).sort();
  if (!type) errors.required(typePath, 'must specify a metric source type');
  if (!types.includes(type)) errors.notSupported(typePath, type, types);
  // Of several sources upstream looks at the first, in this order.
  const present = (['object', 'external', 'pods', 'resource', 'containerResource'] as const).filter((source) => spec[source] !== undefined);
  const [first] = present;
  if (first) validateSource({ type, [first]: spec[first] }, must, path, errors);
  const wanted = Object.entries(sources).find(([name]) => name === type)?.[1];
  if (!wanted) errors.notSupported(typePath, type, types);
  else if (!present.includes(wanted)) errors.required(path.child(wanted), 'must populate information for the given metric source');
  if (present.length === 1) return;
  for (const extra of present) if (extra !== wanted) errors.forbidden(path.child(extra), 'must populate the given metric source only');
}

function validateScaling(rules: HPAScalingRules | undefined, path: FieldPath, errors: FieldErrors): void {
  if (!rules) return;
  const { stabilizationWindowSeconds: window, selectPolicy, policies = [], tolerance } = rules;
  const windowPath = path.child('stabilizationWindowSeconds');
  if (window !== undefined && window < 0) errors.invalid(windowPath, window, 'must be greater than or equal to zero');
  if (window !== undefined && window > maxStabilizationSeconds)
    errors.invalid(windowPath, window, `must be less than or equal to ${maxStabilizationSeconds}`);
  if (selectPolicy !== undefined && !['Max', 'Min', 'Disabled'].includes(selectPolicy))
    errors.notSupported(path.child('selectPolicy'), selectPolicy, ['Disabled', 'Max', 'Min']);
  if (policies.length === 0) errors.required(path.child('policies'), 'must specify at least one Policy');
  for (const [i, { type, value = 0, periodSeconds = 0 }] of policies.entries()) {
    const at = path.child('policies').index(i);
    if (type !== 'Pods' && type !== 'Percent') errors.notSupported(at.child('type'), type ?? '', ['Percent', 'Pods']);
    if (value <= 0) errors.invalid(at.child('value'), value, 'must be greater than zero');
    if (periodSeconds <= 0) errors.invalid(at.child('periodSeconds'), periodSeconds, 'must be greater than zero');
    if (periodSeconds > maxPeriodSeconds)
      errors.invalid(at.child('periodSeconds'), periodSeconds, `must be less than or equal to ${maxPeriodSeconds}`);
  }
  if (tolerance !== undefined && compareQuantities(tolerance, '0') < 0)
    errors.invalid(path.child('tolerance'), tolerance, 'must be greater than or equal to 0');
}

/** What may be scaled is of a group, unless it is a kind of the core that can be, or was referred to before. */
function targetApiVersion({ apiVersion, kind }: CrossVersionObjectReference, prev: CrossVersionObjectReference | undefined): ApiVersion {
  if (prev && prev.apiVersion === apiVersion && prev.kind === kind) return 'as it is';
  return kind === 'ReplicationController' ? 'of any group' : 'with a group';
}

/** `prev`: what the autoscaler was before, of which some may stay wrong. */
export function validateAutoscaler(
  { spec }: HorizontalPodAutoscaler,
  prev: HorizontalPodAutoscaler | undefined,
  errors: FieldErrors,
): void {
  const { minReplicas, maxReplicas = 0, scaleTargetRef = { kind: '', name: '' }, metrics = [], behavior } = spec;
  const wasWrong = prev?.spec.metrics?.some(({ object }) => object && apiVersionProblem(object.describedObject, 'of any group'));
  const least = prev?.spec.minReplicas === 0 || errors.isEnabled('HPAScaleToZero', false) ? 0 : 1;
  if (minReplicas !== undefined && minReplicas < least)
    errors.invalid(specPath.child('minReplicas'), minReplicas, `must be greater than or equal to ${least}`);
  if (maxReplicas === 0) errors.required(specPath.child('maxReplicas'), 'must be set and greater than 0');
  else if (maxReplicas < 0) errors.invalid(specPath.child('maxReplicas'), maxReplicas, 'must be greater than or equal to 1');
  if (minReplicas !== undefined && maxReplicas < minReplicas)
    errors.invalid(specPath.child('maxReplicas'), maxReplicas, 'must be greater than or equal to `minReplicas`');
  const must = targetApiVersion(scaleTargetRef, prev?.spec.scaleTargetRef);
  validateReference(scaleTargetRef, must, specPath.child('scaleTargetRef'), errors);
  for (const [i, metric] of metrics.entries())
    validateMetric(metric, wasWrong ? 'as it is' : 'of any group', specPath.child('metrics').index(i), errors);
  if (minReplicas === 0 && !metrics.some(({ type }) => type === 'Object' || type === 'External'))
    errors.forbidden(specPath.child('metrics'), 'must specify at least one Object or External metric to support scaling to zero replicas');
  for (const field of ['scaleUp', 'scaleDown'] as const) validateScaling(behavior?.[field], specPath.child('behavior', field), errors);
}

export function validateAutoscalerStatus({ status }: HorizontalPodAutoscaler, errors: FieldErrors): void {
  const path = new FieldPath('status');
  for (const field of ['currentReplicas', 'desiredReplicas'] as const) requireNonNegative(errors, path.child(field), status?.[field]);
}
