/**
 * Quantities (`resource.Quantity`): exact decimal numbers with a suffix, `500m`, `1.5Gi`, `2e3`. A value is an integer number of
 * nano-units, so arithmetic and comparison are exact; upstream rounds what is finer up to the next nano, as here.
 */

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

export interface Quantity {
  /** The value times 10^9. */
  readonly nano: bigint;
  /** How it is written. */
  readonly format: QuantityFormat;
  /** As it was written, where upstream takes that for canonical and so keeps it: `1.234`, `1E3`, `+5`. */
  readonly text?: string;
}

const NANO = 1_000_000_000n;
/** Upstream's bound of binary quantities, 2^63-1 units; larger ones are capped. Others have none. */
const MAX_NANO = 9_223_372_036_854_775_807n * NANO;

const binaryExponents: Record<string, number> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };
const decimalExponents: Record<string, number> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const decimalSuffixes: Record<number, string> = {
  [-9]: 'n',
  [-6]: 'u',
  [-3]: 'm',
  0: '',
  3: 'k',
  6: 'M',
  9: 'G',
  12: 'T',
  15: 'P',
  18: 'E',
};
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

const pattern = /^([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[-+]?\d*)$/;

export const quantityFormatMessage = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const suffixMessage = "unable to parse quantity's suffix";
const numberMessage = 'unable to parse numeric part of quantity';

interface Suffix {
  format: QuantityFormat;
  /** Of 2 for binary suffixes, of 10 for others. */
  exponent: number;
}

function readSuffix(suffix: string): Suffix | undefined {
  const decimal = decimalExponents[suffix];
  if (decimal !== undefined) return { format: 'DecimalSI', exponent: decimal };
  const binary = binaryExponents[suffix];
  if (binary !== undefined) return { format: 'BinarySI', exponent: binary };
  if (!/^[eE][+-]?\d{1,18}$/.test(suffix)) return undefined;
  // The bound keeps hostile input cheap.
  return { format: 'DecimalExponent', exponent: Math.max(-1000, Math.min(1000, Number(suffix.slice(1)))) };
}

/**
 * Upstream's quick way for numbers of few digits, which keeps the text of those it takes for canonical, and takes a missing number for 0.
 */
function keepsText(whole: string, fraction: string, { format, exponent }: Suffix): { quick: boolean; keeps: boolean } {
  const digits = whole.replace(/^0+/, '') || '0';
  if (format === 'BinarySI') {
    const quick = fraction === '' && 14 - digits.length - Math.trunc((exponent * 3) / 10) >= 0;
    return { quick, keeps: quick && (BigInt(digits) & 7n) !== 0n };
  }
  const shifted = digits + fraction;
  const scale = exponent - fraction.length;
  const quick = shifted.length <= 18 && scale >= -9;
  return { quick, keeps: quick && scale % 3 === 0 && !shifted.endsWith('000') && !shifted.startsWith('0') };
}

function divideAwayFromZero(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  if (quotient * by === value) return quotient;
  return value < 0n ? quotient - 1n : quotient + 1n;
}

/** Answers what is wrong with a text that is no quantity. */
function parseText(text: string): Quantity | string {
  const match = text === '' ? null : pattern.exec(text);
  if (!match) return quantityFormatMessage;
  const [, sign = '', whole = '', fraction = '', suffixText = ''] = match;
  const suffix = readSuffix(suffixText);
  if (!suffix) return suffixMessage;
  // Longer numbers say nothing; the bound keeps hostile input cheap.
  if (whole.length + fraction.length > 400) return numberMessage;
  const { quick, keeps } = keepsText(whole, fraction, suffix);
  if (whole === '' && fraction === '' && !quick) return numberMessage;
  const { format, exponent } = suffix;
  const digits = BigInt(whole + fraction);
  const [value, scale] = format === 'BinarySI' ? [digits << BigInt(exponent), 9] : [digits, 9 + exponent];
  const power = scale - fraction.length;
  const exact = power >= 0 ? value * 10n ** BigInt(power) : divideAwayFromZero(value, 10n ** BigInt(-power));
  const size = format === 'BinarySI' && exact > MAX_NANO ? MAX_NANO : exact;
  // Below one unit there is no binary suffix: such a quantity is a decimal one from here on.
  const isFraction = format === 'BinarySI' && size < NANO && size > 0n;
  return { nano: sign === '-' ? -size : size, format: isFraction ? 'DecimalSI' : format, ...(keeps ? { text } : {}) };
}

/** What is wrong with a text that is no quantity. */
export function quantityError(text: string): string {
  const wrong = parseText(text);
  return typeof wrong === 'string' ? wrong : '';
}

/** Few distinct quantities occur in a cluster, each many times. */
const parsed = new Map<string, Quantity>();

/** Reads a quantity; a JSON number is read as its decimal text. Answers undefined for what is none. */
export function tryParseQuantity(text: string | number): Quantity | undefined {
  const key = typeof text === 'number' ? String(text) : text;
  const known = parsed.get(key);
  if (known) return known;
  const quantity = parseText(key);
  if (typeof quantity === 'string') return undefined;
  if (key.length <= 32) {
    if (parsed.size >= 4096) parsed.clear();
    parsed.set(key, quantity);
  }
  return quantity;
}

/**
 * Reads a quantity.
 * @throws RangeError with upstream's message if it is none.
 */
export function parseQuantity(text: string | number): Quantity {
  const quantity = tryParseQuantity(text);
  if (!quantity) throw new RangeError(quantityError(String(text)));
  return quantity;
}

function decimalText(nano: bigint, exponentForm: boolean): string {
  let mantissa = nano;
  let exponent = -9;
  while ((exponentForm || exponent < 18) && mantissa % 1000n === 0n) {
    mantissa /= 1000n;
    exponent += 3;
  }
  if (exponentForm) return exponent === 0 ? `${mantissa}` : `${mantissa}e${exponent}`;
  return `${mantissa}${decimalSuffixes[exponent]}`;
}

/** The canonical text: no fraction, the largest suffix that keeps the value whole. */
export function formatQuantity({ nano, format, text }: Quantity): string {
  if (text !== undefined) return text;
  if (nano === 0n) return '0';
  // Small and fractional values keep their precision in decimal form: 1.1Gi is 1181116006400m.
  const decimal = format !== 'BinarySI' || (nano < 1024n * NANO && nano > -1024n * NANO) || nano % NANO !== 0n;
  if (decimal) return decimalText(nano, format === 'DecimalExponent');
  let units = nano / NANO;
  let step = 0;
  while (step < 6 && units % 1024n === 0n) {
    units /= 1024n;
    step++;
  }
  return `${units}${binarySuffixes[step]}`;
}

/** The canonical form of a quantity as it came: `1000m` becomes `1`; what is no quantity comes back as it was. */
export function canonicalQuantity(text: string | number): string {
  const quantity = tryParseQuantity(text);
  return quantity ? formatQuantity(quantity) : String(text);
}

/** A canonical quantity, rounded up (away from zero) to thousandths. */
export function roundUpToMilli(text: string): string {
  // Only what is written so can be finer.
  if (!/[nueE]/.test(text)) return text;
  const quantity = tryParseQuantity(text);
  if (!quantity || quantity.nano % 1_000_000n === 0n) return text;
  return formatQuantity({ nano: divideAwayFromZero(quantity.nano, 1_000_000n) * 1_000_000n, format: quantity.format });
}

type Operand = Quantity | string | number;
const read = (q: Operand): Quantity => (typeof q === 'object' ? q : parseQuantity(q));

/** Negative, 0 or positive as `a` is less than, equal to or more than `b`. */
export function compareQuantities(a: Operand, b: Operand): number {
  const x = read(a).nano;
  const y = read(b).nano;
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Zero takes the other's format, as upstream's `Add` does. */
const resultFormat = (a: Quantity, b: Quantity) => (a.nano === 0n ? b.format : a.format);

export function addQuantities(a: Operand, b: Operand): Quantity {
  const x = read(a);
  const y = read(b);
  return { nano: x.nano + y.nano, format: resultFormat(x, y) };
}

export function subtractQuantities(a: Operand, b: Operand): Quantity {
  const x = read(a);
  const y = read(b);
  return { nano: x.nano - y.nano, format: resultFormat(x, y) };
}

/** The value in whole units, rounded up (away from zero). */
export function quantityValue(q: Operand): number {
  return Number(divideAwayFromZero(read(q).nano, NANO));
}

/** The value in thousandths, rounded up (away from zero): CPU in millicores. */
export function quantityMilliValue(q: Operand): number {
  return Number(divideAwayFromZero(read(q).nano, 1_000_000n));
}

/** The value as a floating-point number, for metrics. */
export function quantityToNumber(q: Operand): number {
  return Number(read(q).nano) / 1e9;
}

export function quantityFromMilli(milli: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
  return { nano: BigInt(milli) * 1_000_000n, format };
}

export function quantityFromValue(value: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
  return { nano: BigInt(value) * NANO, format };
}

export const zeroQuantity: Quantity = { nano: 0n, format: 'DecimalSI' };
