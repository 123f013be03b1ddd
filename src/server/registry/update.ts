import {
  deepCopy,
  dropDisabledFields,
  errors,
  FieldErrors,
  hasReason,
  type KubeObject,
  type Resource,
  shareUnchanged,
  unlessOnlyTimes,
} from '../../api/index.ts';
import { RequestTooLargeError } from '../../store/index.ts';
import { timestamp } from '../../time/index.ts';
import type { Answer, Item, RequestContext } from '../exchange.ts';
import type { FinishWrite } from '../request.ts';
import type { Cached, Preconditions } from '../storage/storage.ts';
import { invalidObject, preconditionFailed } from '../storage/storage-error.ts';
import { parseUint } from '../storage/versions.ts';
import { decodeObject } from './codec.ts';
import { checkName, createObject, matchNamespace } from './create.ts';
import { trackUpdate } from './field-ownership.ts';
import { dedupOwnerReferences } from './owner-references.ts';
import { readDocument } from './read-body.ts';
import { admissionRequest, admitMutating, admitValidating, beginWrite, type Registry } from './registry.ts';
import { checkConvertible, convertToStored, type ServedResource, storageOf } from './served-resource.ts';
import { prepareForSubresource, prepareForUpdate, strategyContext, subresourceStrategy, validateUpdate, warnings } from './strategy.ts';
import { type WriteOptions, writeOptions } from './write-options.ts';

/** An update by whichever verb: what the next object is, given the present one. */
export interface Change {
  options: WriteOptions;
  preconditions: Preconditions;
  /** A private object in the storage version; its metadata.resourceVersion, where set, must be the present one. */
  next(current: KubeObject): KubeObject | Promise<KubeObject>;
  /** Server-side apply keeps managedFields itself. */
  ownFields?: boolean;
  /** Who owns what is left out: it makes the object larger than the store takes. */
  dropsFields?: boolean;
  /** What admission is shown in the object's place: a subresource's own kind. */
  shown?: ShownObject;
}

export interface ShownObject {
  readonly kind: Resource;
  of(object: KubeObject): KubeObject;
  /** Takes what admission has made of what it was shown. */
  take(shown: KubeObject, into: KubeObject): void;
}

/** PUT on an object or on a subresource that writes part of it. */
export async function update(registry: Registry, context: RequestContext, served: ServedResource): Promise<Answer> {
  const { info } = context;
  const options = writeOptions(context, 'UpdateOptions');
  if (served.warning !== undefined) context.warn(served.warning);
  const document = await readDocument(context, served.resource.kind);
  context.milestone?.('About to convert to expected version');
  const object = await decodeObject(context, document, served, options.fieldValidation);
  context.milestone?.('Conversion done');
  matchNamespace(object, served.resource.namespaced ? info.namespace : '');
  checkName(info.name, object.metadata.name);
  const change: Change = {
    options,
    preconditions: object.metadata.uid ? { uid: object.metadata.uid, ofUpdate: true } : {},
    next: () => deepCopy(object),
  };
  context.milestone?.('About to store object in database');
  const creates = served.kind.allowCreateOnUpdate && info.subresource === '';
  const answer: Answer = creates
    ? await updateOrCreate(registry, context, served, change, object)
    : { type: 'object', status: 200, item: await changeObject(registry, context, served, change), resource: served };
  context.milestone?.('Write to database call succeeded', { len: context.bodyBytes ?? 0 });
  return answer;
}

/** For the kinds whose PUT creates what is missing; a race between the two is run again. */
export async function updateOrCreate(
  registry: Registry,
  context: RequestContext,
  served: ServedResource,
  change: Change,
  object: KubeObject,
): Promise<Answer> {
  for (;;) {
    try {
      return { type: 'object', status: 200, item: await changeObject(registry, context, served, change), resource: served };
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw error;
    }
    try {
      const item = await createObject(registry, context, served, deepCopy(object), change.options);
      return { type: 'object', status: 201, item, resource: served };
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
    }
  }
}

/** What an attempt to write has begun and come to. */
interface Attempt {
  finish: FinishWrite | undefined;
  /** What the object was in the end, if it goes now. */
  last: KubeObject | undefined;
}

/**
 * The one way by which an existing object changes: admission, strategy, validation, and a write that is skipped when nothing
 * changed. An object that is being deleted goes with its last finalizer.
 */
export async function changeObject(registry: Registry, context: RequestContext, served: ServedResource, change: Change): Promise<Item> {
  const attempt: Attempt = { finish: undefined, last: undefined };
  const step = (current: Cached) => {
    // A lost race begins anew, from a fresh read.
    attempt.finish?.(false);
    attempt.finish = undefined;
    attempt.last = undefined;
    return nextState(registry, context, served, change, current, attempt);
  };
  try {
    const item = await write(context, served, change, step);
    attempt.finish?.(!change.options.dryRun);
    // Whoever removes the last finalizer is told what it has made of the object, though that is gone by then.
    return attempt.last === undefined ? item : { object: attempt.last };
  } catch (error) {
    attempt.finish?.(false);
    if (!(error instanceof RequestTooLargeError) || change.ownFields || change.dropsFields) throw error;
  }
  return changeObject(registry, context, served, { ...change, dropsFields: true });
}

