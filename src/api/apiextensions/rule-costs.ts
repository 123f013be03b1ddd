/** What the rules of a schema may cost, as estimated when they are written (KEP-2876). */
import type { FieldErrors, FieldPath } from '../fields.ts';

/** One expression, over all values of an object. */
export const expressionLimit = 10_000_000;
/** All expressions of one version of a definition. */
const definitionLimit = 100_000_000;
/** More than these are not named. */
const namedExpressions = 4;

/** By how much something costs too much. */
export function overBudget(name: string, cost: number, limit: number): string {
  const factor = cost / limit;
  const shown = factor > 100 ? 'more than 100x' : `${factor.toFixed(factor < 1.5 ? 6 : 1)}x`;
  return `${name} exceeds budget by factor of ${shown} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}

export class RuleCosts {
  #total = 0;
  #expensive: { path: FieldPath; cost: number }[] = [];

  observe(path: FieldPath, cost: number): void {
    this.#total += cost;
    // What is less than a hundredth of the limit is not to blame.
    if (cost < definitionLimit / 100) return;
    this.#expensive = [...this.#expensive, { path, cost }]
      .sort((a, b) => (a.cost === b.cost ? 0 : b.cost - a.cost))
      .slice(0, namedExpressions);
  }

  report(schema: FieldPath, errors: FieldErrors): void {
    if (this.#total <= definitionLimit) return;
    for (const { path } of this.#expensive)
      errors.forbidden(path, 'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema');
    const name = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema';
    errors.forbidden(schema, overBudget(name, this.#total, definitionLimit));
  }
}
