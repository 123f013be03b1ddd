import { errors, goQuote, isPathSegmentName, parseFieldSelector } from '../api/index.ts';
import type { RequestInfo } from './request.ts';

/** Subresources of a namespace; any other third step below /namespaces/NAME is a resource in it. */
const namespaceSubresources = new Set(['status', 'finalize']);

const verbOfMethod: Record<string, string> = { POST: 'create', GET: 'get', HEAD: 'get', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/** A path as Go's net/url decodes it, before anything is divided by slashes; what is no encoding stays as it was sent, and names nothing. */
function decoded(path: string): string {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** The segments of a path. */
function split(path: string): string[] {
  let begin = 0;
  let end = path.length;
  while (begin < end && path[begin] === '/') begin++;
  while (end > begin && path[end - 1] === '/') end--;
  if (begin === end) return [];
  return path.slice(begin, end).split('/');
}

/** `watch=true`, `watch=1`, and, as upstream's query decoding has it, a bare `watch`: anything but `0` and `false`, in any case. */
export function queryBoolean(query: URLSearchParams, name: string): boolean {
  const value = query.get(name)?.toLowerCase();
  return value !== undefined && value !== 'false' && value !== '0';
}

/** A 64-bit parameter. Throws 400 in Go's words for what is none, an empty one too. */
export function queryInteger(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const isNumber = /^[+-]?\d+$/.test(text);
  if (isNumber && BigInt.asIntN(64, BigInt(text)) === BigInt(text)) return Number(text);
  throw errors.badRequest(`strconv.ParseInt: parsing ${goQuote(text)}: ${isNumber ? 'value out of range' : 'invalid syntax'}`);
}

/** What path and method ask for (k8s.io/apiserver's RequestInfoFactory). */
export function parseRequestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const info: RequestInfo = {
    isResourceRequest: false,
    path,
    verb: method.toLowerCase(),
    apiPrefix: '',
    apiGroup: '',
    apiVersion: '',
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
    parts: [],
  };
  let parts = split(decoded(path));
  const prefix = parts[0];
  if (parts.length < 3 || (prefix !== 'api' && prefix !== 'apis')) return info;
  info.apiPrefix = prefix;
  parts = parts.slice(1);
  if (prefix === 'apis') {
    if (parts.length < 3) return info;
    info.apiGroup = parts[0] ?? '';
    parts = parts.slice(1);
  }
  info.isResourceRequest = true;
  info.apiVersion = parts[0] ?? '';
  parts = parts.slice(1);
  if (parts[0] === 'watch' || parts[0] === 'proxy') {
    info.verb = parts[0];
    info.verbInPath = true;
    parts = parts.slice(1);
    // Of what, the path doesn't say: the filters refuse it.
    if (parts.length === 0) return info;
  } else info.verb = verbOfMethod[method] ?? '';
  if (parts[0] === 'namespaces' && parts.length > 1) {
    info.namespace = parts[1] ?? '';
    if (parts.length > 2 && !namespaceSubresources.has(parts[2] ?? '')) parts = parts.slice(2);
  }
  info.parts = parts;
  info.resource = parts[0] ?? '';
  info.name = parts[1] ?? '';
  if (info.verb !== 'proxy') info.subresource = parts[2] ?? '';
  if (info.name === '') nameless(info, query);
  return info;
}

/** A get without a name is a list or a watch, a delete without a name deletes a collection. */
function nameless(info: RequestInfo, query: URLSearchParams): void {
  if (info.verb === 'delete') info.verb = 'deletecollection';
  if (info.verb !== 'get') return;
  info.verb = queryBoolean(query, 'watch') ? 'watch' : 'list';
  const selector = query.get('fieldSelector');
  if (selector?.includes('metadata.name=') !== true) return;
  // So that a rule with resourceNames allows to list or watch one object by its name.
  try {
    const name = parseFieldSelector(selector).exactly('metadata.name');
    if (name && isPathSegmentName(name).length === 0) info.name = name;
  } catch {
    // An unreadable selector names nothing here; the handler answers 400 for it.
  }
}

const longRunningSubresources = new Set(['attach', 'exec', 'log', 'portforward', 'proxy']);

/** Requests that live as long as the client likes: no timeout, not counted among those in flight. */
export function isLongRunning(info: RequestInfo): boolean {
  if (!info.isResourceRequest) return false;
  return info.verb === 'watch' || info.verb === 'proxy' || longRunningSubresources.has(info.subresource);
}
