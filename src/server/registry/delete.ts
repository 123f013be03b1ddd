import {
  DecodeError,
  type DeleteOptions,
  decodeValue,
  errors,
  hasReason,
  type KindDefinition,
  type KubeObject,
  kindNode,
  type Status,
} from '../../api/index.ts';
import type { Answer, Item, RequestContext } from '../exchange.ts';
import { attributesOf } from '../pipeline/authorize.ts';
import type { Cached, Preconditions } from '../storage/storage.ts';
import { preconditionFailed } from '../storage/storage-error.ts';
import { readDocument } from './read-body.ts';
import { admissionRequest, admitMutating, admitValidating, type Registry } from './registry.ts';
import { checkConvertible, type ServedResource, storageOf } from './served-resource.ts';
import { deleteOptionsOf } from './write-options.ts';

/** Where upstream's decoder of options was made: its messages say so. */
const optionsScheme = 'pkg/apis/meta/internalversion/scheme/register.go:27';
const orphanFinalizer = 'orphan';
/** RFC 3339 has no later time. */
const lastMs = Date.parse('9999-12-31T23:59:59Z');
const foregroundFinalizer = 'foregroundDeletion';

/** Options from the body where there is one, else from the query. */
export async function readDeleteOptions(registry: Registry, context: RequestContext): Promise<DeleteOptions> {
  const { value } = await readDocument(context, 'DeleteOptions');
  if (value === undefined || value === null) return deleteOptionsOf(registry, context, undefined);
  const node = kindNode({ group: '', version: 'v1', kind: 'DeleteOptions' });
  if (node === undefined) throw new Error('the schema table lacks DeleteOptions');
  // What is read here has a head (readDocument): an object, its kind and version text. Options may be of any group's version.
  const { kind = '', apiVersion = '' } = value as { kind?: string; apiVersion?: string };
  if (kind !== '' && kind !== 'DeleteOptions')
    throw errors.badRequest(
      `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion || 'meta.k8s.io/v1')} in scheme ${JSON.stringify(optionsScheme)}`,
    );
  try {
    context.audit?.request(undefined, () => value);
    // Decoded by its own type.
    return deleteOptionsOf(registry, context, decodeValue(node, value) as Record<string, unknown>);
  } catch (error) {
    if (error instanceof DecodeError) throw errors.badRequest(error.message);
    throw error;
  }
}

/** Warns where a deletion would leave behind what nobody has said should stay. */
export function warnOfOrphans(
  context: Pick<RequestContext, 'warn'>,
  { defaultPropagation, orphanWarning }: KindDefinition,
  { propagationPolicy, orphanDependents }: DeleteOptions,
): void {
  if (orphanWarning === undefined || defaultPropagation !== 'Orphan') return;
  if (propagationPolicy === undefined && orphanDependents === undefined) context.warn(orphanWarning);
}

/** DELETE of one object. */
export async function remove(registry: Registry, context: RequestContext, served: ServedResource): Promise<Answer> {
  const options = await readDeleteOptions(registry, context);
  if (context.bodyBytes) {
    context.milestone?.('Decoded delete options');
    context.milestone?.('Recorded the audit event');
  }
  if (served.warning !== undefined) context.warn(served.warning);
  warnOfOrphans(context, served.kind, options);
  const { info } = context;
  if (options.ignoreStoreReadErrorWithClusterBreakingPotential) return removeUnreadable(registry, context, served);
  const refusal = served.kind.undeletable?.(info.name);
  if (refusal !== undefined) throw errors.forbidden(served.resource, info.name, refusal);
  context.milestone?.('About to delete object from database');
  const { item, gone } = await deleteObject(registry, context, served, info.namespace, info.name, options);
  context.milestone?.('Object deleted from database');
  if (!gone) {
    const status = options.orphanDependents === false ? 202 : 200;
    return { type: 'object', status, item, resource: served };
  }
  if (served.kind.answersDeleted) return { type: 'object', status: 200, item, resource: served };
  return { type: 'object', status: 200, item: { object: deletedStatus(served, item.object) } };
}

