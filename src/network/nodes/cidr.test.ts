import { expect, it } from 'vitest';
import { contains, overlaps } from './cidr.ts';

it.each<[string, string, boolean]>([
  ['10.0.0.0/8', '10.244.0.0/16', true],
  ['10.244.0.0/16', '10.0.0.0/8', true],
  ['10.244.1.0/24', '10.244.2.0/24', false],
  ['10.244.1.7', '10.244.1.0/24', true],
  ['10.244.1.7/24', '10.244.1.200', true],
  ['default', '10.244.0.0/16', false],
  ['fd00::/64', 'fd00::1', true],
  ['::/0', '10.0.0.0/8', false],
])('%s and %s overlap: %s', (a, b, expected) => {
  expect(overlaps(a, b)).toBe(expected);
});

it('knows the addresses of a range', () => {
  expect([contains('172.18.0.0/16', '172.18.0.3'), contains('172.18.0.0/16', '172.19.0.3'), contains('172.18.0.0/16', '')]).toEqual([
    true,
    false,
    false,
  ]);
});
