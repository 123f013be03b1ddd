/** Calls of functions: which overload takes the arguments, and what the call costs. */
import { costOfCalls } from './call-costs.ts';
import type { Overload } from './declarations.ts';
import { spend } from './metering.ts';
import { accepts } from './runtime-types.ts';
import type { Plan, Step } from './steps.ts';
import { formatType } from './types.ts';
import { CelError, noSuchOverload, sameValue, typeOf } from './values.ts';

/** What is evaluated with the expression, of constants. */
export const conversions = new Set(['bool', 'bytes', 'double', 'dyn', 'duration', 'int', 'string', 'timestamp', 'uint']);

/** Functions whose second argument is a regular expression. */
export const searches = new Set(['matches', 'find', 'findAll']);

const isPrimitive = (value: unknown) => ['string', 'bigint', 'number', 'boolean'].includes(typeof value);

/** Whether a value is in a list of constants, which costs nothing. */
export function membership([item, list]: readonly Plan[]): Step | undefined {
  const items = list?.constant?.value;
  if (!item || !Array.isArray(items) || !items.every(isPrimitive)) return undefined;
  const { step } = item;
  return (run) => {
    const value = step(run);
    return items.some((each) => sameValue(each, value));
  };
}

/** Operators say no more than that there is no such overload. */
const isOperator = (name: string) => /^[_!@-]/.test(name);

/** Whether values may be given to an overload; undefined if any may. */
function guardOf({ args: types, isUnguarded }: Overload): ((args: readonly unknown[]) => boolean) | undefined {
  const told = types.flatMap((type, i) => (type.kind === 'param' || type.kind === 'dyn' ? [] : [{ type, i }]));
  if (isUnguarded || told.length === 0) return undefined;
  return (args) => {
    for (const { type, i } of told) if (!accepts(type, args[i])) return false;
    return true;
  };
}

function noOverload(name: string, args: readonly unknown[]): CelError {
  if (isOperator(name)) return noSuchOverload();
  return new CelError(`no such overload: ${name}(${args.map((arg) => formatType({ ...typeOf(arg), params: [] })).join(', ')})`);
}

export function callOf(name: string, overloads: readonly Overload[]): (args: readonly unknown[]) => unknown {
  const [only, ...others] = overloads;
  const cost = costOfCalls(name, others.length === 0 ? only?.id : undefined);
  const guarded = overloads.map((overload) => ({ overload, fits: guardOf(overload) }));
  return (args) => {
    for (const { overload, fits } of guarded) {
      if (fits && !fits(args)) continue;
      const result = overload.run(...args);
      spend(cost ? cost(args, result) : 1);
      return result;
    }
    throw noOverload(name, args);
  };
}
