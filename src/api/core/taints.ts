/** Taints of nodes and the tolerations of pods. */
import type { Taint, Toleration } from '../generated/core.v1.ts';

/** Whether one toleration takes one taint (component-helpers' ToleratesTaint): an absent key, value or effect of a toleration means any (the key only with Exists). */
export function toleratesTaint(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator || 'Equal') {
    case 'Exists':
      return true;
    case 'Equal':
      return (toleration.value ?? '') === (taint.value ?? '');
    case 'Lt':
    case 'Gt':
      return comparesTo(toleration, taint);
    default:
      return false;
  }
}

/** Numeric tolerations (KEP-5471): the taint's value lies below (Lt) or above (Gt) the toleration's. */
function comparesTo(toleration: Toleration, taint: Taint): boolean {
  const integer = /^-?(0|[1-9]\d*)$/;
  const bound = toleration.value ?? '';
  const value = taint.value ?? '';
  if (!integer.test(bound) || !integer.test(value)) return false;
  return toleration.operator === 'Lt' ? BigInt(value) < BigInt(bound) : BigInt(value) > BigInt(bound);
}

/** The first of the taints that no toleration takes. */
export function untoleratedTaint(taints: readonly Taint[], tolerations: readonly Toleration[] | undefined): Taint | undefined {
  if (taints.length === 0) return undefined;
  return taints.find((taint) => !tolerations?.some((t) => toleratesTaint(t, taint)));
}
