import { expect, it } from 'vitest';
import type { Taint, Toleration } from '../generated/core.v1.ts';
import { toleratesTaint, untoleratedTaint } from './taints.ts';

const taint = (value?: string): Taint => ({ key: 'k', effect: 'NoSchedule', ...(value === undefined ? {} : { value }) });

it.each<[Toleration, Taint, boolean]>([
  [{ operator: 'Exists' }, taint('x'), true],
  [{ key: 'k', operator: 'Exists', effect: 'NoExecute' }, taint('x'), false],
  [{ key: 'other', operator: 'Exists' }, taint('x'), false],
  [{ key: 'k', value: 'x' }, taint('x'), true],
  [{ key: 'k', operator: 'Equal', value: 'y' }, taint('x'), false],
  [{ key: 'k' }, taint(), true],
  [{ key: 'k', operator: 'Lt', value: '10' }, taint('9'), true],
  [{ key: 'k', operator: 'Gt', value: '10' }, taint('9'), false],
  [{ key: 'k', operator: 'Gt', value: '010' }, taint('99'), false],
])('%j tolerates %j: %s', (toleration, on, expected) => {
  expect(toleratesTaint(toleration, on)).toBe(expected);
});

it('finds the first taint that keeps a pod away', () => {
  const taints = [taint('a'), taint('b')];
  expect(untoleratedTaint(taints, [{ key: 'k', value: 'a' }])).toBe(taints[1]);
  expect(untoleratedTaint(taints, [{ operator: 'Exists' }])).toBeUndefined();
  expect(untoleratedTaint(taints, undefined)).toBe(taints[0]);
});
