/** PATCH: JSON, merge and strategic merge patches of an object in the version that the client speaks, and server-side apply. */
import type { KubeObject } from '../../api/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import { apply, isApply } from './apply.ts';
import { decodeServed, toStorageVersion } from './codec.ts';
import { checkName, matchNamespace } from './create.ts';
import { patchRequest, readPatch } from './patch-document.ts';
import type { Registry } from './registry.ts';
import { convertToServed, type ServedResource } from './served-resource.ts';
import { changeObject } from './update.ts';

/** PATCH on an object or on a subresource that writes part of it. */
export async function patch(registry: Registry, context: RequestContext, served: ServedResource): Promise<Answer> {
  if (served.warning !== undefined) context.warn(served.warning);
  if (isApply(context)) {
    const answer = await apply(registry, context, served);
    context.milestone?.('Object stored in database');
    return answer;
  }
  const asked = patchRequest(context, served.resource);
  const { options } = asked;
  const applyPatch = await readPatch(context, asked);
  context.milestone?.('Recorded the audit event');
  const patched = (document: KubeObject) => {
    const object = applyPatch(document, (value) => decodeServed(context, { value, duplicates: [] }, served, options.fieldValidation));
    matchNamespace(object, served.resource.namespaced ? context.info.namespace : '');
    checkName(context.info.name, object.metadata.name);
    return toStorageVersion(served, object);
  };
  const item = await changeObject(registry, context, served, {
    options,
    preconditions: {},
    next(current: KubeObject) {
      const document = convertToServed(served, current);
      return document instanceof Promise ? document.then(patched) : patched(document);
    },
  });
  context.milestone?.('Object stored in database');
  return { type: 'object', status: 200, item, resource: served };
}
