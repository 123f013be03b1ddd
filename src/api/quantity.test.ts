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
  roundUpToMilli,
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
    ['5.', '5.'],
    ['0Gi', '0'],
    ['9Ei', '9223372036854775807'],
    ['9999999999999999999', '9999999999999999999'],
    ['-9223372036854775809.1', '-9223372036854775809100m'],
    ['12E', '12E'],
    ['1e21', '1e21'],
    ['-0.0001Ki', '-102400u'],
    // Nothing before a suffix is 0; what upstream takes for canonical stays as it is.
    ['.', '0'],
    ['m', '0'],
    ['1.234', '1.234'],
    ['1.000', '1'],
    ['007', '007'],
    ['1E3', '1E3'],
    ['+5', '+5'],
  ])('writes %s as %s', (text, canonical) => {
    expect(canonicalQuantity(text)).toBe(canonical);
  });

  it.each([
    ['', 'quantities must match the regular expression'],
    ['1.1.M', 'quantities must match the regular expression'],
    ['0x10', 'quantities must match the regular expression'],
    ['1 Gi', 'quantities must match the regular expression'],
    ['1Kii', "unable to parse quantity's suffix"],
    ['1e', "unable to parse quantity's suffix"],
    ['-3.01e-', "unable to parse quantity's suffix"],
    ['--1', "unable to parse quantity's suffix"],
    ['1ki', "unable to parse quantity's suffix"],
    ['Ei', 'unable to parse numeric part of quantity'],
  ])('refuses %j: %s', (text, message) => {
    expect(tryParseQuantity(text)).toBeUndefined();
    expect(() => parseQuantity(text)).toThrow(message);
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
        // What was in halves of a Ki is in plain bytes then, and those are counted in tens: 76846812.5Ki, 78691136000, 78691136k, as upstream.
        if (!s.endsWith('i') || once.endsWith('i')) expect(canonicalQuantity(once)).toBe(once);
        expect(compareQuantities(text, once)).toBe(0);
        expect(compareQuantities(once, canonicalQuantity(once))).toBe(0);
      }),
    );
  });
});

it('what is finer than thousandths is rounded up, however its exponent is written', () => {
  expect(['1n', '8e-9', '8E-9', '2E3'].map(roundUpToMilli)).toEqual(['1m', '1e-3', '1e-3', '2E3']);
});
