/** `string.format()` (google/cel-go/ext/formatting.go). */
import { goQuote } from '../fields.ts';
import { textOf as decoded } from './conversions.ts';
import { work } from './metering.ts';
import { formatDouble, formatFixed, formatScientific } from './numbers.ts';
import { formatDuration, formatTimestamp } from './times.ts';
import type { TypeKind } from './types.ts';
import { CelError, Duration, Timestamp, TypeValue, typeOf, Uint } from './values.ts';

/** A clause: what it is for, and how it writes a value. */
interface Clause {
  readonly takes: readonly TypeKind[];
  readonly problem: string;
  write(value: unknown, precision: number | undefined): string;
}

const defaultPrecision = 6;
const specialNumbers: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};

const integerOf = (value: unknown): bigint => (value instanceof Uint ? value.value : typeof value === 'bigint' ? value : 0n);
const inBase = (base: number) => (value: unknown) => (typeof value === 'boolean' ? (value ? '1' : '0') : integerOf(value).toString(base));

function special(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? undefined : value > 0 ? '∞' : '-∞';
}

/** As upstream's American English has it: `1,234.5`. */
function grouped(value: number, digits: number): string {
  work(digits);
  const [whole = '', fraction] = formatFixed(value === 0 ? 0 : value, digits).split('.');
  const parts = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? parts : `${parts}.${fraction}`;
}

/** The narrow spaces that do not break of upstream's American English. */
const times = '\u202f×\u202f';

/** As upstream's American English has it: `1.052033 × 10⁰³`, with six digits whatever is asked for. */
function scientific(value: number): string {
  const [mantissa = '', exponent = '+00'] = formatScientific(value === 0 ? 0 : value, defaultPrecision).split('e');
  const raised = exponent
    .replace('+', '')
    .replace('-', '⁻')
    .replace(/\d/g, (digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)] ?? '');
  return `${mantissa}${times}10${raised}`;
}

function textOf(bytes: Uint8Array): string {
  try {
    return decoded(bytes);
  } catch (error) {
    throw error instanceof CelError ? new CelError(`could not convert argument ${goQuote(error.message)} to string`) : error;
  }
}

/** Values within lists and maps are written as the literals that they would be. */
function literal(value: unknown): string {
  work(1);
  if (typeof value === 'string') return goQuote(value);
  if (value instanceof Uint8Array) return `b${goQuote(textOf(value))}`;
  if (value instanceof Timestamp) return `timestamp(${goQuote(formatTimestamp(value))})`;
  if (value instanceof Duration) return `duration(${goQuote(formatDuration(value))})`;
  if (typeof value === 'number') return Number.isFinite(value) ? formatFixed(value, defaultPrecision) : goQuote(formatDouble(value));
  return show(value);
}

