import { type FieldErrors, FieldPath } from '../fields.ts';

const conditionsPath = new FieldPath('status').child('conditions');

/** Conditions of a flow-control object's status: one a type, each with its type. */
export function validateFlowConditions(conditions: readonly { type?: string }[] | undefined, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [i, { type = '' }] of (conditions ?? []).entries()) {
    const at = conditionsPath.index(i).child('type');
    if (seen.has(type)) errors.duplicate(at, type);
    seen.add(type);
    if (type === '') errors.required(at);
  }
}