/** DELETE of what nobody can read, for who may do that: its key goes, whatever else would have a say in it. */
async function removeUnreadable({ authorizer }: Registry, context: RequestContext, served: ServedResource): Promise<Answer> {
  const { info } = context;
  context.auditAnnotation('apiserver.k8s.io/unsafe-delete-ignore-read-error', '');
  const verb = 'unsafe-delete-ignore-read-errors';
  const { decision, reason, error } = await authorizer.authorize({ ...attributesOf(context), verb });
  if (decision !== 'allow') {
    const why = error
      ? `error while checking permission for ${JSON.stringify(verb)}, ${error.message}`
      : `not permitted to do ${JSON.stringify(verb)}, reason: ${reason}`;
    throw errors.forbidden(served.resource, info.name, why);
  }
  await storageOf(served).deleteUnreadable(info.namespace, info.name);
  const details = { name: info.name, kind: served.resource.kind };
  const status: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details, code: 200 };
  return { type: 'object', status: 200, item: { object: status } };
}

function deletedStatus({ resource }: ServedResource, object: KubeObject): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      name: object.metadata.name,
      ...(resource.group === '' ? {} : { group: resource.group }),
      kind: resource.plural,
      uid: object.metadata.uid,
    },
  };
}

/**
 * Deletes, or begins to: an object with a grace period or with finalizers is marked and goes later. `gone` says whether it is.
 * Options are not changed. `isAdmitted`: admission has been asked already, of what this is a part of.
 */
export async function deleteObject(
  registry: Registry,
  context: RequestContext,
  served: ServedResource,
  namespace: string,
  name: string,
  options: DeleteOptions,
  { isAdmitted = false } = {},
): Promise<{ item: Item; gone: boolean }> {
  const storage = storageOf(served);
  const dryRun = (options.dryRun?.length ?? 0) > 0;
  let gone = false;
  /** Whether it is only to be told that it ends now, before it does. */
  let ends = false;
  const admit = async (oldObject: KubeObject) => {
    const given = { name: context.info.name, object: undefined, oldObject, options, dryRun };
    // Of a collection, admission is told no name: it is not what the client has asked for.
    const admission = { ...admissionRequest(context, served.resource, 'DELETE', given), namespace };
    await admitMutating(registry, admission);
    await admitValidating(registry, admission);
  };
  const step = async (current: Cached) => {
    checkPreconditions(served, current.object, options.preconditions ?? {});
    await checkConvertible(served, [current.object]);
    if (!isAdmitted) await admit(current.object);
    const { stays, last } = afterDelete(served.kind, current.object, options, registry.clock.now());
    gone = stays === undefined;
    ends = last !== undefined;
    return stays ?? last;
  };
  if (dryRun) {
    const current = await storage.get(namespace, name);
    if (current === undefined) throw errors.notFound(served.resource, name);
    const next = await step(current);
    return { item: next === undefined ? current : { object: next }, gone };
  }
  const item = await storage.update(namespace, name, {}, step);
  if (!ends) return { item, gone };
  try {
    return { item: await storage.delete(namespace, name, { uid: item.object.metadata.uid }), gone };
  } catch (error) {
    // Its node may have been quicker.
    if (!hasReason(error, 'NotFound')) throw error;
    return { item, gone };
  }
}

/** Refuses in upstream's words: most kinds' are those of rest.BeforeDelete, two have their own. */
function checkPreconditions({ kind, resource }: ServedResource, { metadata }: KubeObject, conditions: Preconditions): void {
  const { name, uid = '', resourceVersion = '' } = metadata;
  const has = { uid, resourceVersion };
  for (const [field, what, done] of [
    ['uid', 'UID', 'deleted and then recreated'],
    ['resourceVersion', 'ResourceVersion', 'modified'],
  ] as const) {
    const wanted = conditions[field];
    if (wanted === undefined || wanted === has[field]) continue;
    if (kind.resource.kind === 'Namespace' || kind.resource.kind === 'CustomResourceDefinition')
      throw errors.conflict(resource, name, preconditionFailed(what, wanted, has[field]));
    throw errors.conflict(
      { group: resource.group, plural: resource.kind },
      name,
      `the ${what} in the precondition (${wanted}) does not match the ${what} in record (${has[field]}). The object might have been ${done}`,
    );
  }
}

/** What a delete comes to. */
export interface Deletion {
  /** The object that it leaves behind: itself when nothing changes because it is being deleted already. Undefined when it is to go at once. */
  stays?: KubeObject | undefined;
  /** What it is before it goes, where those who watch are to see that its grace period is over. */
  last?: KubeObject | undefined;
}

