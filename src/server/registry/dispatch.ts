/** From request info to the verb's function. */
import { errors, isPathSegmentName, kindNode, removedRelease, type ServedVersion, StatusError } from '../../api/index.ts';
import type { Answer, AnswerEvent, Item, RequestContext } from '../exchange.ts';
import { checkProduced, negotiate, producedTypes } from '../representation/accept.ts';
import { create } from './create.ts';
import { remove } from './delete.ts';
import { deleteCollection } from './delete-collection.ts';
import { patch } from './patch.ts';
import { get, list } from './read.ts';
import type { Registry } from './registry.ts';
import { handlerCall, type SubresourceHandler } from './resource-handler.ts';
import { scale } from './scale.ts';
import type { ServedResource } from './served-resource.ts';
import { isScale, subresourceOf, subresourceStrategy } from './strategy.ts';
import { update } from './update.ts';
import { watch } from './watch.ts';

/** Every verb of the generic registry, as discovery lists them. */
export const genericVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const;

/** Of a path that nothing is served at. */
export const notFoundMessage = 'the server could not find the requested resource';
export const notFound = () => new StatusError(404, 'NotFound', notFoundMessage, {});
/** Of a path that something may be served at once more kinds are known. */
export const notKnownYet = () =>
  new StatusError(
    503,
    'ServiceUnavailable',
    'the request has been made before all known HTTP paths have been installed, please try again',
    { retryAfterSeconds: 5 },
  );
export const notAllowed = () =>
  new StatusError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});

/** Those that have paths of single objects. */
const verbsOfNamed: ReadonlySet<string> = new Set(['get', 'update', 'patch', 'delete']);

const none: readonly SubresourceHandler[] = [];

export type Dispatch = (context: RequestContext) => Promise<Answer>;

export function createDispatch(registry: Registry, handlers: readonly SubresourceHandler[]): Dispatch {
  /** By the plural of what they handle; more may come while the server is put together. */
  let byPlural = Map.groupBy(handlers, (h) => h.resource);
  let sorted = handlers.length;
  const custom = ({ resource }: ServedResource, subresource: string): readonly SubresourceHandler[] => {
    if (sorted !== handlers.length) {
      byPlural = Map.groupBy(handlers, (h) => h.resource);
      sorted = handlers.length;
    }
    const ofPlural = byPlural.get(resource.plural);
    if (ofPlural === undefined) return none;
    return ofPlural.filter(
      (h) => h.group === resource.group && h.subresource === subresource && (h.version === undefined || h.version === resource.version),
    );
  };
  const answerOf = (context: RequestContext): Answer | Promise<Answer> => {
    const { info } = context;
    const served = registry.table.find(info.apiGroup, info.apiVersion, info.resource);
    const isPath = !context.path.startsWith('//');
    if (served === undefined || !isPath || !fitsScope(context, served)) {
      context.isRouted = isPath && registry.table.isBuiltIn(info.apiGroup);
      throw notFound();
    }
    if (served.warning !== undefined) noteDeprecation(context, served);
    const wrong = info.parts.length > 1 ? isPathSegmentName(info.name) : [];
    if (wrong.length > 0) throw errors.badRequest(`Name parameter invalid: ${JSON.stringify(info.name)}: ${wrong.join(';')}`);
    const own = custom(served, info.subresource);
    const handler = own.find((h) => h.verbs.includes(info.verb) || (h.takesOptions && context.method === 'OPTIONS'));
    if (handler?.isStream !== true) {
      if (served.custom === undefined && !context.local) checkRoute(context);
      checkAcceptable(context, served);
    }
    // Only what is proxied to has paths of its own.
    if (info.parts.length > 3 && info.subresource !== 'proxy') {
      context.isRouted = true;
      throw notFound();
    }
    if (handler !== undefined) return handler.handle(handlerCall(registry, context, served));
    if (info.subresource !== '') {
      const answer = subresource(registry, context, served);
      if (answer !== undefined) return answer;
      if (own.length > 0) throw notAllowed();
      if (served.custom !== undefined) throw errors.notFound(served.resource, info.name);
      context.isRouted = true;
      throw notFound();
    }
    return wholeObject(registry, context, served);
  };
  return async (context) => {
    const answer = await answerOf(context);
    if (answer.type !== 'object' && answer.type !== 'list' && answer.type !== 'watch') return answer;
    const version = answer.resource?.version;
    return version?.prepare === undefined ? answer : prepared(answer, version);
  };
}

/** What a built-in kind's route refuses by itself, in the words of upstream's router; custom resources have none. */
function checkRoute({ accept, cbor, info, method }: RequestContext): void {
  if (method === 'HEAD') throw notAllowed();
  if (accept === '' || accept === 'application/json' || accept === 'application/vnd.kubernetes.protobuf') return;
  checkProduced(accept, producedTypes({ cbor: cbor === true }, method === 'GET' && info.parts.length === 1));
}

