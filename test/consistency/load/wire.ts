/** Calls as HTTP requests, and what their answers say. */
import type { Call, ListAnswer, ObjectState, Operation } from '../history.ts';
import type { Json } from './connection.ts';

export interface WireRequest {
  method: string;
  path: string;
  body?: unknown;
  contentType?: string;
}

interface ConfigMapJson {
  metadata: { name: string; namespace: string; resourceVersion: string; uid: string; labels?: { color?: string } };
  data?: { v?: string };
}

/** What a run makes has this label; other ConfigMaps (of kube-system) are not looked at. */
export const namespaces = ['c1', 'c2'] as const;

const collection = (namespace: string | undefined) => (namespace ? `/api/v1/namespaces/${namespace}/configmaps` : '/api/v1/configmaps');

export const nameOf = (key: string): string => key.slice(key.indexOf('/') + 1);
export const namespaceOf = (key: string): string => key.slice(0, key.indexOf('/'));
const pathOf = (key: string) => `${collection(namespaceOf(key))}/${nameOf(key)}`;

export function query(options: Record<string, string | number | boolean | undefined>): string {
  const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== '' && value !== false);
  return given.length > 0 ? `?${new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]))}` : '';
}

export const selectionQuery = (color: string | undefined) => (color ? { labelSelector: `color=${color}` } : {});

export function collectionPath(namespace: string | undefined): string {
  return collection(namespace);
}

const document = (key: string, value: string, color: string, resourceVersion?: number) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name: nameOf(key),
    namespace: namespaceOf(key),
    labels: { color },
    ...(resourceVersion === undefined ? {} : { resourceVersion: String(resourceVersion) }),
  },
  data: { v: value },
});

const contentTypes = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
};

/** `token` continues a list. */
export function wireRequest(call: Call, token?: string): WireRequest {
  switch (call.verb) {
    case 'create':
      return { method: 'POST', path: collection(namespaceOf(call.key)), body: document(call.key, call.value, call.color) };
    case 'update':
      return { method: 'PUT', path: pathOf(call.key), body: document(call.key, call.value, call.color, call.ifRevision) };
    case 'apply':
      return {
        method: 'PATCH',
        path: `${pathOf(call.key)}?fieldManager=applier&force=true`,
        body: document(call.key, call.value, call.color),
        contentType: 'application/apply-patch+yaml',
      };
    case 'patch':
      return { method: 'PATCH', path: pathOf(call.key), body: patchOf(call), contentType: contentTypes[call.type] };
    case 'delete': {
      const resourceVersion = call.ifRevision === undefined ? undefined : String(call.ifRevision);
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: call.ifUid, resourceVersion } };
      return { method: 'DELETE', path: pathOf(call.key), ...(call.ifUid || resourceVersion ? { body } : {}) };
    }
    case 'deletecollection':
      return { method: 'DELETE', path: collection(call.namespace) + query(selectionQuery(call.color)) };
    case 'get':
      return { method: 'GET', path: pathOf(call.key) + query({ resourceVersion: call.version }) };
    case 'list': {
      const { namespace, color, limit, version, match } = call;
      const from = token ? { continue: token } : { resourceVersion: version, resourceVersionMatch: match };
      return { method: 'GET', path: collection(namespace) + query({ ...selectionQuery(color), limit, ...from }) };
    }
  }
}

function patchOf({ type, value, ifRevision, ifValue }: Extract<Call, { verb: 'patch' }>): unknown {
  if (type !== 'json')
    return { data: { v: value }, ...(ifRevision === undefined ? {} : { metadata: { resourceVersion: String(ifRevision) } }) };
  return [
    { op: 'test', path: '/data/v', value: ifValue },
    { op: 'replace', path: '/data/v', value },
  ];
}

/** A ConfigMap of the run; undefined for others. */
export function stateOf(object: Json): { key: string; state: ObjectState } | undefined {
  const { metadata, data } = object as unknown as ConfigMapJson;
  if (!namespaces.some((namespace) => namespace === metadata.namespace)) return undefined;
  const { resourceVersion, uid, labels } = metadata;
  const state = { revision: Number(resourceVersion), uid, value: data?.v ?? '', color: labels?.color ?? '' };
  return { key: `${metadata.namespace}/${metadata.name}`, state };
}

type Answer = Pick<Operation, 'state' | 'uid' | 'deleted' | 'list'>;

/** What an answer of success says. */
export function answerOf(call: Call, body: Json): Answer & { token?: string } {
  if (call.verb === 'delete') return { uid: (body.details as { uid: string }).uid };
  if (call.verb !== 'list' && call.verb !== 'deletecollection') {
    const found = stateOf(body);
    return found ? { state: found.state } : {};
  }
  const items = ((body.items as Json[] | null) ?? []).flatMap((item) => stateOf(item) ?? []);
  if (call.verb === 'deletecollection') return { deleted: items.map(({ key, state }) => ({ key, uid: state.uid })) };
  const { resourceVersion, continue: token, remainingItemCount } = body.metadata as Record<string, string | number | undefined>;
  const list: ListAnswer = {
    revision: Number(resourceVersion),
    items,
    more: Boolean(token),
    // Of all namespaces it counts others' objects, too.
    ...(remainingItemCount === undefined || !call.namespace ? {} : { remaining: Number(remainingItemCount) }),
  };
  return { list, ...(token ? { token: String(token) } : {}) };
}
