/**
 * What an evaluation may cost. Every step costs one, and what grows (strings, lists) costs by its size, so that a hostile expression
 * costs the request that evaluates it and no more. The library has no such limit: its syntax tree is wrapped instead.
 */
import type { ParseResult } from '@marcbachmann/cel-js';

/** Upstream's limit of one expression's evaluation (k8s.io/apiserver/pkg/apis/cel). */
export const perCallLimit = 1_000_000;

export class CostError extends Error {
  override readonly name = 'CostError';

  constructor() {
    super('call cost exceeds limit');
  }
}

/** What is left; shared by the expressions of one object. */
export interface Budget {
  left: number;
}

interface Meter {
  left: number;
  exceeded: boolean;
}

// Evaluation is synchronous: there is one at a time, or one within another (a variable that is evaluated when it is first read).
let current: Meter | undefined;

/** Charges the evaluation at hand. Throws CostError when there is nothing left. */
export function spend(cost: number): void {
  if (!current) return;
  current.left -= cost;
  if (current.left >= 0) return;
  current.exceeded = true;
  throw new CostError();
}

type Evaluate = (this: unknown, evaluator: unknown, node: unknown, context: unknown) => unknown;

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length / 10;
  return Array.isArray(value) ? value.length / 10 : 0;
}

interface Node {
  op: string;
  args: unknown;
  meta: object;
}

/** Every node of the tree, whatever the library hangs it on. */
export function* nodesOf(root: unknown, type: unknown = Object.getPrototypeOf(root)): Generator<Node> {
  const seen = new Set<object>();
  const open: unknown[] = [root];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === type) {
      // Of the tree's own type.
      const node = value as Node;
      yield node;
      open.push(node.meta);
    } else if (!Array.isArray(value) && prototype !== Object.prototype) continue;
    open.push(...Object.values(value));
  }
}

/** Makes every step of a checked expression cost. */
export function meter(expression: ParseResult): void {
  for (const node of nodesOf(expression.ast)) {
    // Nodes choose how they are evaluated when that happens first, by writing this property.
    let inner = Reflect.get(node, 'evaluate') as Evaluate;
    const metered: Evaluate = function (evaluator, at, context) {
      spend(1);
      const result = inner.call(this, evaluator, at, context);
      spend(sizeOf(result));
      return result;
    };
    Object.defineProperty(node, 'evaluate', {
      get: () => metered,
      set(chosen: Evaluate) {
        inner = chosen;
      },
    });
  }
}

/** Evaluates within the limit of one call and what the budget has left. Throws CostError. */
export function withinBudget<T>(budget: Budget, evaluate: () => T): T {
  const limit = Math.min(perCallLimit, budget.left);
  const mine: Meter = { left: limit, exceeded: false };
  const outer = current;
  current = mine;
  try {
    const result = evaluate();
    // Logic may swallow errors; not this one.
    if (mine.exceeded) throw new CostError();
    return result;
  } finally {
    budget.left -= limit - Math.max(0, mine.left);
    current = outer;
  }
}