async function write(
  context: RequestContext,
  served: ServedResource,
  change: Change,
  step: (current: Cached) => Promise<KubeObject | undefined>,
): Promise<Item> {
  const { info } = context;
  const storage = storageOf(served);
  if (!change.options.dryRun) return storage.update(info.namespace, info.name, change.preconditions, step);
  const current = await storage.get(info.namespace, info.name);
  const { uid, ofUpdate } = change.preconditions;
  if (current === undefined && (!ofUpdate || uid === undefined)) throw errors.notFound(served.resource, info.name);
  const found = current?.object.metadata.uid ?? '';
  if (current === undefined || (uid !== undefined && uid !== found)) {
    const place = served.resource.namespaced ? [info.namespace, info.name] : [info.name];
    const key = ['', served.kind.storagePrefix ?? served.resource.plural, ...place].join('/');
    throw invalidObject(served.resource, info.name, key, preconditionFailed('UID', uid, found));
  }
  const next = await step(current);
  if (next === undefined || next === current.object) return current;
  const written = { ...next, metadata: { ...next.metadata, resourceVersion: String(current.revision) } };
  return { object: served.kind.custom?.complete(written) ?? written };
}

/** The object as it is to be written; undefined if it goes. */
async function nextState(
  registry: Registry,
  context: RequestContext,
  served: ServedResource,
  change: Change,
  current: Cached,
  attempt: Attempt,
): Promise<KubeObject | undefined> {
  const { kind } = served;
  const { info } = context;
  const stored = convertToStored(served, current.object);
  const prev = stored instanceof Promise ? await stored : stored;
  if (info.verb === 'patch') context.milestone?.('About to apply patch');
  const changed = change.next(prev);
  let next = changed instanceof Promise ? await changed : changed;
  checkVersion(served, next, current);
  // Strategies and validation compare metadata with the object's present version.
  next.metadata.resourceVersion = String(current.revision);
  // Of what is there twice nobody could tell who owns its parts.
  if (info.verb === 'update') dedupOwnerReferences(context, next, { admitted: false });
  if (change.dropsFields) delete next.metadata.managedFields;
  else if (!change.ownFields) {
    // Of what the client has sent: what admission and strategies make of it is nobody's.
    const { fieldManager: manager } = change.options;
    const tracked = trackUpdate(registry.table, prev, next, {
      manager,
      served,
      subresource: info.subresource,
      now: timestamp(registry.clock),
    });
    next = tracked instanceof Promise ? await tracked : tracked;
  }
  const { shown } = change;
  const admission = admissionRequest(context, shown?.kind ?? served.resource, 'UPDATE', {
    name: info.name,
    object: shown?.of(next) ?? next,
    oldObject: shown?.of(prev) ?? prev,
    options: change.options.asked,
    dryRun: change.options.dryRun,
  });
  if (info.verb === 'patch') context.milestone?.('About to check admission control');
  const admitted = admitMutating(registry, admission);
  if (admitted !== undefined) await admitted;
  if (admission.object !== undefined) shown?.take(admission.object, next);
  dedupOwnerReferences(context, next, { admitted: true });
  const problems = new FieldErrors(registry.isEnabled);
  const strategy = info.subresource === '' ? undefined : subresourceStrategy(kind, info.subresource);
  if (strategy === undefined) prepareForUpdate(kind, next, prev, strategyContext(registry, context));
  else {
    if (registry.isEnabled) dropDisabledFields(kind.resource, next, prev, registry.isEnabled);
    prepareForSubresource(strategy, info.subresource, next, prev, strategyContext(registry, context));
  }
  const { dryRun } = change.options;
  const begun = beginWrite(registry, kind.resource, { next, prev, dryRun, problems }, strategy && info.subresource);
  attempt.finish = begun instanceof Promise ? await begun : begun;
  // What did not change is shared with the present object, so that validation may skip it and "nothing changed" is seen at once.
  const shared = unlessOnlyTimes(prev, shareUnchanged(prev, next));
  // What was converted is validated as it was sent, and known by what holds it.
  const isConverted = served.version?.prepare !== undefined;
  if (isConverted) await checkConvertible(served, [next, prev]);
  validateUpdate(kind, isConverted ? next : shared, prev, { strategy, problems });
  for (const warning of problems.warnings) context.warn(warning);
  if (strategy === undefined) warnings(kind, context, shared, prev);
  else for (const warning of strategy.warnings?.(shared, prev) ?? []) context.warn(warning);
  const validated = admitValidating(registry, { ...admission, object: shown?.of(shared) ?? shared });
  if (validated !== undefined) await validated;
  if (!deletable(kind.resource, shared, prev)) return shared;
  attempt.last = shared;
  return undefined;
}

/** A resourceVersion in the object makes the update conditional; kinds may demand one. */
function checkVersion(served: ServedResource, next: KubeObject, current: Cached): void {
  const given = parseUint(next.metadata.resourceVersion);
  if (given !== undefined && given !== 0) {
    if (given !== current.revision) throw errors.objectModified(served.resource, current.object.metadata.name);
    return;
  }
  if (served.kind.allowUnconditionalUpdate === false)
    // Upstream names the resource where the kind belongs.
    throw errors.invalid({ group: served.resource.group, kind: served.resource.plural }, current.object.metadata.name, [
      { type: 'FieldValueInvalid', field: 'metadata.resourceVersion', body: 'Invalid value: 0: must be specified for an update' },
    ]);
}

/** Whether an update that removes the last finalizer of a deleted object removes the object. */
function deletable(resource: { group: string; plural: string }, next: KubeObject, prev: KubeObject): boolean {
  if (prev.metadata.deletionTimestamp === undefined || (next.metadata.finalizers?.length ?? 0) > 0) return false;
  if ((prev.metadata.deletionGracePeriodSeconds ?? 0) !== 0) return false;
  if (resource.group !== '' || resource.plural !== 'namespaces') return true;
  // A namespace has finalizers of its own in its spec.
  const { spec } = next as KubeObject & { spec?: { finalizers?: string[] } };
  return (spec?.finalizers?.length ?? 0) === 0;
}
