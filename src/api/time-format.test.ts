import { expect, it } from 'vitest';
import { formatGoMilliseconds, goDurationMs, readTime } from './time-format.ts';

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
  ['1m.5.5s', 'missing unit in duration'],
  ['3000000h', 'invalid duration'],
  ['9223372036854775808ns', 'invalid duration'],
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

it.each([
  ['2024-01-01T00:00:00', 'as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"'],
  ['2024-1-01T00:00:00Z', 'as "2006-01-02T15:04:05Z07:00": cannot parse "1-01T00:00:00Z" as "01"'],
  ['2024-01-01t00:00:00Z', 'as "2006-01-02T15:04:05Z07:00": cannot parse "t00:00:00Z" as "T"'],
])('%s is no time: %s', (text, why) => {
  expect(readTime(text, 'time')).toBe(`parsing time "${text}" ${why}`);
});

it.each([
  ['2024-13-01T00:00:00Z', 'month out of range'],
  ['2024-02-30T00:00:00Z', 'day out of range'],
  ['2024-01-01T24:00:00Z', 'hour out of range'],
  ['2024-01-01T00:00:00+25:00', 'time zone offset hour out of range'],
  ['2024-01-01T00:00:00Zx', 'extra text: "x"'],
  ['2024-01-01T00:00:00Zé', 'extra text: "\\xc3\\xa9"'],
])('%s: %s', (text, why) => {
  expect(readTime(text, 'time')).toContain(`: ${why}`);
});

it('takes six digits of a MicroTime, no more and no fewer', () => {
  expect(readTime('2024-01-01T00:00:00.000001+01:00', 'microTime')).toEqual({ seconds: 1704063600, nanos: 1000 });
  expect(readTime('2024-01-01T00:00:00Z', 'microTime')).toContain('cannot parse "Z" as ".000000"');
  expect(readTime('2024-01-01T00:00:00.0000001Z', 'microTime')).toContain('cannot parse "1Z" as "Z07:00"');
});