/** As in k8s.io/apiserver's BeforeDelete and updateForGracefulDeletionAndFinalizers. */
export function afterDelete(kind: KindDefinition, live: KubeObject, options: DeleteOptions, nowMs: number): Deletion {
  const iso = (ms: number) => `${new Date(Math.min(ms, lastMs)).toISOString().slice(0, 19)}Z`;
  const { metadata } = live;
  if (kind.beginDeletion && metadata.deletionTimestamp === undefined) {
    const now = iso(nowMs);
    return { stays: kind.beginDeletion({ ...live, metadata: { ...metadata, deletionTimestamp: now } }, now, options) };
  }
  // What holds a namespace is in its spec: while there is some of it a delete changes nothing more.
  if (namespaceFinalizers(kind, live) > 0) return { stays: live };
  const finalizers = deletionFinalizers(kind, metadata.finalizers ?? [], options);
  const marked = (seconds: number, atMs: number): KubeObject => {
    const meta = { ...metadata, deletionTimestamp: iso(atMs), deletionGracePeriodSeconds: seconds };
    if (finalizers.length > 0) meta.finalizers = finalizers;
    else delete meta.finalizers;
    // The spec's intent has changed: what watches the generation shall notice.
    if (metadata.deletionTimestamp === undefined && metadata.generation !== undefined && metadata.generation > 0)
      meta.generation = metadata.generation + 1;
    return { ...live, metadata: meta };
  };
  const held = finalizers.length > 0;

  if (metadata.deletionTimestamp !== undefined) {
    const pending = secondsOf(metadata.deletionGracePeriodSeconds) ?? 0;
    const requested = secondsOf(options.gracePeriodSeconds);
    // Only a shorter grace period may still be given.
    if (pending > 0 && (requested === undefined || requested >= pending)) return { stays: live };
    if (pending > 0 && requested !== undefined) {
      const endMs = Date.parse(metadata.deletionTimestamp) + (requested - pending) * 1000;
      // What is over already ends now; one second of grace is the least that still leaves the end to somebody else.
      const next = endMs < nowMs ? marked(Math.min(requested, 1), nowMs) : marked(requested, endMs);
      return requested > 0 || held ? { stays: next } : { last: next };
    }
    if (!held) return {};
    const same = metadata.deletionGracePeriodSeconds !== undefined && isSameSet(finalizers, metadata.finalizers ?? []);
    return { stays: same ? live : marked(0, Date.parse(metadata.deletionTimestamp)) };
  }
  const grace = kind.gracePeriodSeconds?.(live, options.gracePeriodSeconds);
  if (grace === undefined && !held) return {};
  const next = marked(grace ?? 0, nowMs + (grace ?? 0) * 1000);
  return grace || held ? { stays: next } : { last: next };
}

/** Negative periods count as one second. */
const secondsOf = (period: number | bigint | undefined): number | undefined =>
  period === undefined ? undefined : period < 0 ? 1 : Number(period);

function namespaceFinalizers(kind: KindDefinition, object: KubeObject): number {
  if (kind.resource.group !== '' || kind.resource.kind !== 'Namespace') return 0;
  const { spec } = object as KubeObject & { spec?: { finalizers?: string[] } };
  return spec?.finalizers?.length ?? 0;
}

/** The finalizers that make the garbage collector orphan the dependents, or delete them first. */
function deletionFinalizers(kind: KindDefinition, existing: readonly string[], options: DeleteOptions): string[] {
  const { orphanDependents, propagationPolicy } = options;
  let orphan: boolean;
  let foreground = false;
  if (orphanDependents !== undefined) orphan = orphanDependents;
  else if (propagationPolicy !== undefined) {
    orphan = propagationPolicy === 'Orphan';
    foreground = propagationPolicy === 'Foreground';
  } else {
    orphan = existing.includes(orphanFinalizer) || (kind.defaultPropagation === 'Orphan' && !existing.includes(foregroundFinalizer));
    foreground = existing.includes(foregroundFinalizer);
  }
  const next = existing.filter((f) => f !== orphanFinalizer && f !== foregroundFinalizer);
  // Events have no dependents anybody would collect.
  const collects = kind.resource.kind !== 'Event';
  if (orphan && collects) next.push(orphanFinalizer);
  if (foreground && collects) next.push(foregroundFinalizer);
  // The same in another order are the same.
  return isSameSet(existing, next) ? [...existing] : next;
}

const isSameSet = (a: readonly string[], b: readonly string[]) => a.length === b.length && a.every((text) => b.includes(text));
