import { hasReason, type KubeObject } from '../../api/index.ts';
import type { Answer, Item, RequestContext } from '../exchange.ts';
import { deleteObject, readDeleteOptions, warnOfOrphans } from './delete.ts';
import { listQuery } from './list-options.ts';
import { selectionOf } from './read.ts';
import type { Registry } from './registry.ts';
import { checkConvertible, type ServedResource, storageOf } from './served-resource.ts';

/** DELETE of a collection: every selected object as it is at the start. Answers what was selected. */
export async function deleteCollection(registry: Registry, context: RequestContext, served: ServedResource): Promise<Answer> {
  const query = listQuery(registry, context.query, false);
  const options = await readDeleteOptions(context);
  warnOfOrphans(context, served.kind, options);
  const storage = storageOf(served);
  const list = await storage.list({
    ...selectionOf(served, query, context.info.namespace),
    ...(query.limit > 0 ? { limit: query.limit } : {}),
    ...(query.continue === '' ? {} : { continue: query.continue }),
  });
  await checkConvertible(
    served,
    list.items.map(({ object }) => object),
  );
  const deleted: (Item | undefined)[] = [];
  let failed = false;
  const waiting = list.items.entries();
  /** All workers take from the same; where one fails the others take no more. */
  const work = async (): Promise<void> => {
    for (const [i, cached] of waiting) {
      if (failed) return;
      context.signal.throwIfAborted();
      const object: KubeObject = cached.object;
      try {
        deleted[i] = (await deleteObject(registry, context, served, object.metadata.namespace ?? '', object.metadata.name, options)).item;
      } catch (error) {
        // Somebody else has deleted it in between, which is what was asked for.
        if (hasReason(error, 'NotFound')) continue;
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, registry.deleteCollectionWorkers ?? 1) }, work));
  const items = deleted.filter((item) => item !== undefined);
  const metadata = { resourceVersion: String(list.revision), ...(list.continue === undefined ? {} : { continue: list.continue }) };
  return { type: 'list', resource: served, metadata, items };
}
