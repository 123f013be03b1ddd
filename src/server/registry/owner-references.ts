import { deepEqual, type KubeObject } from '../../api/index.ts';
import type { RequestContext } from '../exchange.ts';

/** Drops owner references that an object names twice, and warns of them; in place. `admitted`: after mutating admission. */
export function dedupOwnerReferences(context: RequestContext, { metadata }: KubeObject, { admitted }: { admitted: boolean }): void {
  const references = metadata.ownerReferences;
  if (!references || references.length < 2) return;
  const kept: typeof references = [];
  const repeated: string[] = [];
  for (const reference of references) {
    if (kept.some((other) => other.uid === reference.uid && deepEqual(other, reference))) repeated.push(reference.uid);
    else kept.push(reference);
  }
  if (repeated.length === 0) return;
  metadata.ownerReferences = kept;
  const when = admitted ? ' after mutating admission happens' : '';
  context.warn(
    `.metadata.ownerReferences contains duplicate entries${when}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${repeated.join(', ')}`,
  );
}
