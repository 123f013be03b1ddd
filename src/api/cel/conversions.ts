/** From one type to another, and what types are called (google/cel-go/common/stdlib). */
import { type Environment, member, overload } from './declarations.ts';
import { formatDouble } from './numbers.ts';
import { intOf, uintOf } from './operators.ts';
import {
  durationParts,
  formatDuration,
  formatTimestamp,
  inZone,
  parseDuration,
  parseTimestamp,
  secondsOf,
  timeParts,
  timestampOfSeconds,
} from './times.ts';
import {
  boolType,
  bytesType,
  type CelType,
  doubleType,
  durationType,
  dynType,
  intType,
  listOf,
  mapOf,
  nullType,
  stringType,
  timestampType,
  typeOfType,
  typeParam,
  uintType,
} from './types.ts';
import { CelError, type Duration, type Timestamp, TypeValue, typeOf, Uint } from './values.ts';

const a = typeParam('A');
const same = (value: unknown) => value;

const failed = (from: CelType, to: CelType) => new CelError(`type conversion error from '${from.name}' to '${to.name}'`);

/** What a text says, or an error. */
function read<T>(value: T | undefined, type: CelType): T {
  if (value === undefined) throw failed(stringType, type);
  return value;
}

const wholeNumber = (text: string) => (/^[+-]?\d+$/.test(text) ? BigInt(text.replace(/^\+/, '')) : undefined);

function intFrom(text: string): bigint {
  const value = read(wholeNumber(text), intType);
  if (BigInt.asIntN(64, value) !== value) throw failed(stringType, intType);
  return value;
}

function uintFrom(text: string): Uint {
  const value = read(/^\d+$/.test(text) ? BigInt(text) : undefined, uintType);
  if (value >= 2n ** 64n) throw failed(stringType, uintType);
  return new Uint(value);
}

function doubleFrom(text: string): number {
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (/^nan$/i.test(text)) return Number.NaN;
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
  if (value === undefined || !Number.isFinite(value)) throw failed(stringType, doubleType);
  return value;
}

const truths: Readonly<Record<string, boolean>> = {
  1: true,
  t: true,
  T: true,
  true: true,
  TRUE: true,
  True: true,
  0: false,
  f: false,
  F: false,
  false: false,
  FALSE: false,
  False: false,
};

const boolFrom = (text: string) => read(Object.hasOwn(truths, text) ? truths[text] : undefined, boolType);

/** Toward zero; within the numbers that doubles hold exactly at the ends. */
function fromDouble(value: number, isSigned: boolean): bigint | undefined {
  if (!Number.isFinite(value)) return undefined;
  const limit = isSigned ? 2 ** 63 : 2 ** 64;
  return value > (isSigned ? -limit : -1) && value < limit && (isSigned || value >= 0) ? BigInt(Math.trunc(value)) : undefined;
}

function intFromDouble(value: number): bigint {
  const int = fromDouble(value, true);
  if (int === undefined) throw new CelError('integer overflow');
  return int;
}

function uintFromDouble(value: number): Uint {
  const uint = fromDouble(value, false);
  if (uint === undefined) throw new CelError('unsigned integer overflow');
  return new Uint(uint);
}

/** @throws CelError for what is not UTF-8 */
export function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CelError('invalid UTF-8 in bytes, cannot convert to string');
  }
}

function declareScalars(environment: Environment): void {
  environment
    .function('bool', overload([boolType], boolType, same), overload([stringType], boolType, boolFrom))
    .function(
      'bytes',
      overload([bytesType], bytesType, same),
      overload([stringType], bytesType, (text: string) => new TextEncoder().encode(text), { id: 'string_to_bytes' }),
    )
    .function(
      'double',
      overload([doubleType], doubleType, same),
      overload([intType], doubleType, Number),
      overload([stringType], doubleType, doubleFrom),
      overload([uintType], doubleType, ({ value }: Uint) => Number(value)),
    )
    .function('dyn', overload([a], dynType, same))
    .function(
      'int',
      overload([intType], intType, same),
      overload([doubleType], intType, intFromDouble),
      overload([durationType], intType, ({ nanos }: Duration) => nanos),
      overload([stringType], intType, intFrom),
      overload([timestampType], intType, secondsOf),
      overload([uintType], intType, ({ value }: Uint) => intOf(value)),
    )
    .function(
      'uint',
      overload([uintType], uintType, same),
      overload([doubleType], uintType, uintFromDouble),
      overload([intType], uintType, uintOf),
      overload([stringType], uintType, uintFrom),
    )
    .function(
      'string',
      overload([stringType], stringType, same),
      overload([boolType], stringType, String),
      overload([bytesType], stringType, textOf, { id: 'bytes_to_string' }),
      overload([doubleType], stringType, formatDouble),
      overload([durationType], stringType, formatDuration),
      overload([intType], stringType, String),
      overload([timestampType], stringType, formatTimestamp),
      overload([uintType], stringType, ({ value }: Uint) => String(value)),
    );
}

function declareTimes(environment: Environment): void {
  environment
    .function(
      'duration',
      overload([durationType], durationType, same),
      overload([stringType], durationType, (text: string) => read(parseDuration(text), durationType)),
    )
    .function(
      'timestamp',
      overload([timestampType], timestampType, same),
      overload([intType], timestampType, timestampOfSeconds),
      overload([stringType], timestampType, (text: string) => read(parseTimestamp(text), timestampType)),
    );
  for (const [name, part] of Object.entries(timeParts)) {
    const read = (time: Timestamp, zone = '') => BigInt(part(inZone(time, zone)));
    environment.function(name, member([timestampType], intType, read), member([timestampType, stringType], intType, read));
  }
  for (const [name, part] of Object.entries(durationParts)) environment.function(name, member([durationType], intType, part));
}

export function declareConversions(environment: Environment): void {
  declareScalars(environment);
  declareTimes(environment);
  environment.function(
    'type',
    overload([a], typeOfType(a), (value: unknown) => new TypeValue(typeOf(value))),
  );
  for (const type of [boolType, bytesType, doubleType, durationType, intType, nullType, stringType, timestampType, uintType])
    environment.type(type.name, type);
  environment.type('list', listOf(dynType)).type('map', mapOf(dynType, dynType)).type('type', typeOfType());
}
