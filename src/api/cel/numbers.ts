/** Doubles as Go writes them. */

/** As `%g`: `1.5`, `1e+06`, `NaN`. */
export function formatDouble(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (Object.is(value, -0)) return '-0';
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e');
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(value);
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

/** A finite double as `mantissa * 2^exponent`, both whole. */
function partsOf(value: number): { mantissa: bigint; exponent: number } {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const all = bits.getBigUint64(0);
  const raised = Number((all >> 52n) & 0x7ffn);
  const fraction = all & 0xfffffffffffffn;
  return raised === 0 ? { mantissa: fraction, exponent: -1074 } : { mantissa: fraction | (1n << 52n), exponent: raised - 1075 };
}

/** What is behind more digits is zero. */
const maxFractionDigits = 1074;

/** As `%.Nf`, exactly: of two that are as near the even one, which `toFixed` does not do. */
export function formatFixed(value: number, digits: number): string {
  const kept = Math.min(digits, maxFractionDigits);
  const { mantissa, exponent } = partsOf(Math.abs(value));
  let scaled = mantissa * 10n ** BigInt(kept);
  if (exponent >= 0) scaled <<= BigInt(exponent);
  else {
    const unit = 1n << BigInt(-exponent);
    const [whole, rest] = [scaled / unit, 2n * (scaled % unit)];
    scaled = rest > unit || (rest === unit && whole % 2n === 1n) ? whole + 1n : whole;
  }
  const text = String(scaled).padStart(kept + 1, '0');
  const point = text.length - kept;
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  return `${sign}${text.slice(0, point)}${digits > 0 ? '.' : ''}${text.slice(point)}${'0'.repeat(digits - kept)}`;
}

/** As `%.Ne`: `1.500000e+00`. */
export function formatScientific(value: number, digits: number): string {
  return value.toExponential(digits).replace(/e([+-])(\d)$/, 'e$10$2');
}
