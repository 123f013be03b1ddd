import { expect, it } from 'vitest';
import type { NodeSelectorTerm } from '../generated/core.v1.ts';
import { matchesRequiredNodeAffinity, termSelectsNode } from './node-selection.ts';

const labels = { zone: 'a', cores: '8' };
const expression = (key: string, operator: string, ...values: string[]): NodeSelectorTerm => ({
  matchExpressions: [{ key, operator: operator as 'In', values }],
});

it.each<[NodeSelectorTerm, boolean]>([
  [{}, false],
  [expression('zone', 'In', 'a', 'b'), true],
  [expression('zone', 'NotIn', 'a'), false],
  [expression('rack', 'NotIn', 'a'), true],
  [expression('zone', 'Exists'), true],
  [expression('rack', 'DoesNotExist'), true],
  [expression('cores', 'Gt', '7'), true],
  [expression('cores', 'Lt', '8'), false],
  [expression('zone', 'Gt', '1'), false],
  [expression('constructor', 'Exists'), false],
  [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] }, true],
  [{ ...expression('zone', 'In', 'a'), matchFields: [{ key: 'metadata.name', operator: 'In', values: ['other'] }] }, false],
])('%j selects the node: %s', (term, expected) => {
  expect(termSelectsNode(term, 'n', labels)).toBe(expected);
});

it('asks for the node selector and for one of the terms', () => {
  const affinity = {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [expression('zone', 'In', 'b'), expression('zone', 'In', 'a')] },
    },
  };
  expect(matchesRequiredNodeAffinity({ affinity, nodeSelector: { cores: '8' } }, 'n', labels)).toBe(true);
  expect(matchesRequiredNodeAffinity({ affinity, nodeSelector: { cores: '4' } }, 'n', labels)).toBe(false);
  expect(matchesRequiredNodeAffinity({}, 'n', {})).toBe(true);
});
