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

it.each(['', 'abc', '10', '5 s', '10s!'])('%j is no duration', (text) => {
  expect(() => goDurationMs(text)).toThrow(`time: invalid duration ${JSON.stringify(text)}`);
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
