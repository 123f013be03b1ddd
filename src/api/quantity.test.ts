import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  quantityMilliValue,
  quantityValue,
  subtractQuantities,
  tryParseQuantity,
} from './quantity.ts';

describe('quantities', () => {
  it.each([
    ['1000m', '1'],
    ['1.5Gi', '1536Mi'],
    ['0.5', '500m'],
    ['1024Mi', '1Gi'],
    ['1e3', '1e3'],
    ['1000e0', '1e3'],
    ['0.5Ki', '512'],
    ['1.1Gi', '1181116006400m'],
    ['1500k', '1500k'],
    ['-1Gi', '-1Gi'],
    ['0.1n', '1n'],
    ['5.', '5'],
    ['0Gi', '0'],
    ['9999999999999999999', '9223372036854775807'],
  ])('writes %s as %s', (text, canonical) => {
    expect(canonicalQuantity(text)).toBe(canonical);
  });

  it.each(['', '.', '1Kii', '1 Gi', '1e', '0x10', 'Gi', '--1', '1ki'])('refuses %j', (text) => {
    expect(tryParseQuantity(text)).toBeUndefined();
    expect(() => parseQuantity(text)).toThrow(/quantities must match the regular expression|unable to parse quantity's suffix/);
  });

  it('computes exactly', () => {
    expect(formatQuantity(addQuantities('0.1', '0.2'))).toBe('300m');
    expect(formatQuantity(subtractQuantities('1Gi', '512Mi'))).toBe('512Mi');
    expect(formatQuantity(addQuantities('0', '1Gi'))).toBe('1Gi');
    expect(compareQuantities('1Gi', '1G')).toBe(1);
    expect(quantityValue('1001m')).toBe(2);
    expect(quantityMilliValue('250u')).toBe(1);
  });

  it('is stable: the canonical form of a canonical form is itself, and means the same', () => {
    const suffix = fc.constantFrom('', 'n', 'u', 'm', 'k', 'M', 'G', 'T', 'P', 'E', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'e3', 'E-4', 'e12');
    fc.assert(
      fc.property(fc.integer(), fc.nat(999), suffix, (whole, fraction, s) => {
        const text = `${whole}.${fraction}${s}`;
        const once = canonicalQuantity(text);
        expect(canonicalQuantity(once)).toBe(once);
        expect(compareQuantities(text, once)).toBe(0);
      }),
    );
  });
});
