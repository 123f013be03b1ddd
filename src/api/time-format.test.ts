import { expect, it } from 'vitest';
import { formatGoMilliseconds, goDurationMs } from './time-format.ts';

it.each([
  ['1h30m', 5_400_000],
  ['250ms', 250],
  ['1.5s', 1500],
  ['100us', 0.1],
  ['-10s', -10_000],
  ['0', 0],
])('%s is %d ms', (text, ms) => {
  expect(goDurationMs(text)).toBe(ms);
});

it.each([
  ['', 'invalid duration'],
  ['abc', 'invalid duration'],
  ['10', 'missing unit in duration'],
  ['5 s', 'unknown unit " s" in duration'],
  ['1h10s!', 'unknown unit "s!" in duration'],
])('%j is no duration', (text, why) => {
  expect(() => goDurationMs(text)).toThrow(`time: ${why} ${JSON.stringify(text)}`);
});

it.each([
  [0, '0s'],
  [350.4, '350ms'],
  [1204, '1.204s'],
  [70_000, '1m10s'],
  [3_600_000, '1h0m0s'],
])('%d ms are %s', (ms, text) => {
  expect(formatGoMilliseconds(ms)).toBe(text);
});
