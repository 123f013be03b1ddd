import { errors, type KubeObject } from '../../api/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import { queryBoolean } from '../request-info.ts';
import type { StorageGetOptions, StorageList, StorageListOptions } from '../storage/storage.ts';
import { type ListQuery, listQuery } from './list-options.ts';
import type { Registry } from './registry.ts';
import { compileSelection } from './selectors.ts';
import { type ServedResource, storageOf } from './served-resource.ts';

function whenAsked(query: URLSearchParams): StorageGetOptions {
  const version = query.get('resourceVersion') ?? '';
  const at = query.get('at');
  return {
    ...(version === '' ? {} : { resourceVersion: version }),
    ...(query.get('resourceVersionMatch') === 'Exact' ? { resourceVersionMatch: 'Exact' } : {}),
    ...(at === null ? {} : { at }),
  };
}

/** GET of one object (subresources that read the object itself included). */
export async function get(context: RequestContext, served: ServedResource): Promise<Answer> {
  const { info, query } = context;
  if (queryBoolean(query, 'export')) throw errors.badRequest('the export parameter, deprecated since v1.14, is no longer supported');
  context.milestone?.('About to Get from storage');
  const item = await storageOf(served).get(info.namespace, info.name, query.size === 0 ? undefined : whenAsked(query));
  if (item === undefined) throw errors.notFound(served.resource, info.name);
  if (served.warning !== undefined) context.warn(served.warning);
  return { type: 'object', status: 200, item, resource: served };
}

/** What storage is asked for a list or a watch. */
export function selectionOf(served: ServedResource, query: ListQuery, namespace: string) {
  const { matches: matchesFields, matchesLabels, name, exact } = compileSelection(query.labelSelector, query.fieldSelector, served.kind);
  const { shard } = query;
  const inShard = shard && ((object: KubeObject) => shard.matches(object) && (matchesFields?.(object) ?? true));
  const matches = inShard ?? matchesFields;
  const indexed = exact.find(({ field }) => field !== 'metadata.name' && field !== 'metadata.namespace' && served.indexes.has(field));
  return {
    ...(served.resource.namespaced && namespace !== '' ? { namespace } : {}),
    ...(name === undefined ? {} : { name }),
    ...(matches === undefined ? {} : { matches }),
    ...(matchesLabels === undefined ? {} : { matchesLabels }),
    ...(indexed === undefined ? {} : { indexed }),
  };
}

/** GET of a collection. */
export async function list(registry: Registry, context: RequestContext, served: ServedResource): Promise<Answer> {
  const query = listQuery(registry, context.query, false);
  const result = await storageOf(served).list(listed(served, query, context.info.namespace));
  if (served.warning !== undefined) context.warn(served.warning);
  return listAnswer(served, query, result);
}

/** What storage is asked for a list. */
export function listed(served: ServedResource, query: ListQuery, namespace: string): StorageListOptions {
  return {
    ...selectionOf(served, query, namespace),
    ...(query.limit > 0 ? { limit: query.limit } : {}),
    ...(query.continue === '' ? {} : { continue: query.continue }),
    ...(query.resourceVersion === undefined ? {} : { resourceVersion: query.resourceVersion }),
    ...(query.resourceVersionMatch === undefined ? {} : { resourceVersionMatch: query.resourceVersionMatch }),
    ...(query.at === undefined ? {} : { at: query.at }),
  };
}

export function listAnswer(resource: ServedResource, { shard }: ListQuery, { items, revision, ...paging }: StorageList): Answer {
  return {
    type: 'list',
    resource,
    metadata: {
      resourceVersion: String(revision),
      ...(paging.continue === undefined ? {} : { continue: paging.continue }),
      ...(paging.remainingItemCount === undefined ? {} : { remainingItemCount: paging.remainingItemCount }),
      ...(shard === undefined ? {} : { shardInfo: { selector: shard.text } }),
    },
    items,
  };
}
