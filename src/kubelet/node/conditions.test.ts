import { expect, it } from 'vitest';
import { conditionEvents, nodeConditions } from './conditions.ts';

const at = '2026-01-01T00:00:00Z';
const well = { memory: false, disk: false, pid: false };

it('tells a new node free of pressure, and afterwards what has changed', () => {
  const first = nodeConditions(['no network'], well, [], at);
  expect(conditionEvents([], first)).toEqual(['NodeHasSufficientMemory', 'NodeHasNoDiskPressure', 'NodeHasSufficientPID']);
  expect(conditionEvents(first, first)).toEqual([]);
  const later = nodeConditions([], { ...well, disk: true }, first, at);
  expect(conditionEvents(first, later)).toEqual(['NodeHasDiskPressure', 'NodeReady']);
  // As the node controller leaves them when the node is not heard of.
  const unknown = later.map((c) => ({ ...c, status: 'Unknown' as const }));
  expect(conditionEvents(unknown, first)).toEqual([
    'NodeHasSufficientMemory',
    'NodeHasNoDiskPressure',
    'NodeHasSufficientPID',
    'NodeNotReady',
  ]);
});