/** Nothing is done for a client that takes no form of the answer. */
function checkAcceptable({ accept, cbor, info }: RequestContext, { resource }: ServedResource): void {
  negotiate(accept, {
    // Looked up only for those who ask for it.
    get protobuf() {
      return kindNode(resource) !== undefined;
    },
    cbor: cbor === true,
    stream: info.verb === 'watch',
  });
}

/** For metrics and the audit log: versions that are to go, or have gone upstream. */
function noteDeprecation(context: RequestContext, { resource }: ServedResource): void {
  const release = removedRelease(resource) ?? '';
  context.deprecation = { removedRelease: release };
  context.auditAnnotation('k8s.io/deprecated', 'true');
  if (release !== '') context.auditAnnotation('k8s.io/removed-release', release);
}

/** What answers are shown in, converted where that takes its time. */
async function prepared(answer: Answer & { type: 'object' | 'list' | 'watch' }, version: ServedVersion): Promise<Answer> {
  if (answer.type === 'watch') return { ...answer, events: preparedEvents(answer.events, version) };
  // What has a resource is objects of it.
  const items = answer.type === 'list' ? answer.items : [answer.item as Item];
  await version.prepare?.(
    items.map((item) => item.object),
    'served',
  );
  return answer;
}

async function* preparedEvents(
  events: AsyncIterable<readonly AnswerEvent[]>,
  version: ServedVersion,
): AsyncIterable<readonly AnswerEvent[]> {
  for await (const batch of events) {
    // Of what is neither, the item is an object of the resource.
    const objects = batch.flatMap(({ type, item }) => (type === 'ERROR' || type === 'BOOKMARK' ? [] : [(item as Item).object]));
    if (objects.length > 0) await version.prepare?.(objects, 'served');
    yield batch;
  }
}

/**
 * Namespaced objects live below /namespaces/NS, except that collections can be read over all namespaces. Where only that can be
 * done, other verbs are not allowed; custom resources have no route for them.
 */
function fitsScope({ info, path }: RequestContext, { resource, custom, kind }: ServedResource): boolean {
  if (resource.namespaced && custom !== undefined) return info.namespace !== '' || info.verb === 'list' || info.verb === 'watch';
  if (resource.namespaced && info.namespace === '' && kind.verbs !== undefined && !kind.verbs.includes('list')) return false;
  if (resource.namespaced) return info.namespace !== '' || (info.verb !== 'get' && (info.parts.length === 1 || info.verb === 'watch'));
  return info.namespace === '' || info.resource === 'namespaces' || !path.includes('/namespaces/');
}

function wholeObject(registry: Registry, context: RequestContext, served: ServedResource): Answer | Promise<Answer> {
  const { info } = context;
  const { kind } = served;
  const named = info.parts.length > 1;
  // Paths that there were once.
  if (info.verb === 'proxy') {
    context.isRouted = true;
    throw notFound();
  }
  if (info.verb === '') throw notAllowed();
  if (served.storage === undefined || (kind.verbs !== undefined && !kind.verbs.includes(info.verb))) {
    if (!named || kind.verbs?.some((verb) => verbsOfNamed.has(verb))) throw notAllowed();
    // What can only be created has no paths of single objects.
    context.isRouted = true;
    throw notFound();
  }
  const scopeless = served.resource.namespaced && info.namespace === '';
  switch (info.verb) {
    case 'get':
      return get(context, served);
    case 'list':
      return list(registry, context, served);
    case 'watch':
      // The old /watch/ paths say so, whatever the method.
      if (context.method !== 'GET' && context.method !== 'HEAD') throw notAllowed();
      return watch(registry, context, served);
    case 'create':
      if (named || scopeless) throw notAllowed();
      return create(registry, context, served);
    case 'update':
      if (!named) throw notAllowed();
      return update(registry, context, served);
    case 'patch':
      if (!named) throw notAllowed();
      return patch(registry, context, served);
    case 'delete':
      return remove(registry, context, served);
    case 'deletecollection':
      if (scopeless) throw notAllowed();
      return deleteCollection(registry, context, served);
    default:
      throw notAllowed();
  }
}

function subresource(registry: Registry, context: RequestContext, served: ServedResource): Promise<Answer> | undefined {
  const { info } = context;
  const given = subresourceOf(served.kind, info.subresource);
  if (isScale(given)) {
    // Of custom resources it is told what they do not support.
    if (served.custom === undefined && !['get', 'update', 'patch'].includes(info.verb)) throw notAllowed();
    return scale(registry, context, served, given);
  }
  const strategy = subresourceStrategy(served.kind, info.subresource);
  if (strategy === undefined) return undefined;
  if (strategy.verbs !== undefined && !strategy.verbs.includes(info.verb)) throw notAllowed();
  if (info.verb === 'get') return get(context, served);
  if (info.verb === 'update') return update(registry, context, served);
  if (info.verb === 'patch') return patch(registry, context, served);
  throw notAllowed();
}
