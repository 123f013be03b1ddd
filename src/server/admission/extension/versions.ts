/** The versions that a request's objects can be shown in: webhooks and policies get the one that their rules ask for. */
import {
  apiVersionOf,
  DecodeError,
  deepCopy,
  errors,
  groupResourceOf,
  type KubeObject,
  kindNode,
  normalize,
  strictErrors,
} from '../../../api/index.ts';
import { toStorageVersion } from '../../registry/codec.ts';
import { convertToServed, type ResourceTable, type ServedResource } from '../../registry/served-resource.ts';
import type { AdmissionRequest } from '../../request.ts';

/** The resource that a request's path names; undefined where it is not served (any more). */
export function requestedResource(table: ResourceTable, request: AdmissionRequest): ServedResource | undefined {
  return table.find(request.group, request.version, request.resource);
}

/** The same objects under other groups and versions. */
export function* equivalentResources(table: ResourceTable, served: ServedResource): Generator<ServedResource> {
  const same = groupResourceOf(served.kind.resource);
  for (const other of table.all()) if (other !== served && groupResourceOf(other.kind.resource) === same) yield other;
}

/** Whether the request carries objects of the resource itself, and not of a kind of its subresource's own (Binding, Eviction, ...). */
function isOfResource(request: AdmissionRequest, { resource }: ServedResource): boolean {
  return request.kind === resource.kind && request.kindGroup === resource.group && request.kindVersion === resource.version;
}

/**
 * The version of a subresource's own kind (DeploymentRollback) under a resource in another group or version: kinds that come along
 * with the resource's version there change with it, whereas one that all versions share (Eviction) stays as it is.
 */
function accompanyingApiVersion(request: AdmissionRequest, requested: ServedResource, { resource }: ServedResource): string | undefined {
  const comesAlong = request.kindGroup === requested.resource.group && request.kindVersion === requested.resource.version;
  return comesAlong && kindNode({ ...resource, kind: request.kind }) ? apiVersionOf(resource) : undefined;
}

export interface VersionedRequest {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: { group: string; version: string; kind: string };
  readonly object: KubeObject | undefined;
  readonly oldObject: KubeObject | undefined;
}

/** The request's objects in the version that a rule has matched, which may be the requested one. */
export async function inVersion(table: ResourceTable, request: AdmissionRequest, target: ServedResource): Promise<VersionedRequest> {
  const { group, version, plural, kind } = target.resource;
  const requested = requestedResource(table, request);
  if (!requested || !isOfResource(request, requested)) {
    const { object, oldObject } = request;
    const apiVersion = requested && accompanyingApiVersion(request, requested, target);
    if (apiVersion !== undefined && object)
      return {
        group,
        version,
        resource: plural,
        kind: { group, version, kind: request.kind },
        object: { ...object, apiVersion },
        oldObject,
      };
    const own = { group: request.kindGroup, version: request.kindVersion, kind: request.kind };
    return { group, version, resource: plural, kind: own, object, oldObject };
  }
  const shown = async (object: KubeObject | undefined) => object && (await convertToServed(target, object));
  const [object, oldObject] = await Promise.all([shown(request.object), shown(request.oldObject)]);
  return { group, version, resource: plural, kind: { group, version, kind }, object, oldObject };
}

/** A mutated object as one of its kind again. Throws InternalError for what is none; with `strict` for unknown fields, too. */
function decoded({ custom, resource }: ServedResource, mutated: KubeObject, strict: boolean): KubeObject {
  const unknown: string[] = [];
  try {
    if (custom) return custom.decode({ ...mutated }, []);
    const node = kindNode(resource);
    const object = node ? normalize(node, mutated, unknown) : deepCopy(mutated);
    if (!strict || unknown.length === 0) return object;
  } catch (error) {
    throw error instanceof DecodeError ? errors.internal(error.message) : error;
  }
  throw errors.internal(`strict decoding error: ${strictErrors({ unknown }).join(', ')}`);
}

/** A mutated object of a subresource's own kind in the version that the request was made in. */
function asRequested({ object, kindGroup, kindVersion }: AdmissionRequest, mutated: KubeObject): KubeObject {
  return object?.apiVersion === undefined ? mutated : { ...mutated, apiVersion: apiVersionOf({ group: kindGroup, version: kindVersion }) };
}

/**
 * Puts what a mutation has made of the object, in the version that it was shown in, in the request's object's place. Throws
 * InternalError for what is of its kind no more.
 */
export async function takeMutation(
  table: ResourceTable,
  request: AdmissionRequest,
  target: ServedResource,
  mutated: KubeObject,
  { strict = false } = {},
): Promise<void> {
  const { object } = request;
  if (!object) return;
  const requested = requestedResource(table, request);
  const isOwn = requested !== undefined && isOfResource(request, requested);
  const next = isOwn ? await toStorageVersion(target, decoded(target, mutated, strict)) : asRequested(request, deepCopy(mutated));
  // Whoever has begun the request holds this very object.
  for (const key of Object.keys(object)) if (!Object.hasOwn(next, key)) Reflect.deleteProperty(object, key);
  Object.assign(object, next);
}
