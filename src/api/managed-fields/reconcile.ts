import type { StructNode } from '../schema/node.ts';
import { emptySet, type FieldSet, isEmptySet } from './field-set.ts';
import type { Manager, Managers } from './managers.ts';
import { isWhole, type Place, placeBelow, placeOfItem, placeOfNode } from './typed-value.ts';

function fitted(place: Place, set: FieldSet): FieldSet {
  if (isEmptySet(set)) return set;
  if (isWhole(place)) return emptySet;
  let changed: Record<string, FieldSet> | undefined;
  for (const element in set) {
    const below = set[element] ?? emptySet;
    const inner = element.startsWith('f:') ? placeBelow(place.node, element.slice(2)) : placeOfItem(place);
    const kept = element === '.' ? below : fitted(inner, below);
    if (kept === below) continue;
    changed ??= { ...set };
    changed[element] = kept;
  }
  return changed ?? set;
}

/**
 * Managers as a type has it now: who owned parts of what the type has made a whole since then (a list or map that is atomic now) owns
 * the whole (structured-merge-diff's `ReconcileFieldSetWithSchema`). Changes `managers`.
 */
export function reconciled(managers: Managers, { node, apiVersion }: { node: StructNode; apiVersion: string }): Managers {
  for (const [identity, m] of managers) {
    if (m.apiVersion !== apiVersion) continue;
    const fields = fitted(placeOfNode(node), m.fields);
    if (fields !== m.fields) managers.set(identity, { ...m, fields, entry: undefined } satisfies Manager);
  }
  return managers;
}
