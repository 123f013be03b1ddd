/** What every kind's create and update have in common, around what the kind's definition says (k8s.io/apiserver's registry/rest). */
import {
  decodeValue,
  dropDisabledFields,
  errors,
  FieldErrors,
  haveSameOptionalStructs,
  type KindDefinition,
  type KubeObject,
  kindNode,
  type ObjectMeta,
  type ScalePaths,
  type StrategyContext,
  type SubresourceStrategy,
  semanticEqual,
  validateCommonMeta,
  validateObjectMeta,
  validateObjectMetaUpdate,
  validateStandardFinalizers,
} from '../../api/index.ts';
import { timestamp } from '../../time/index.ts';
import type { RequestContext } from '../exchange.ts';
import type { Registry } from './registry.ts';

/** An object with the two halves that most kinds have. */
type Parted = KubeObject & { spec?: unknown; status?: unknown };

export function strategyContext(registry: Registry, context: RequestContext): StrategyContext {
  const { name, groups, uid, extra } = context.user;
  return {
    user: name,
    groups,
    ...(uid ? { uid } : {}),
    ...(extra ? { extra } : {}),
    now: timestamp(registry.clock),
    version: context.info.apiVersion,
    warn: (message) => context.warn(message),
    isEnabled: registry.isEnabled,
  };
}

const hasStatus = (kind: KindDefinition) => Boolean(kind.subresources?.status);

function countsGeneration(kind: KindDefinition, object: Parted): boolean {
  return kind.generation === undefined ? hasStatus(kind) && object.spec !== undefined : kind.generation !== false;
}

function throwInvalid(kind: KindDefinition, name: string | undefined, problems: FieldErrors): void {
  if (!problems.ok) throw errors.invalid(kind.resource, name ?? '', problems.list);
}

/** A status that says nothing, with what Go always writes. */
function emptyStatus({ resource }: KindDefinition): object {
  const field = kindNode(resource)?.byName.get('status');
  // A struct's zero value is an object.
  return field === undefined ? {} : (decodeValue(field.node, {}) as object);
}

/** Resets what clients may not set of a new object. */
export function prepareForCreate(kind: KindDefinition, object: Parted, context: StrategyContext): void {
  const { metadata } = object;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  if (hasStatus(kind) && !kind.keepStatusOnCreate) object.status = emptyStatus(kind);
  if (context.isEnabled) dropDisabledFields(kind.resource, object, undefined, context.isEnabled);
  if (countsGeneration(kind, object)) metadata.generation = 1;
  kind.create?.(object, context);
}

export function validateCreate(kind: KindDefinition, object: KubeObject, problems = new FieldErrors()): void {
  validateObjectMeta(object.metadata, { namespaced: kind.resource.namespaced, nameRule: kind.validateName }, problems);
  validateStandardFinalizers(kind, object.metadata.finalizers, problems);
  kind.validateFirst?.(object, undefined, problems);
  kind.validate?.(object, problems);
  kind.validateCreate?.(object, problems);
  throwInvalid(kind, object.metadata.name, problems);
}

/** What an update may leave out or not change of metadata comes from the object as it is (rest.BeforeUpdate). */
function keepMeta(next: ObjectMeta, prev: ObjectMeta): void {
  if (!next.uid) next.uid = prev.uid;
  next.creationTimestamp = prev.creationTimestamp;
  // An update can't take back a deletion; that it asks for one is left for validation to refuse.
  if (prev.deletionTimestamp !== undefined) next.deletionTimestamp = prev.deletionTimestamp;
  else if (!next.deletionTimestamp) delete next.deletionTimestamp;
  if (prev.deletionGracePeriodSeconds !== undefined) next.deletionGracePeriodSeconds ??= prev.deletionGracePeriodSeconds;
  if (prev.generation !== undefined) next.generation = prev.generation;
  else delete next.generation;
  if (prev.generateName !== undefined && next.generateName === undefined) next.generateName = prev.generateName;
  delete next.selfLink;
}

function hasSameStructs({ resource }: KindDefinition, next: Parted, prev: Parted): boolean {
  const spec = kindNode(resource)?.byName.get('spec');
  return spec === undefined || haveSameOptionalStructs(spec.node, next.spec, prev.spec);
}

