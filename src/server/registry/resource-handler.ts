/** Endpoints of a resource that the generic registry does not know: binding, eviction, token, log, reviews, ... */
import { deepCopy, errors, type KubeObject, type Resource } from '../../api/index.ts';
import type { Answer, Item, RequestContext } from '../exchange.ts';
import type { AdmissionOperation } from '../request.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import { applyDefaults, decodeDocument } from './codec.ts';
import { matchNamespace } from './create.ts';
import { readDocument } from './read-body.ts';
import { admissionRequest, admitMutating, admitValidating, type Registry } from './registry.ts';
import { type ServedResource, storageOf } from './served-resource.ts';
import { type WriteOptions, writeOptions } from './write-options.ts';

/** What a custom handler is given, beside the request. */
export interface HandlerCall {
  readonly context: RequestContext;
  readonly registry: Registry;
  /** The resource that the path names. */
  readonly served: ServedResource;
  readonly storage: ResourceStorage;
  readonly options: WriteOptions;
  /** The object that the path names. Throws NotFound. */
  object(): Promise<Item>;
  /** The body as an object of another kind, decoded and defaulted by the table, private to the caller. */
  body<T extends KubeObject>(resource: Resource<T>): Promise<T>;
  /** Sends what is written through admission: mutating plugins, then validating ones. */
  admit(operation: AdmissionOperation, kind: Resource, object: KubeObject | undefined, oldObject?: KubeObject): Promise<void>;
}

export interface SubresourceHandler {
  group: string;
  /** Only in this version; default: in every served one. */
  version?: string;
  /** Plural. */
  resource: string;
  /** `binding`; empty for the resource itself, whose verbs the handler then takes over (reviews). */
  subresource: string;
  verbs: readonly string[];
  /** Answers bytes of its own (logs, connections), whatever the client's Accept header says. */
  isStream?: boolean;
  /** OPTIONS, which is no verb, is its business too. */
  takesOptions?: boolean;
  /** The kind it speaks, for discovery; default: the resource's own. */
  kind?: { group: string; version: string; kind: string };
  handle(call: HandlerCall): Promise<Answer>;
}

export function handlerCall(registry: Registry, context: RequestContext, served: ServedResource): HandlerCall {
  const { info } = context;
  const optionsKind = context.method === 'POST' ? 'CreateOptions' : context.method === 'PATCH' ? 'PatchOptions' : 'UpdateOptions';
  let options: WriteOptions | undefined;
  const call: HandlerCall = {
    context,
    registry,
    served,
    get storage() {
      return storageOf(served);
    },
    get options() {
      options ??= writeOptions(context, optionsKind);
      return options;
    },
    async object() {
      const item = await storageOf(served).get(info.namespace, info.name);
      if (item === undefined) throw errors.notFound(served.resource, info.name);
      return item;
    },
    async body<T extends KubeObject>(resource: Resource<T>) {
      const document = await readDocument(context, resource.kind);
      const object = decodeDocument(context, document, resource, call.options.fieldValidation);
      applyDefaults(resource, object);
      // A rollback is no object: it has a name and no metadata.
      if ('metadata' in object) matchNamespace(object, info.namespace);
      context.audit?.request(object.metadata, () => deepCopy(object));
      return object as T; // decoded by T's own row of the table
    },
    async admit(operation, kind, object, oldObject) {
      const request = admissionRequest(context, kind, operation, {
        // A review's name is the object's own, and it may have none.
        name: info.name || object?.metadata?.name || '',
        object,
        oldObject,
        options: operation === 'CONNECT' ? {} : call.options.asked,
        dryRun: operation === 'CONNECT' ? false : call.options.dryRun,
      });
      await admitMutating(registry, request);
      await admitValidating(registry, request);
    },
  };
  return call;
}
