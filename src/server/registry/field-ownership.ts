/** Who owns which fields: keeps metadata.managedFields as writes come in. */
import { applyUpdate, emptySet, type FieldSet, type KubeObject, kindNode } from '../../api/index.ts';
import { nodeOf, type ServedResource } from './served-resource.ts';

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
export function resetFields(served: ServedResource, subresource: string): FieldSet | undefined {
  const status = served.kind.subresources?.status;
  if (!status) return undefined;
  if (subresource === '') return { 'f:status': emptySet };
  if (subresource !== 'status') return undefined;
  const keepsMetadata = typeof status === 'object' && 'keepsMetadata' in status ? status.keepsMetadata : false;
  const kept = keepsMetadata === true ? ['status'] : ['status', 'metadata'];
  const fields = nodeOf(served)?.fields.filter(({ name }) => !kept.includes(name)) ?? [];
  const reset: FieldSet = Object.fromEntries(fields.map(({ name }) => [`f:${name}`, emptySet]));
  return keepsMetadata === 'labels' ? { ...reset, 'f:metadata': { 'f:labels': emptySet } } : reset;
}

/** The object with managedFields that say what this write by create, update or patch changed. */
export function trackUpdate(live: KubeObject | undefined, next: KubeObject, { manager, served, subresource, now }: Writer): KubeObject {
  // Objects are tracked in the storage version.
  const node = served.kind.custom?.versions.get(served.kind.resource.version)?.node ?? kindNode(served.kind.resource);
  if (node === undefined) return next;
  const reset = resetFields(served, subresource);
  return applyUpdate({ live, next, node, manager, apiVersion: next.apiVersion, time: now, subresource, resetFields: reset });
}
