import { apiVersionOf, errors, StatusError } from '../../api/index.ts';
import type { Answer, AnswerEvent, RequestContext } from '../exchange.ts';
import type { StorageWatchEvent, StorageWatchOptions } from '../storage/storage.ts';
import { listQuery } from './list-options.ts';
import { selectionOf } from './read.ts';
import type { Registry } from './registry.ts';
import { type ServedResource, storageOf } from './served-resource.ts';

/** GET of a collection with watch=true, and the old /watch/ paths. */
export function watch(registry: Registry, context: RequestContext, served: ServedResource): Answer {
  const query = listQuery(registry, context.query, true);
  const { info } = context;
  // At random, so that clients spread over servers.
  const seconds = query.timeoutSeconds || Math.floor((registry.minRequestTimeoutSeconds ?? 1800) * (1 + registry.random.next()));
  const timeout = new AbortController();
  const selection = selectionOf(served, query, info.namespace);
  const isNamed = info.parts.length > 1;
  if (isNamed && query.fieldSelector !== '' && selection.name !== info.name)
    throw errors.badRequest("fieldSelector metadata.name doesn't match requested name");
  const options: StorageWatchOptions = {
    ...selection,
    // By their fields, versions of a kind differ.
    selector: JSON.stringify([served.apiVersion, query.labelSelector, query.fieldSelector, query.shard?.text]),
    // The deprecated /watch/.../NAME path selects by name.
    ...(isNamed && selection.name === undefined ? { name: info.name } : {}),
    ...(query.resourceVersion === undefined ? {} : { resourceVersion: query.resourceVersion }),
    ...(query.sendInitialEvents === undefined ? {} : { sendInitialEvents: query.sendInitialEvents }),
    bookmarks: query.allowWatchBookmarks,
    initialized: context.initialized,
    timeoutSeconds: seconds,
    signal: AbortSignal.any([context.signal, timeout.signal]),
  };
  const storage = storageOf(served);
  if (served.warning !== undefined) context.warn(served.warning);
  async function* events(): AsyncIterable<readonly AnswerEvent[]> {
    const timer = registry.clock.setTimer(seconds * 1000, () => timeout.abort(), { background: true });
    try {
      for await (const batch of storage.watchBatches(options))
        yield batch[0]?.type === 'BOOKMARK' ? [bookmark(served, batch[0])] : (batch as readonly AnswerEvent[]);
    } catch (error) {
      if (options.signal.aborted) return;
      if (!(error instanceof StatusError)) throw error;
      yield [{ type: 'ERROR', item: { object: error.status } }];
    } finally {
      timer.cancel();
    }
  }
  return { type: 'watch', resource: served, events: events() };
}

function bookmark(served: ServedResource, event: StorageWatchEvent & { type: 'BOOKMARK' }): AnswerEvent {
  const metadata = {
    resourceVersion: String(event.revision),
    ...(event.initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
  };
  return { type: 'BOOKMARK', item: { object: { kind: served.resource.kind, apiVersion: apiVersionOf(served.resource), metadata } } };
}
