interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export function conditionOf<C extends Condition>(conditions: readonly C[] | undefined, type: string): C | undefined {
  return conditions?.find((c) => c.type === type);
}

/** Sets a condition in place of that of its type: no change where status and reason are the same, and the time of transition stays with the status. */
export function withCondition<C extends Condition>(conditions: readonly C[] | undefined, condition: C): C[] {
  const current = conditionOf(conditions, condition.type);
  if (current && current.status === condition.status && current.reason === condition.reason) return [...(conditions ?? [])];
  const kept = current?.status === condition.status ? { lastTransitionTime: current.lastTransitionTime } : {};
  return [...withoutCondition(conditions, condition.type), { ...condition, ...kept }];
}

export function withoutCondition<C extends Condition>(conditions: readonly C[] | undefined, type: string): C[] {
  return (conditions ?? []).filter((c) => c.type !== type);
}
