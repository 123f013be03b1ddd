/** Who owns which fields: keeps metadata.managedFields as writes come in. */
import { applyUpdate, type KubeObject, kindNode } from '../../api/index.ts';
import type { ServedResource } from './served-resource.ts';

export interface Writer {
  manager: string;
  served: ServedResource;
  subresource: string;
  /** RFC 3339. */
  now: string;
}

/** The object with managedFields that say what this write by create, update or patch changed. */
export function trackUpdate(live: KubeObject | undefined, next: KubeObject, { manager, served, subresource, now }: Writer): KubeObject {
  const node = kindNode(served.kind.resource);
  if (node === undefined) return next;
  return applyUpdate({ live, next, node, manager, apiVersion: next.apiVersion, time: now, subresource });
}

/** The same for a new object, whose status is not the client's to set. */
export function trackCreate(next: KubeObject, writer: Writer): KubeObject {
  if (!writer.served.kind.subresources?.status) return trackUpdate(undefined, next, writer);
  const { status, ...rest } = next as KubeObject & { status?: unknown };
  const tracked = trackUpdate(undefined, rest, writer);
  return status === undefined ? tracked : Object.assign(tracked, { status });
}
