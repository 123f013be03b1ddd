/** Numbers as JSON text has them, where that says more than their value: `1.0` is no integer to Go, and a quantity `1.10` is not 1.1. */

import { integer } from './long-integers.ts';

/** A number whose text is not what its value would be written as. */
export class NumberLiteral {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

const telling = /[[,:]\s*-?\d+(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)\s*[,}\]]/;

/** Whether there may be such numbers in valid JSON text. */
export const mayHaveLiterals = (text: string): boolean => telling.test(text);

// As JSON's own extension has it (proposal-json-parse-with-source), which TypeScript's library does not know yet.
const { parse } = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
};

const integral = /^-?\d{1,19}$/;
const fits = (whole: bigint) => BigInt.asIntN(64, whole) === whole;

/** Valid JSON text parsed, such numbers as literals. */
export const parseLiterals = (text: string): unknown =>
  parse(text, (_key, value, { source = '' }) => {
    if (typeof value === 'string') return value.toWellFormed();
    if (typeof value !== 'number' || source === String(value)) return value;
    return integral.test(source) && fits(BigInt(source)) ? integer(BigInt(source)) : new NumberLiteral(source);
  });

/** The same with plain numbers in the literals' places. */
export function withoutLiterals(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof NumberLiteral) return Number(value.source);
  if (Array.isArray(value)) return value.map(withoutLiterals);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutLiterals(item)]));
}

/** The first number in valid JSON text that is beyond a float's range. */
export function endlessNumber(text: string): string | undefined {
  let found: string | undefined;
  if (mayHaveLiterals(text))
    parse(text, (_key, value, { source = '' }) => {
      if (typeof value === 'number' && !Number.isFinite(value)) found ??= source;
      return value;
    });
  return found;
}
