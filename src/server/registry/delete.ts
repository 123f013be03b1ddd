import {
  DecodeError,
  type DeleteOptions,
  decodeValue,
  errors,
  type KindDefinition,
  type KubeObject,
  kindNode,
  type Status,
} from '../../api/index.ts';
import type { Answer, Item, RequestContext } from '../exchange.ts';
import type { Cached } from '../storage/storage.ts';
import { readDocument } from './read-body.ts';
import { admissionRequest, admitMutating, admitValidating, type Registry } from './registry.ts';
import { checkConvertible, type ServedResource, storageOf } from './served-resource.ts';
import { deleteOptionsOf } from './write-options.ts';

const orphanFinalizer = 'orphan';
/** RFC 3339 has no later time. */
const lastMs = Date.parse('9999-12-31T23:59:59Z');
const foregroundFinalizer = 'foregroundDeletion';

/** Options from the body where there is one, else from the query. */
export async function readDeleteOptions(context: RequestContext): Promise<DeleteOptions> {
  const { value } = await readDocument(context, 'DeleteOptions');
  if (value === undefined || value === null) return deleteOptionsOf(context, undefined);
  const node = kindNode({ group: '', version: 'v1', kind: 'DeleteOptions' });
  if (node === undefined) throw new Error('the schema table lacks DeleteOptions');
  try {
    context.audit?.request(undefined, () => value);
    // Decoded by its own type.
    return deleteOptionsOf(context, decodeValue(node, value) as Record<string, unknown>);
  } catch (error) {
    if (error instanceof DecodeError)
      throw errors.badRequest(`DeleteOptions in version "v1" cannot be handled as a DeleteOptions: ${error.message}`);
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
  const options = await readDeleteOptions(context);
  if (served.warning !== undefined) context.warn(served.warning);
  warnOfOrphans(context, served.kind, options);
  const { info } = context;
  const refusal = served.kind.undeletable?.(info.name);
  if (refusal !== undefined) throw errors.forbidden(served.resource, info.name, refusal);
  const { item, gone } = await deleteObject(registry, context, served, info.namespace, info.name, options);
  if (!gone) {
    const status = options.orphanDependents === false ? 202 : 200;
    return { type: 'object', status, item, resource: served };
  }
  if (served.kind.answersDeleted) return { type: 'object', status: 200, item, resource: served };
  return { type: 'object', status: 200, item: { object: deletedStatus(served, item.object) } };
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
 * Options are not changed.
 */
export async function deleteObject(
  registry: Registry,
  context: RequestContext,
  served: ServedResource,
  namespace: string,
  name: string,
  options: DeleteOptions,
): Promise<{ item: Item; gone: boolean }> {
  const storage = storageOf(served);
  const dryRun = (options.dryRun?.length ?? 0) > 0;
  let gone = false;
  const step = async (current: Cached) => {
    await checkConvertible(served, [current.object]);
    const admission = {
      // Of a collection, admission is told no name: it is not what the client has asked for.
      ...admissionRequest(context, served.resource, 'DELETE', {
        name: context.info.name,
        object: undefined,
        oldObject: current.object,
        options,
        dryRun,
      }),
      namespace,
    };
    await admitMutating(registry, admission);
    await admitValidating(registry, admission);
    const next = afterDelete(served.kind, current.object, options, registry.clock.now());
    gone = next === undefined;
    return next;
  };
  if (!dryRun) {
    const item = await storage.update(namespace, name, options.preconditions ?? {}, step);
    return { item, gone };
  }
  const current = await storage.get(namespace, name);
  if (current === undefined) throw errors.notFound(served.resource, name);
  const next = await step(current);
  return { item: next === undefined ? current : { object: next }, gone };
}

/**
 * The object that a delete leaves behind: undefined when it is to go at once, the object itself when nothing changes because it
 * is being deleted already (k8s.io/apiserver's BeforeDelete and updateForGracefulDeletionAndFinalizers).
 */
export function afterDelete(kind: KindDefinition, live: KubeObject, options: DeleteOptions, nowMs: number): KubeObject | undefined {
  const iso = (ms: number) => `${new Date(Math.min(ms, lastMs)).toISOString().slice(0, 19)}Z`;
  const object = live.metadata.deletionTimestamp === undefined ? (kind.beforeDelete?.(live, iso(nowMs)) ?? live) : live;
  const { metadata } = object;
  const finalizers = deletionFinalizers(kind, metadata.finalizers ?? [], options);
  const marked = (seconds: number, atMs: number): KubeObject => {
    const meta = { ...metadata, deletionTimestamp: iso(atMs), deletionGracePeriodSeconds: seconds };
    if (finalizers.length > 0) meta.finalizers = finalizers;
    else delete meta.finalizers;
    // The spec's intent has changed: what watches the generation shall notice.
    if (metadata.deletionTimestamp === undefined && metadata.generation !== undefined && metadata.generation > 0)
      meta.generation = metadata.generation + 1;
    const next = { ...object, metadata: meta };
    if (kind.resource.group === '' && kind.resource.kind === 'Namespace')
      Object.assign(next, { status: { ...(object as KubeObject & { status?: object }).status, phase: 'Terminating' } });
    return next;
  };
  const held = finalizers.length > 0 || namespaceFinalizers(kind, object) > 0;

  if (metadata.deletionTimestamp !== undefined) {
    const pending = secondsOf(metadata.deletionGracePeriodSeconds) ?? 0;
    const requested = secondsOf(options.gracePeriodSeconds);
    // Only a shorter grace period may still be given.
    if (pending > 0 && (requested === undefined || requested >= pending)) return object;
    if (pending > 0 && requested !== undefined) {
      const endMs = Date.parse(metadata.deletionTimestamp) + (requested - pending) * 1000;
      // What is over already ends now; one second of grace is the least that still leaves the end to somebody else.
      const next = endMs < nowMs ? marked(Math.min(requested, 1), nowMs) : marked(requested, endMs);
      return requested > 0 || held ? next : undefined;
    }
    if (!held) return undefined;
    const same = finalizers.length === (metadata.finalizers ?? []).length && finalizers.every((f) => metadata.finalizers?.includes(f));
    return same ? object : marked(0, Date.parse(metadata.deletionTimestamp));
  }
  const grace = kind.gracePeriodSeconds?.(object, options.gracePeriodSeconds) ?? 0;
  if (grace > 0) return marked(grace, nowMs + grace * 1000);
  return held ? marked(0, nowMs) : undefined;
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
  // Events have no dependents anybody would collect.
  if (kind.resource.kind === 'Event') return [...existing];
  const kept = existing.filter((f) => f !== orphanFinalizer && f !== foregroundFinalizer);
  if (orphan) kept.push(orphanFinalizer);
  if (foreground) kept.push(foregroundFinalizer);
  return kept;
}
