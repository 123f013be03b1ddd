/** Who owns which fields: keeps metadata.managedFields as writes come in. */
import {
  applyUpdate,
  decodeValue,
  deepCopy,
  emptySet,
  type FieldFilter,
  type FieldSet,
  groupResourceOf,
  inVersions,
  type KubeObject,
  kindNode,
  StatusError,
  updateSteps,
  type Versions,
} from '../../api/index.ts';
import { convertToServed, nodeOf, type ResourceTable, type ServedResource } from './served-resource.ts';
import { subresourceStrategy } from './strategy.ts';

export interface Writer {
  manager: string;
  served: ServedResource;
  subresource: string;
  /** RFC 3339. */
  now: string;
}

/**
 * The fields that an endpoint takes from the object as it is, whatever a client says of them: who names them does not come to own
 * them. The object itself leaves the status alone, and its status subresource all else.
 */
export function resetFields(served: ServedResource, subresource: string): FieldFilter | undefined {
  const given = subresource === '' ? served.kind.resetFields : subresourceStrategy(served.kind, subresource)?.resetFields;
  if (given) return given;
  const status = served.kind.subresources?.status;
  if (!status) return undefined;
  if (subresource === '') return { reset: { 'f:status': emptySet } };
  if (subresource !== 'status') return undefined;
  const keepsMetadata = typeof status === 'object' && 'keepsMetadata' in status ? status.keepsMetadata : false;
  const kept = keepsMetadata === true ? ['status'] : ['status', 'metadata'];
  const fields = nodeOf(served)?.fields.filter(({ name }) => !kept.includes(name)) ?? [];
  const reset: FieldSet = Object.fromEntries(fields.map(({ name }) => [`f:${name}`, emptySet]));
  return { reset: keepsMetadata === 'labels' ? { ...reset, 'f:metadata': { 'f:labels': emptySet } } : reset };
}

/** Converts the objects of a resource to whichever version their managers speak. */
export function managedVersions(table: ResourceTable, served: ServedResource, subresource: string): Versions {
  const same = groupResourceOf(served.kind.resource);
  const find = (apiVersion: string) => {
    for (const other of table.all()) if (other.apiVersion === apiVersion && groupResourceOf(other.kind.resource) === same) return other;
    return undefined;
  };
  return {
    async convert({ object, apiVersion: from }, apiVersion) {
      const target = find(apiVersion);
      const node = target && nodeOf(target);
      if (!target || !node) return undefined;
      const source = find(from);
      const own = source && !source.custom ? kindNode(source.resource) : undefined;
      // What was pruned lacks fields that conversions may read; a copy, since parts of it are shared with the live object.
      let stored = own ? (decodeValue(own, object) as KubeObject) : deepCopy(object);
      await source?.version?.prepare?.([stored], 'storage');
      if (source?.version) stored = source.version.toStorage(stored);
      return { apiVersion, node, resetFields: resetFields(target, subresource), object: await convertToServed(target, stored) };
    },
  };
}

/**
 * The object with managedFields that say what this write by create, update or patch changed, in the version of the request. Both
 * objects are in the storage version. A promise only where something is to be converted.
 */
export function trackUpdate(
  table: ResourceTable,
  live: KubeObject | undefined,
  next: KubeObject,
  { manager, served, subresource, now: time }: Writer,
): KubeObject | Promise<KubeObject> {
  const node = nodeOf(served);
  if (node === undefined) return next;
  const { apiVersion } = served;
  const operation = { node, manager, apiVersion, time, subresource, resetFields: resetFields(served, subresource) };
  const isForeign = (entry: { apiVersion?: string }) => entry.apiVersion !== apiVersion;
  const foreign = live?.metadata.managedFields?.some(isForeign) || next.metadata.managedFields?.some(isForeign);
  if (served.version === undefined && !foreign) return applyUpdate({ ...operation, live, next });
  const ownersOf = async () => {
    const [before, after] = await Promise.all([live && convertToServed(served, live), convertToServed(served, next)]);
    const steps = updateSteps({ ...operation, live: before, next: after });
    return (await inVersions(steps, managedVersions(table, served, subresource))).metadata.managedFields;
  };
  const inItsVersion = async () => {
    const { managedFields: _, ...metadata } = next.metadata;
    const managedFields = await ownersOf().catch((error: unknown) => {
      // A webhook that can't convert to the version of one of them: no reason to refuse the write, says upstream, too.
      if (error instanceof StatusError) return live?.metadata.managedFields;
      throw error;
    });
    return { ...next, metadata: managedFields ? { ...metadata, managedFields } : metadata };
  };
  return inItsVersion();
}
