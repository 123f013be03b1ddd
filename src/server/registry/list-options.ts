/** The options of list and watch, from the query string, checked as upstream's ValidateListOptions does. */
import {
  errors,
  FieldErrors,
  FieldPath,
  parseShardSelector,
  type ShardSelector,
  ShardSelectorError,
  StatusError,
} from '../../api/index.ts';
import { queryBoolean, queryInteger } from '../request-info.ts';
import type { StorageListOptions } from '../storage/storage.ts';
import { parseResourceVersion } from '../storage/versions.ts';
import type { Registry } from './registry.ts';
import { readSelectors } from './selectors.ts';

export interface ListQuery {
  labelSelector: string;
  fieldSelector: string;
  /** Where ShardedListAndWatch is on. */
  shard: ShardSelector | undefined;
  limit: number;
  continue: string;
  resourceVersion: string | undefined;
  resourceVersionMatch: StorageListOptions['resourceVersionMatch'];
  allowWatchBookmarks: boolean;
  sendInitialEvents: boolean | undefined;
  timeoutSeconds: number | undefined;
  /** Our own: as it was then. */
  at: string | undefined;
}

function shardOf(query: URLSearchParams, { isEnabled }: Pick<Registry, 'isEnabled'>): ShardSelector | undefined {
  const text = query.get('shardSelector') ?? '';
  if (text === '' || !isEnabled?.('ShardedListAndWatch')) return undefined;
  try {
    return parseShardSelector(text);
  } catch (error) {
    // Upstream's server does not expect it.
    throw error instanceof ShardSelectorError ? new StatusError(500, '', `invalid shard selector: ${error.message}`) : error;
  }
}

export function listQuery(registry: Pick<Registry, 'isEnabled'>, query: URLSearchParams, watching: boolean): ListQuery {
  const match = query.get('resourceVersionMatch') ?? '';
  const version = query.get('resourceVersion') ?? '';
  const token = query.get('continue') ?? '';
  const asked = query.has('sendInitialEvents') ? queryBoolean(query, 'sendInitialEvents') : undefined;
  if (watching && query.has('at')) throw errors.badRequest('at is forbidden for watch');
  const timeoutSeconds = queryInteger(query, 'timeoutSeconds');
  const limit = queryInteger(query, 'limit') ?? 0;
  const labelSelector = query.get('labelSelector') ?? '';
  const fieldSelector = query.get('fieldSelector') ?? '';
  // Watches that begin with what there is have always done so (SetListOptionsDefaults).
  const begins = watching && asked === undefined && match === '' && (version === '' || version === '0');
  const problems = new FieldErrors();
  if (begins) checkWatch('NotOlderThan', token, true, problems);
  else if (watching) checkWatch(match, token, asked, problems);
  else checkList(match, version, token, asked, problems);
  if (!problems.ok) {
    // What can't be read is told first.
    readSelectors(labelSelector, fieldSelector);
    throw errors.invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', problems.list);
  }
  // A list's is read together with its continue token.
  if (watching) parseResourceVersion(version);
  return {
    labelSelector,
    fieldSelector,
    shard: shardOf(query, registry),
    limit,
    continue: token,
    resourceVersion: version === '' ? undefined : version,
    // Checked above: one of the two, or empty.
    resourceVersionMatch: match === '' ? undefined : (match as 'Exact' | 'NotOlderThan'),
    allowWatchBookmarks: queryBoolean(query, 'allowWatchBookmarks'),
    sendInitialEvents: asked ?? (begins ? true : undefined),
    timeoutSeconds,
    at: query.get('at') ?? undefined,
  };
}

const matchPath = new FieldPath('resourceVersionMatch');

function checkWatch(match: string, token: string, initial: boolean | undefined, problems: FieldErrors): void {
  if (initial !== undefined && match !== 'NotOlderThan')
    problems.forbidden(matchPath, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  if (match === '') return;
  if (initial === undefined)
    problems.forbidden(matchPath, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided');
  if (match !== 'NotOlderThan') problems.notSupported(matchPath, match, ['NotOlderThan']);
  if (token !== '') problems.forbidden(matchPath, continuing);
}

const continuing = 'resourceVersionMatch is forbidden when continue is provided';

function checkList(match: string, version: string, token: string, initial: boolean | undefined, problems: FieldErrors): void {
  if (match !== '') {
    if (version === '') problems.forbidden(matchPath, 'resourceVersionMatch is forbidden unless resourceVersion is provided');
    if (token !== '') problems.forbidden(matchPath, continuing);
    if (match !== 'Exact' && match !== 'NotOlderThan') problems.notSupported(matchPath, match, ['Exact', 'NotOlderThan', '']);
    if (match === 'Exact' && version === '0')
      problems.forbidden(matchPath, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  }
  if (initial !== undefined) problems.forbidden(new FieldPath('sendInitialEvents'), 'sendInitialEvents is forbidden for list');
}
