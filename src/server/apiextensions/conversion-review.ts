/** What a conversion webhook's answer must be, in upstream's words (apiextensions-apiserver's pkg/apiserver/conversion). */
import {
  aggregateMessage,
  errors,
  FieldErrors,
  FieldPath,
  fieldErrorMessage,
  isJsonObject,
  type KubeObject,
  validateAnnotations,
  validateLabels,
} from '../../api/index.ts';
import type { ConversionFailure } from '../metrics/conversion-metrics.ts';

export interface ConversionReview {
  apiVersion?: unknown;
  kind?: unknown;
  response?: { uid?: string; result?: { status?: string; message?: string }; convertedObjects?: unknown } | null;
}

/** `group/version, Kind=kind`, as Go prints it. */
const gvk = (apiVersion: unknown, kind: unknown) => `${String(apiVersion ?? '')}, Kind=${String(kind ?? '')}`;

/** What was asked for. */
export interface ConversionRequest {
  /** Of the review. */
  apiVersion: string;
  uid: string;
  desiredAPIVersion: string;
  objects: readonly [KubeObject, ...KubeObject[]];
}

/** What failed conversions have failed of, as metrics are told. */
export const failures = new WeakMap<object, ConversionFailure>();

function failed(request: ConversionRequest, how: string, what: ConversionFailure = 'conversion_webhook_invalid_converted_object_failure') {
  const error = errors.internal(`conversion webhook for ${gvk(request.objects[0].apiVersion, request.objects[0].kind)} ${how}`);
  failures.set(error, what);
  return error;
}

/** An error of calling the webhook. */
export const callFailed = (request: ConversionRequest, error: unknown, what: ConversionFailure = 'conversion_webhook_call_failure') =>
  failed(request, `failed: ${error instanceof Error ? error.message : String(error)}`, what);

/** Why the review as a whole is none; of v1beta1 less is asked. */
function reviewProblem({ apiVersion, uid }: ConversionRequest, review: ConversionReview | null): string | undefined {
  const isV1 = apiVersion.endsWith('/v1');
  if (isV1 && (review?.apiVersion !== apiVersion || review.kind !== 'ConversionReview'))
    return `expected webhook response of ${gvk(apiVersion, 'ConversionReview')}, got ${gvk(review?.apiVersion, review?.kind)}`;
  const response = review?.response;
  if (!response) return 'no response provided';
  if (isV1 && response.uid !== uid) return `expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`;
  const { status = '', message } = response.result ?? {};
  if (status === 'Success') return undefined;
  return message || `response.result.status was '${status}', not 'Success'`;
}

/** Labels and annotations may be other than they were, if they are any. */
function mapProblem(name: 'labels' | 'annotations', value: unknown): string | undefined {
  if (!isJsonObject(value)) return `invalid metadata.${name} of type ${typeof value} in converted object`;
  for (const [key, text] of Object.entries(value))
    if (typeof text !== 'string') return `metadata.${name}[${key}] must be a string, but is ${typeof text} in converted object`;
  const found = new FieldErrors();
  const path = new FieldPath('metadata');
  // All of its values are text.
  if (name === 'labels') validateLabels(value as Record<string, string>, path.child('labels'), found);
  else validateAnnotations(value as Record<string, string>, path.child('annotation'), found);
  return found.ok ? undefined : aggregateMessage(found.list.map(fieldErrorMessage));
}

/** A converted object with the metadata of the one that was sent. */
function converted(request: ConversionRequest, answered: unknown, i: number): KubeObject {
  // There are as many as were sent.
  const original = request.objects[i] as KubeObject;
  const invalid = (why: string) => failed(request, `returned invalid object at index ${i}: ${why}`);
  if (!isJsonObject(answered)) throw invalid('not an object');
  const { apiVersion, kind, metadata } = answered;
  if (apiVersion !== request.desiredAPIVersion)
    throw invalid(`invalid groupVersion (expected ${request.desiredAPIVersion}, received ${String(apiVersion ?? '')})`);
  if (kind !== original.kind) throw invalid(`invalid kind (expected ${original.kind}, received ${String(kind ?? '')})`);
  const given = isJsonObject(metadata) ? metadata : {};
  for (const [field, name] of [
    ['name', 'name'],
    ['namespace', 'namespace'],
    ['uid', 'UID'],
  ] as const) {
    const [before, after] = [original.metadata[field] ?? '', given[field] ?? ''];
    if (before !== after) throw failed(request, `returned invalid object: must have the same ${name}: ${before} != ${String(after)}`);
  }
  const badMetadata = (why: string) => failed(request, `returned invalid metadata: ${why}`);
  if (metadata === undefined) throw badMetadata('missing metadata in converted object');
  const { labels: _labels, annotations: _annotations, ...kept } = original.metadata;
  const maps: Record<string, unknown> = {};
  for (const name of ['labels', 'annotations'] as const) {
    if (given[name] === undefined || given[name] === null) continue;
    const problem = mapProblem(name, given[name]);
    if (problem !== undefined) throw badMetadata(problem);
    maps[name] = given[name];
  }
  // The kind's own decoder looks at the rest.
  return { ...answered, apiVersion, kind, metadata: { ...kept, ...maps } } as KubeObject;
}

/** The converted objects of an answer. Throws InternalError for one that is none to the request. */
export function convertedObjects(request: ConversionRequest, review: ConversionReview | null): KubeObject[] {
  const problem = reviewProblem(request, review);
  if (problem !== undefined) throw callFailed(request, problem, 'conversion_webhook_malformed_response_failure');
  const answered = review?.response?.convertedObjects ?? [];
  const count = Array.isArray(answered) ? answered.length : 0;
  if (!Array.isArray(answered) || count !== request.objects.length)
    throw failed(request, `returned ${count} objects, expected ${request.objects.length}`, 'conversion_webhook_partial_response_failure');
  return answered.map((object, i) => converted(request, object, i));
}
