/** PATCH: JSON, merge and strategic merge patches of an object in the version that the client speaks, and server-side apply. */
import {
  applyJsonPatch,
  applyMergePatch,
  applyStrategicMergePatch,
  errors,
  type KubeObject,
  kindNode,
  PatchError,
  type Resource,
  StatusError,
} from '../../api/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import { apply, applyType } from './apply.ts';
import { decodeDocument, toStorageVersion } from './codec.ts';
import { parseJsonDocument } from './read-body.ts';
import type { Registry } from './registry.ts';
import { type ServedResource, toServed } from './served-resource.ts';
import { changeObject } from './update.ts';
import { writeOptions } from './write-options.ts';

const jsonPatchType = 'application/json-patch+json';
const mergePatchType = 'application/merge-patch+json';
const strategicType = 'application/strategic-merge-patch+json';

function refused(error: PatchError): StatusError {
  if (error.reason === 'BadRequest') return errors.badRequest(error.message);
  return new StatusError(422, 'Invalid', 'the server rejected our request due to an error in our request', {
    causes: [{ message: error.message }],
  });
}

/** Reads the request's patch; the result applies it to a document of the kind, which stays as it was. */
export async function patchDocument(context: RequestContext, resource: Resource): Promise<(document: object) => unknown> {
  const type = context.body.contentType;
  const node = kindNode(resource);
  const supported = [jsonPatchType, mergePatchType, ...(node === undefined ? [] : [strategicType]), applyType];
  if (!supported.includes(type) || type === applyType) throw errors.unsupportedMediaType(supported);
  const patch = context.local ? context.body.value : parseJsonDocument(await context.body.bytes(), resource.kind).value;
  return (document) => {
    try {
      if (type === jsonPatchType) return applyJsonPatch(document, patch);
      if (type === mergePatchType || node === undefined) return applyMergePatch(document, patch);
      return applyStrategicMergePatch(document, patch, node);
    } catch (error) {
      if (error instanceof PatchError) throw refused(error);
      throw error;
    }
  };
}

/** PATCH on an object or on a subresource that writes part of it. */
export async function patch(registry: Registry, context: RequestContext, served: ServedResource): Promise<Answer> {
  if (served.version?.warning !== undefined) context.warn(served.version.warning);
  if (context.body.contentType === applyType) return apply(registry, context, served);
  const options = writeOptions(context, 'PatchOptions');
  if (context.query.get('force') !== null)
    throw errors.invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
      { type: 'FieldValueForbidden', field: 'force', body: 'Forbidden: may not be specified for non-apply patch' },
    ]);
  const applyPatch = await patchDocument(context, served.resource);
  const item = await changeObject(registry, context, served, {
    options,
    preconditions: {},
    next(current: KubeObject) {
      const value = applyPatch(toServed(served, current));
      const object = decodeDocument(context, { value, duplicates: [] }, served.resource, options.fieldValidation);
      const { name } = object.metadata;
      if (name !== context.info.name)
        throw errors.badRequest(`the name of the object (${name}) does not match the name on the URL (${context.info.name})`);
      return toStorageVersion(served, object);
    },
  });
  return { type: 'object', status: 200, item, resource: served };
}
