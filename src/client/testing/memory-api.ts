/**
 * A small API in memory for tests of what stands on a client: it keeps plain objects, gives them uids and versions, and lets
 * them be watched. It validates nothing, and knows no admission and no defaults. Deterministic: uids and generated names count up.
 */
import type { KubeObject, Resource, Status } from '../../api/index.ts';
import { apiVersionOf, errors, groupResourceOf, StatusError } from '../../api/index.ts';
import { type Clock, timestamp } from '../../time/index.ts';
import type { Transport, TransportRequest } from '../client.ts';

type Json = Record<string, unknown>;
type WatchRecord = { type: string; object: unknown };

interface Stored extends KubeObject {
  spec?: unknown;
  status?: unknown;
}

interface Watcher {
  resource: string;
  selects(object: Stored): boolean;
  push(event: WatchRecord): void;
}

export interface MemoryApi extends Transport {
  /** Requests served so far, as `POST /api/v1/...`. */
  readonly log: string[];
  /** Called before each request; throw a StatusError to have it fail. */
  intercept: ((request: TransportRequest) => void) | undefined;
  /** Ends all watches, as a server that restarts does. */
  endWatches(): void;
  /** Makes versions before the present one too old to watch from. */
  compact(): void;
  /** Kinds whose deletion is graceful: it sets deletionTimestamp and waits for a delete with grace period 0. */
  readonly gracefulKinds: Set<string>;
}

interface Target {
  resource: string;
  group: string;
  version: string;
  namespace: string;
  name: string;
  subresource: string;
}

