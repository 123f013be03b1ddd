import { hasReason, type KubeObject } from '../../api/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import { deleteObject, readDeleteOptions, warnOfOrphans } from './delete.ts';
import { listQuery } from './list-options.ts';
import { listAnswer, listed } from './read.ts';
import type { Registry } from './registry.ts';
import { checkConvertible, type ServedResource, storageOf } from './served-resource.ts';

/** DELETE of a collection: every selected object. Answers what was selected, as it was before. */
export async function deleteCollection(registry: Registry, context: RequestContext, served: ServedResource): Promise<Answer> {
  const query = listQuery(registry, context.query, false);
  const options = await readDeleteOptions(registry, context);
  warnOfOrphans(context, served.kind, options);
  // Upstream reads pages, for which a version that does not say how it is meant is the very one.
  if (query.resourceVersion !== undefined && query.resourceVersion !== '0' && query.continue === '') query.resourceVersionMatch ??= 'Exact';
  const list = await storageOf(served).list(listed(served, { ...query, at: undefined }, context.info.namespace));
  await checkConvertible(
    served,
    list.items.map(({ object }) => object),
  );
  let failed = false;
  const waiting = list.items.values();
  /** All workers take from the same; where one fails the others take no more. */
  const work = async (): Promise<void> => {
    for (const cached of waiting) {
      if (failed) return;
      context.signal.throwIfAborted();
      const object: KubeObject = cached.object;
      try {
        await deleteObject(registry, context, served, object.metadata.namespace ?? '', object.metadata.name, options);
      } catch (error) {
        // Somebody else has deleted it in between, which is what was asked for.
        if (hasReason(error, 'NotFound')) continue;
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, registry.deleteCollectionWorkers ?? 1) }, work));
  return listAnswer(served, query, list);
}
