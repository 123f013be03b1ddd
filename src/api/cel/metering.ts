/**
 * What an evaluation may cost, in upstream's units, so that a hostile expression costs the request that evaluates it and no more. What
 * upstream does for next to nothing and this engine does not (copying lists, comparing deep values) is work that has a limit of its own.
 */

/** Upstream's limit of one expression's evaluation (k8s.io/apiserver/pkg/apis/cel). */
export const perCallLimit = 1_000_000;

/** Items, characters and steps that are looked at beside what is paid for. */
const workLimit = 50_000_000;

/** One evaluation costs more than it may. */
export class CostError extends Error {
  override readonly name = 'CostError';

  constructor() {
    super('operation cancelled: actual cost limit exceeded');
  }
}

/** An evaluation costs more than is left for what is evaluated together. */
export class BudgetError extends Error {
  override readonly name = 'BudgetError';

  constructor() {
    super('validation failed due to running out of cost budget, no further validation rules will be run');
  }
}

/** What is left; shared by the expressions of one object. */
export interface Budget {
  left: number;
}

interface Meter {
  cost: number;
  work: number;
}

// Evaluation is synchronous: there is one at a time, or one within another (a variable that is evaluated when it is first read).
let current: Meter | undefined;

/** Charges the evaluation at hand. Throws CostError when it costs too much. */
export function spend(cost: number): void {
  if (!current) return;
  current.cost += cost;
  if (current.cost > perCallLimit) throw new CostError();
}

/** Counts what is done beside what is paid for. Throws CostError when it is too much. */
export function work(steps: number): void {
  if (!current) return;
  current.work += steps;
  if (current.work > workLimit) throw new CostError();
}

/**
 * Evaluates within the limit of one call and what the budget has left.
 * @throws CostError, BudgetError, and what the evaluation throws
 */
export function withinBudget<T>(budget: Budget, evaluate: () => T): T {
  const mine: Meter = { cost: 0, work: 0 };
  const outer = current;
  current = mine;
  let result: { value: T } | { error: unknown };
  try {
    result = { value: evaluate() };
  } catch (error) {
    result = { error };
  } finally {
    current = outer;
  }
  budget.left -= mine.cost;
  if (budget.left < 0) throw new BudgetError();
  if ('error' in result) throw result.error;
  return result.value;
}