export function createMemoryApi(clock: Clock, resources: readonly Resource[]): MemoryApi {
  const objects = new Map<string, Map<string, Stored>>();
  const kinds = new Map(resources.map((r) => [groupResourceOf(r), r]));
  const history: { revision: number; resource: string; type: string; object: Stored; previous: Stored | undefined }[] = [];
  const watchers = new Set<Watcher & { end(): void }>();
  let revision = 1;
  let compacted = 0;
  let counter = 0;

  const table = (resource: string): Map<string, Stored> => {
    let found = objects.get(resource);
    if (!found) {
      found = new Map();
      objects.set(resource, found);
    }
    return found;
  };

  const named = (t: Target) => ({ group: t.group, plural: t.resource.split('.')[0] ?? '' });

  const emit = (resource: string, type: string, object: Stored, previous: Stored | undefined): void => {
    history.push({ revision, resource, type, object, previous });
    for (const watcher of watchers) {
      if (watcher.resource !== resource) continue;
      const event = seenBy(watcher.selects, type, object, previous);
      if (event) watcher.push(event);
    }
  };

  const write = (resource: string, object: Stored): Stored => {
    const key = `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
    const previous = table(resource).get(key);
    const stored = freeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(++revision) } });
    const gone =
      stored.metadata.deletionTimestamp && !stored.metadata.finalizers?.length && stored.metadata.deletionGracePeriodSeconds === 0;
    if (gone) {
      table(resource).delete(key);
      emit(resource, 'DELETED', stored, previous);
    } else {
      table(resource).set(key, stored);
      emit(resource, previous ? 'MODIFIED' : 'ADDED', stored, previous);
    }
    return stored;
  };

  const existing = (t: Target): Stored => {
    const found = table(t.resource).get(`${t.namespace}/${t.name}`);
    if (!found) throw errors.notFound(named(t), t.name);
    return found;
  };

  const create = (t: Target, body: Stored): Stored => {
    const id = String(++counter).padStart(5, '0');
    const kind = kinds.get(t.resource);
    const name = body.metadata.name || (body.metadata.generateName ? `${body.metadata.generateName}${id}` : '');
    if (table(t.resource).has(`${t.namespace}/${name}`)) throw errors.alreadyExists(named(t), name);
    return write(t.resource, {
      ...body,
      ...(kind ? { apiVersion: apiVersionOf(kind), kind: kind.kind } : {}),
      metadata: {
        ...body.metadata,
        name,
        ...(t.namespace ? { namespace: t.namespace } : {}),
        uid: `uid-${id}`,
        creationTimestamp: body.metadata.creationTimestamp ?? timestamp(clock),
        ...('spec' in body ? { generation: 1 } : {}),
      },
    });
  };

  /** Writes `next` over the object, as far as the (sub)resource lets it. */
  const replace = (t: Target, current: Stored, next: Stored): Stored => {
    const sent = next.metadata.resourceVersion;
    if (sent && sent !== current.metadata.resourceVersion) throw errors.objectModified(named(t), t.name);
    const keep = current.metadata;
    const merged: Stored =
      t.subresource === 'status'
        ? { ...current, status: next.status, metadata: { ...keep, ...(next.metadata.labels ? { labels: next.metadata.labels } : {}) } }
        : { ...next, ...('status' in current ? { status: current.status } : {}) };
    const changed = JSON.stringify(merged.spec) !== JSON.stringify(current.spec);
    merged.metadata = {
      ...merged.metadata,
      uid: keep.uid,
      creationTimestamp: keep.creationTimestamp,
      ...(keep.deletionTimestamp
        ? { deletionTimestamp: keep.deletionTimestamp, deletionGracePeriodSeconds: keep.deletionGracePeriodSeconds ?? 0 }
        : {}),
      ...(keep.generation === undefined ? {} : { generation: keep.generation + (changed ? 1 : 0) }),
    };
    if (same(withoutVersion(merged), withoutVersion(current))) return current;
    return write(t.resource, merged);
  };

  const remove = (t: Target, body: Json | undefined): Stored => {
    const current = existing(t);
    const preconditions = body?.preconditions as { uid?: string; resourceVersion?: string } | undefined;
    if (preconditions?.uid && preconditions.uid !== current.metadata.uid)
      throw errors.conflict(named(t), t.name, 'Precondition failed: UID');
    if (preconditions?.resourceVersion && preconditions.resourceVersion !== current.metadata.resourceVersion) {
      throw errors.objectModified(named(t), t.name);
    }
    const graceful = api.gracefulKinds.has(current.kind) && body?.gracePeriodSeconds !== 0;
    const deletion = {
      deletionTimestamp: current.metadata.deletionTimestamp ?? timestamp(clock),
      deletionGracePeriodSeconds: graceful ? 30 : 0,
    };
    if (current.metadata.deletionTimestamp && (graceful || current.metadata.finalizers?.length)) return current;
    return write(t.resource, { ...current, metadata: { ...current.metadata, ...deletion } });
  };

  /** What the pods/binding subresource does. */
  const bind = (t: Target, body: Json | undefined): Status => {
    const pod = existing(t) as Stored & { spec: Json; status?: { conditions?: Json[] } };
    if (pod.spec.nodeName) throw errors.conflict(named(t), t.name, `pod ${t.name} is already assigned to node "${pod.spec.nodeName}"`);
    const conditions = pod.status?.conditions?.filter((c) => c.type !== 'PodScheduled') ?? [];
    write(t.resource, {
      ...pod,
      spec: { ...pod.spec, nodeName: (body?.target as Json | undefined)?.name },
      status: {
        ...pod.status,
        conditions: [...conditions, { type: 'PodScheduled', status: 'True', lastTransitionTime: timestamp(clock) }],
      },
    });
    return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
  };

  const serve = (request: TransportRequest): unknown => {
    const t = parsePath(request.path);
    const body = request.body === undefined ? undefined : (structuredClone(request.body) as Json);
    switch (request.method) {
      case 'GET':
        return t.name ? existing(t) : list(t, request.query);
      case 'POST':
        if (t.resource === 'pods' && t.subresource === 'binding') return bind(t, body);
        // The draft's missing metadata is filled in by create.
        return create(t, body as unknown as Stored);
      case 'PUT':
        return replace(t, existing(t), body as unknown as Stored);
      case 'PATCH': {
        const current = existing(t);
        const uid = (body?.metadata as Json | undefined)?.uid;
        if (uid && uid !== current.metadata.uid) throw errors.conflict(named(t), t.name, 'the UID in the precondition does not match');
        return replace(t, current, mergePatch(current, body, request.contentType !== 'application/merge-patch+json') as Stored);
      }
      case 'DELETE':
        if (t.name) return remove(t, body);
        for (const object of list(t, request.query).items)
          remove({ ...t, name: object.metadata.name, namespace: object.metadata.namespace ?? '' }, body);
        return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
      default:
        throw errors.methodNotSupported(named(t), request.method);
    }
  };

  const list = (t: Target, query: URLSearchParams) => {
    const kind = kinds.get(t.resource)?.kind ?? '';
    const items = [...table(t.resource).values()].filter(selector(t, query));
    return {
      kind: `${kind}List`,
      apiVersion: t.group ? `${t.group}/${t.version}` : t.version,
      metadata: { resourceVersion: String(revision) },
      items,
    };
  };

  const api: MemoryApi = {
    log: [],
    intercept: undefined,
    gracefulKinds: new Set(),
    endWatches() {
      for (const watcher of watchers) watcher.end();
    },
    compact() {
      compacted = revision;
      history.length = 0;
    },
    async request(request) {
      try {
        api.intercept?.(request);
        api.log.push(`${request.method} ${request.path}`);
        return { status: 200, body: serve(request), warnings: [] };
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        return { status: error.code, body: error.status, warnings: [] };
      }
    },
    async *stream(request) {
      api.intercept?.(request);
      const t = parsePath(request.path);
      const selects = selector(t, request.query);
      const queue: WatchRecord[] = [];
      let wake = Promise.withResolvers<void>();
      let ended = false;
      const from = Number(request.query.get('resourceVersion') ?? '0');
      if (from > 0 && from < compacted) {
        yield { type: 'ERROR', object: errors.expired(`too old resource version: ${from} (${compacted})`).status satisfies Status };
        return;
      }
      const push = (event: WatchRecord) => {
        queue.push(event);
        wake.resolve();
      };
      const end = () => {
        ended = true;
        wake.resolve();
      };
      const watcher = { resource: t.resource, selects, push, end };
      if (from === 0) for (const object of list(t, request.query).items) push({ type: 'ADDED', object });
      else
        for (const past of history) {
          if (past.resource !== t.resource || past.revision <= from) continue;
          const event = seenBy(selects, past.type, past.object, past.previous);
          if (event) push(event);
        }
      if (request.query.get('sendInitialEvents') === 'true') {
        const metadata = { resourceVersion: String(revision), annotations: { 'k8s.io/initial-events-end': 'true' } };
        push({ type: 'BOOKMARK', object: { metadata } });
      }
      watchers.add(watcher);
      request.signal?.addEventListener('abort', end, { once: true });
      try {
        for (;;) {
          for (let next = queue.shift(); next; next = queue.shift()) yield next;
          if (ended || request.signal?.aborted) return;
          await wake.promise;
          wake = Promise.withResolvers<void>();
        }
      } finally {
        watchers.delete(watcher);
        request.signal?.removeEventListener('abort', end);
      }
    },
    async close() {
      api.endWatches();
    },
  };
  return api;
}

function parsePath(path: string): Target {
  const parts = path.split('/').slice(1).map(decodeURIComponent);
  const core = parts[0] === 'api';
  const group = core ? '' : (parts[1] ?? '');
  const version = (core ? parts[1] : parts[2]) ?? '';
  let rest = parts.slice(core ? 2 : 3);
  let namespace = '';
  if (rest[0] === 'namespaces' && rest.length > 2 && rest[2] !== 'status' && rest[2] !== 'finalize') {
    namespace = rest[1] ?? '';
    rest = rest.slice(2);
  }
  const [plural = '', name = '', ...sub] = rest;
  return { group, version, resource: group ? `${plural}.${group}` : plural, namespace, name, subresource: sub.join('/') };
}

function selector(t: Target, query: URLSearchParams): (object: Stored) => boolean {
  const pairs = (text: string | null) => (text ? text.split(',').map((p) => p.split(/==?/) as [string, string]) : []);
  const labels = pairs(query.get('labelSelector'));
  const fields = pairs(query.get('fieldSelector'));
  const at = (object: unknown, path: string): unknown => path.split('.').reduce((o, k) => (o as Json | undefined)?.[k], object);
  return (object) =>
    (!t.namespace || object.metadata.namespace === t.namespace) &&
    labels.every(([key, value]) => object.metadata.labels?.[key] === value) &&
    fields.every(([path, value]) => String(at(object, path) ?? '') === value);
}

function seenBy(selects: (object: Stored) => boolean, type: string, object: Stored, previous: Stored | undefined): WatchRecord | undefined {
  const was = previous !== undefined && selects(previous);
  const is = type !== 'DELETED' && selects(object);
  if (type === 'DELETED') return was ? { type, object } : undefined;
  if (is) return { type: was ? 'MODIFIED' : 'ADDED', object };
  return was ? { type: 'DELETED', object } : undefined;
}

const mergeKeys: Record<string, string> = { ownerReferences: 'uid', conditions: 'type', containers: 'name', taints: 'key' };
const primitiveSets = new Set(['finalizers']);

/** RFC 7386, and with `strategic` as much of the strategic merge as controllers use. */
function mergePatch(target: unknown, patch: unknown, strategic: boolean, field = ''): unknown {
  if (Array.isArray(patch)) {
    const key = strategic ? mergeKeys[field] : undefined;
    const base = Array.isArray(target) ? target : [];
    if (strategic && primitiveSets.has(field)) return [...new Set([...base, ...patch])];
    if (!key) return patch;
    let result: Json[] = [...base];
    for (const item of patch as Json[]) {
      const at = result.findIndex((r) => r[key] === item[key]);
      if (item.$patch === 'delete') result = result.filter((r) => r[key] !== item[key]);
      else if (at < 0) result.push(item);
      else result[at] = mergePatch(result[at], item, strategic) as Json;
    }
    return result;
  }
  if (typeof patch !== 'object' || patch === null) return patch;
  const result: Json = typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...(target as Json) } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith('$deleteFromPrimitiveList/')) {
      const list = name.slice('$deleteFromPrimitiveList/'.length);
      result[list] = ((result[list] as unknown[]) ?? []).filter((v) => !(value as unknown[]).includes(v));
    } else if (value === null) delete result[name];
    else result[name] = mergePatch(result[name], value, strategic, name);
  }
  return result;
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value;
}

const withoutVersion = (object: Stored) => ({ ...object, metadata: { ...object.metadata, resourceVersion: '' } });

function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const left = Object.entries(a).filter(([, v]) => v !== undefined);
  const right = Object.entries(b).filter(([, v]) => v !== undefined);
  return left.length === right.length && left.every(([k, v]) => same(v, (b as Json)[k]));
}
