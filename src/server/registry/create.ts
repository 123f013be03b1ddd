import { deepCopy, errors, FieldErrors, hasReason, type KubeObject, StatusError } from '../../api/index.ts';
import { RequestTooLargeError } from '../../store/index.ts';
import { timestamp } from '../../time/index.ts';
import type { Answer, Item, RequestContext } from '../exchange.ts';
import { attributesOf, demand } from '../pipeline/authorize.ts';
import type { AdmissionRequest } from '../request.ts';
import { decodeObject } from './codec.ts';
import { trackUpdate } from './field-ownership.ts';
import { generateName, newUid } from './identity.ts';
import { dedupOwnerReferences } from './owner-references.ts';
import { readDocument } from './read-body.ts';
import { admissionRequest, admitMutating, admitValidating, beginWrite, type Registry } from './registry.ts';
import { type ServedResource, storageOf } from './served-resource.ts';
import { prepareForCreate, strategyContext, validateCreate, warnings } from './strategy.ts';
import { type WriteOptions, writeOptions } from './write-options.ts';

/** With generateName, a taken name is another draw, as often as upstream tries. */
const nameAttempts = 8;

export const otherNamespace = () =>
  errors.badRequest('the namespace of the provided object does not match the namespace sent on the request');

/** Sets an object's namespace to the request's, or refuses it when they differ. */
export function matchNamespace(object: KubeObject, namespace: string): void {
  const { metadata } = object;
  if ((metadata.namespace ?? '') === namespace) return;
  if (!metadata.namespace) metadata.namespace = namespace;
  else if (namespace === '') delete metadata.namespace;
  else throw otherNamespace();
}

/** Of an object that a path names: it has to have that name. */
export function checkName(wanted: string, name: string | undefined): void {
  if (!name) throw errors.badRequest(`the name of the object (${wanted} based on URL) was undeterminable: name must be provided`);
  if (name !== wanted) throw errors.badRequest(`the name of the object (${name}) does not match the name on the URL (${wanted})`);
}

/** POST on a collection. */
export async function create(registry: Registry, context: RequestContext, served: ServedResource): Promise<Answer> {
  const options = writeOptions(context, 'CreateOptions');
  if (served.warning !== undefined) context.warn(served.warning);
  const document = await readDocument(context, served.resource.kind);
  context.milestone?.('About to convert to expected version');
  const object = await decodeObject(context, document, served, options.fieldValidation);
  context.milestone?.('Conversion done');
  if (served.resource.namespaced && context.info.namespace === '') throw otherNamespace();
  matchNamespace(object, served.resource.namespaced ? context.info.namespace : '');
  context.milestone?.('About to store object in database');
  const item = await createObject(registry, context, served, object, options);
  context.milestone?.('Write to database call succeeded', { len: context.bodyBytes ?? 0 });
  return { type: 'object', status: 201, item, resource: served };
}

