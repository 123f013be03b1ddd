/** The parts that evaluations are made of. */
import { spend } from './metering.ts';
import { CelError, noSuchOverload } from './values.ts';

/** The state of an evaluation. */
export interface Run {
  readonly variables: Readonly<Record<string, unknown>>;
  /** The variables of loops, each at a place of its own. */
  readonly slots: unknown[];
}

export type Step = (run: Run) => unknown;

/** A step whose value is known already. */
export interface Plan {
  readonly step: Step;
  readonly constant?: { readonly value: unknown };
}

export const constantPlan = (value: unknown): Plan => ({ step: () => value, constant: { value } });

export const isFatal = (error: unknown): boolean => !(error instanceof CelError);

export function requireBool(value: unknown): boolean {
  if (typeof value !== 'boolean') throw noSuchOverload();
  return value;
}

/** One operand that decides does so whatever becomes of the other. */
export function logicStep(left: Step, right: Step, decisive: boolean): Step {
  return (run) => {
    let first: unknown;
    let failure: { error: unknown } | undefined;
    try {
      first = left(run);
      if (first === decisive) return decisive;
    } catch (error) {
      if (isFatal(error)) throw error;
      failure = { error };
    }
    const second = right(run);
    if (second === decisive) return decisive;
    if (failure) throw failure.error;
    if (first instanceof CelError) throw first;
    return requireBool(first) && requireBool(second);
  };
}

/** Whether a loop has not found yet what it looks for; failures don't end it. */
export function goesOnStep(operand: Step): Step {
  return (run) => {
    try {
      return operand(run) !== false;
    } catch (error) {
      if (isFatal(error)) throw error;
      return true;
    } finally {
      spend(1);
    }
  };
}