function showMap(map: ReadonlyMap<unknown, unknown>): string {
  const pairs = [...map].map(([key, value]) => {
    if (!['string', 'boolean', 'bigint'].includes(typeof key))
      throw new CelError(`no formatting function for map key of type ${typeOf(key).name}`);
    return [literal(key), literal(value)] as const;
  });
  const sorted = pairs.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${sorted.map(([key, value]) => `${key}:${value}`).join(', ')}}`;
}

function show(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return formatDouble(value);
  if (typeof value === 'bigint' || typeof value === 'boolean' || value === null) return String(value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Uint8Array) return textOf(value);
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof Duration) return formatDuration(value);
  if (value instanceof TypeValue) return value.type.name;
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (value instanceof Map) return showMap(value);
  throw new CelError(`${clauses.s?.problem}, was given ${typeOf(value).name}`);
}

function hex(value: unknown): string {
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value instanceof Uint8Array ? value : undefined;
  return bytes ? [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('') : integerOf(value).toString(16);
}

function double(value: unknown): number {
  return typeof value === 'number' ? value : (specialNumbers[String(value)] ?? Number.NaN);
}

const clauses: Readonly<Record<string, Clause>> = {
  s: {
    takes: ['list', 'map', 'int', 'uint', 'double', 'bool', 'string', 'timestamp', 'bytes', 'duration', 'type', 'null'],
    problem: 'string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps',
    write: show,
  },
  d: { takes: ['int', 'uint'], problem: 'decimal clause can only be used on integers', write: inBase(10) },
  f: {
    takes: ['double', 'string'],
    problem: 'fixed-point clause can only be used on doubles',
    write(value, precision = defaultPrecision) {
      const number = double(value);
      return special(number) ?? grouped(number, precision);
    },
  },
  e: {
    takes: ['double', 'string'],
    problem: 'scientific clause can only be used on doubles',
    write(value, precision = defaultPrecision) {
      const number = double(value);
      work(precision);
      // Upstream takes what is meant for a precision for a width.
      return (special(number) ?? scientific(number)).padStart(precision);
    },
  },
  b: { takes: ['int', 'uint', 'bool'], problem: 'only integers and bools can be formatted as binary', write: inBase(2) },
  o: { takes: ['int', 'uint'], problem: 'octal clause can only be used on integers', write: inBase(8) },
  x: { takes: ['int', 'uint', 'string', 'bytes'], problem: 'only integers, byte buffers, and strings can be formatted as hex', write: hex },
  X: {
    takes: ['int', 'uint', 'string', 'bytes'],
    problem: 'only integers, byte buffers, and strings can be formatted as hex',
    write: (value) => hex(value).toUpperCase(),
  },
};

/** A text between clauses, or a clause. */
export type FormatPart = string | { readonly clause: Clause; readonly precision: number | undefined; readonly index: number };

/**
 * The parts of a format with so many values. Checks of constants look for what ends too early first.
 * @throws CelError for what is none
 */
export function parseFormat(format: string, count: number, isCheck = false): FormatPart[] {
  const parts: FormatPart[] = [];
  const pattern = /%%|%(?:\.(\d*))?([\s\S]?)|[^%]+/g;
  let index = 0;
  for (const [whole, precision, verb = ''] of format.matchAll(pattern)) {
    if (whole === '%%') parts.push('%');
    else if (!whole.startsWith('%')) parts.push(whole);
    else {
      if (isCheck && whole === '%') throw new CelError('unexpected end of string');
      if (index >= count) throw new CelError(`index ${index} out of range`);
      if (whole === '%') throw new CelError('unexpected end of string');
      if (precision !== undefined && verb === '')
        throw new CelError('could not parse formatting clause: error while parsing precision: could not find end of precision specifier');
      if (precision === '')
        throw new CelError(
          'could not parse formatting clause: error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax',
        );
      const clause = Object.hasOwn(clauses, verb) ? clauses[verb] : undefined;
      if (!clause) throw new CelError(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
      parts.push({ clause, precision: precision === undefined ? undefined : Number(precision), index });
      index += 1;
    }
  }
  return parts;
}

/** Whether a clause can't write values of a type; what is wrong then. */
export function clauseProblem({ takes, problem }: Clause, kind: TypeKind, name: string): string | undefined {
  if (kind === 'dyn' || kind === 'error' || kind === 'param' || takes.includes(kind)) return undefined;
  return `error during formatting: ${problem}, was given ${name}`;
}

function written({ clause, precision }: Exclude<FormatPart, string>, value: unknown): string {
  try {
    return clause.write(value, precision);
  } catch (error) {
    throw error instanceof CelError ? new CelError(`error during formatting: ${error.message}`) : error;
  }
}

/** @throws CelError */
export function formatString(format: string, values: readonly unknown[]): string {
  const parts = parseFormat(format, values.length).map((part) => {
    if (typeof part === 'string') return part;
    const value = values[part.index];
    const type = typeOf(value);
    const isWrongText = typeof value === 'string' && part.clause.takes[0] === 'double' && !Object.hasOwn(specialNumbers, value);
    const problem = clauseProblem(part.clause, type.kind, type.name);
    if (problem !== undefined || isWrongText)
      throw new CelError(problem ?? `error during formatting: ${part.clause.problem}, was given ${type.name}`);
    const text = written(part, value);
    work(text.length);
    return text;
  });
  return parts.join('');
}