/** Admits, completes, validates and stores a decoded object, which must be private to the caller. */
export async function createObject(
  registry: Registry,
  context: RequestContext,
  served: ServedResource,
  object: KubeObject,
  options: WriteOptions,
  /** Server-side apply keeps managedFields itself. */
  { ownFields = false } = {},
): Promise<Item> {
  const { metadata } = object;
  // Who creates by PUT or apply may have thought of another object.
  if (/^0*[1-9]\d*$/.test(metadata.resourceVersion ?? '') && context.info.verb === 'create' && !options.dryRun)
    throw new StatusError(500, '', 'resourceVersion should not be set on objects to be created');
  delete (metadata as Partial<typeof metadata>).resourceVersion;
  // Nobody comes to own what only the server sets.
  if (context.info.verb === 'create') {
    delete metadata.deletionTimestamp;
    delete metadata.deletionGracePeriodSeconds;
  }
  // It gets these when admission has made what it will of it.
  delete (metadata as Partial<typeof metadata>).uid;
  delete (metadata as Partial<typeof metadata>).creationTimestamp;
  if (context.info.verb !== 'patch') dedupOwnerReferences(context, object, { admitted: false });
  const writer = { manager: options.fieldManager, served, subresource: '', now: timestamp(registry.clock) };
  const tracking = ownFields ? object : trackUpdate(registry.table, undefined, object, writer);
  const tracked = tracking instanceof Promise ? await tracking : tracking;
  const admission = admissionRequest(context, served.resource, 'CREATE', {
    name: tracked.metadata.name ?? '',
    object: tracked,
    oldObject: undefined,
    options: options.asked,
    dryRun: options.dryRun,
  });
  const admitted = admitMutating(registry, admission);
  if (admitted !== undefined) await admitted;
  dedupOwnerReferences(context, tracked, { admitted: true });
  const write = { admission, dryRun: options.dryRun, ownFields };
  const generated = !tracked.metadata.name && Boolean(tracked.metadata.generateName);
  if (!generated) return prepareAndStore(registry, context, served, tracked, write);
  for (let attempt = 1; ; attempt++) {
    try {
      // What the kind derives from the name, it derives from each new one.
      const named = deepCopy(tracked);
      named.metadata.name = generateName(named.metadata.generateName ?? '', registry.random);
      return await prepareAndStore(registry, context, served, named, write);
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists') || attempt === nameAttempts) throw error;
    }
  }
}

/** From what admission has made of the object to what is stored. */
async function prepareAndStore(
  registry: Registry,
  context: RequestContext,
  served: ServedResource,
  object: KubeObject,
  { admission, dryRun, ownFields }: { admission: AdmissionRequest; dryRun: boolean; ownFields: boolean },
): Promise<Item> {
  const { kind } = served;
  object.metadata.uid = newUid(registry.random);
  object.metadata.creationTimestamp = timestamp(registry.clock);
  prepareForCreate(kind, object, strategyContext(registry, context));
  const problems = new FieldErrors(registry.isEnabled);
  const begun = beginWrite(registry, kind.resource, { next: object, prev: undefined, dryRun, problems });
  const finish = begun instanceof Promise ? await begun : begun;
  let stored = false;
  try {
    const converted = served.version?.prepare?.([object], 'served');
    if (converted !== undefined) await converted;
    validateCreate(kind, object, problems);
    warnings(kind, context, object);
    if (context.info.verb !== 'create') await demand({ ...attributesOf(context), verb: 'create' }, registry.authorizer);
    const validated = admitValidating(registry, { ...admission, name: object.metadata.name, object });
    if (validated !== undefined) await validated;
    const item = dryRun ? await notTaken(served, object) : await store(served, object, ownFields);
    stored = !dryRun;
    return item;
  } finally {
    finish?.(stored);
  }
}

/** Who owns what is left out where it makes the object larger than the store takes. */
async function store(served: ServedResource, object: KubeObject, ownFields: boolean): Promise<Item> {
  const storage = storageOf(served);
  try {
    return await storage.create(object);
  } catch (error) {
    if (hasReason(error, 'AlreadyExists'))
      throw taken(served, object, await storage.get(object.metadata.namespace ?? '', object.metadata.name));
    if (!(error instanceof RequestTooLargeError) || ownFields) throw error;
  }
  const { managedFields: _managedFields, ...metadata } = object.metadata;
  return storage.create({ ...object, metadata });
}

/** What a dry run answers in place of storing. */
async function notTaken(served: ServedResource, object: KubeObject): Promise<Item> {
  const { namespace = '', name } = object.metadata;
  const there = await storageOf(served).get(namespace, name);
  if (there !== undefined) throw taken(served, object, there);
  return { object: served.kind.custom?.complete(object) ?? object };
}

/** The name is: there may be others, and it may soon be free. */
function taken({ resource }: ServedResource, { metadata }: KubeObject, there: Item | undefined): StatusError {
  const { name, generateName: base } = metadata;
  const { status } = base ? errors.generateNameConflict(resource, name) : errors.alreadyExists(resource, name);
  const dying = there?.object.metadata.deletionTimestamp !== undefined;
  return StatusError.from(dying ? { ...status, message: `object is being deleted: ${status.message}` } : status);
}