export function prepareForUpdate(kind: KindDefinition, next: Parted, prev: Parted, context: StrategyContext): void {
  keepMeta(next.metadata, prev.metadata);
  if (hasStatus(kind)) {
    if (prev.status === undefined) delete next.status;
    else next.status = prev.status;
  }
  if (context.isEnabled) dropDisabledFields(kind.resource, next, prev, context.isEnabled);
  kind.update?.(next, prev, context);
  if (!countsGeneration(kind, next)) return;
  const changed = typeof kind.generation === 'function' ? kind.generation(next, prev) : !semanticEqual(next.spec, prev.spec);
  if (changed || !hasSameStructs(kind, next, prev)) next.metadata.generation = (prev.metadata.generation ?? 0) + 1;
}

/** What a kind says of a subresource that clients name: not what every JavaScript object has. */
export function subresourceOf({ subresources }: KindDefinition, name: string): boolean | SubresourceStrategy | ScalePaths | undefined {
  return subresources !== undefined && Object.hasOwn(subresources, name) ? subresources[name] : undefined;
}

/** The strategy of a subresource that writes part of the object; undefined where the kind has none of this name. */
export function subresourceStrategy(kind: KindDefinition, subresource: string): SubresourceStrategy | undefined {
  const given = subresourceOf(kind, subresource);
  if (given === undefined || given === false || isScale(given)) return undefined;
  return given === true ? {} : given;
}

export function isScale(value: boolean | SubresourceStrategy | ScalePaths | undefined): value is ScalePaths {
  return typeof value === 'object' && 'specReplicas' in value;
}

/** Keeps everything but the status, and metadata where the kind says so. */
function keepAllButStatus(
  next: Parted & Record<string, unknown>,
  prev: Parted & Record<string, unknown>,
  keepsMetadata: boolean | 'labels' = false,
): void {
  for (const field of Object.keys({ ...next, ...prev })) {
    if (field === 'status' || field === 'metadata' || field === 'kind' || field === 'apiVersion') continue;
    if (prev[field] === undefined) delete next[field];
    else next[field] = prev[field];
  }
  if (!keepsMetadata) return;
  if (keepsMetadata === 'labels') {
    if (prev.metadata.labels === undefined) delete next.metadata.labels;
    else next.metadata.labels = prev.metadata.labels;
    return;
  }
  const { managedFields, resourceVersion, name, namespace, uid } = next.metadata;
  // A foreign uid, name or namespace is still refused by validation.
  next.metadata = {
    ...prev.metadata,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    uid: uid || prev.metadata.uid,
    resourceVersion,
  };
  if (managedFields === undefined) delete next.metadata.managedFields;
  else next.metadata.managedFields = managedFields;
}

export function prepareForSubresource(
  strategy: SubresourceStrategy,
  subresource: string,
  next: KubeObject,
  prev: KubeObject,
  context: StrategyContext,
): void {
  keepMeta(next.metadata, prev.metadata);
  if (strategy.update !== undefined) strategy.update(next, prev, context);
  // A wire object's fields are open to be walked.
  else if (subresource === 'status')
    keepAllButStatus(next as Parted & Record<string, unknown>, prev as Parted & Record<string, unknown>, strategy.keepsMetadata);
  strategy.adjust?.(next, prev);
}

export function validateUpdate(
  kind: KindDefinition,
  next: KubeObject,
  prev: KubeObject,
  { strategy, problems = new FieldErrors() }: { strategy?: SubresourceStrategy | undefined; problems?: FieldErrors } = {},
): void {
  validateCommonMeta(next.metadata, prev.metadata, problems);
  validateObjectMetaUpdate(next.metadata, prev.metadata, problems);
  validateStandardFinalizers(kind, next.metadata.finalizers, problems);
  if (strategy !== undefined) strategy.validate?.(next, prev, problems);
  else {
    kind.validateFirst?.(next, prev, problems);
    kind.validate?.(next, problems);
    kind.validateUpdate?.(next, prev, problems);
  }
  problems.dropKept(() => {
    const before = problems.empty();
    if (strategy !== undefined) strategy.validate?.(prev, prev, before);
    else kind.validate?.(prev, before);
    return before;
  });
  throwInvalid(kind, next.metadata.name, problems);
}

export function warnings(kind: KindDefinition, context: RequestContext, next: KubeObject, prev?: KubeObject): void {
  for (const warning of kind.warnings?.(next, prev) ?? []) context.warn(warning);
}
