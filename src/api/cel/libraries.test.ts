import { expect, test } from 'vitest';
import { celEnvironment, compileExpression } from './environment.ts';
import { CostError } from './metering.ts';

const evaluate = (source: string) => compileExpression(celEnvironment(), source).evaluate({}, { left: 1e9 });

test.each([
  "semver('1.2.3').major() == 1 && semver('1.2.3-alpha').isLessThan(semver('1.2.3')) && !isSemver('v1')",
  "semver('v1.2', true).compareTo(semver('1.2.0')) == 0",
  "{'a': 1, 'b': 2}.all(k, v, v < 3) && {'a': 1}.exists(k, v, k == 'a') && [1, 2].existsOne(i, v, i == 0)",
  "{'a': 1}.transformMap(k, v, v + 1) == {'a': 2} && [1, 2, 3].transformList(i, v, v > 1, v * i) == [2, 6]",
  "['a', 'b'].transformMapEntry(i, v, {v: i}) == {'a': 0, 'b': 1}",
  '[[1, 2], [3]].all(i, row, row.all(j, x, x > i + j))',
  'optional.of(1).optMap(x, x + 1).value() == 2 && !optional.none().optMap(x, x).hasValue()',
  '[3, 1, 2].sort() == [1, 2, 3] && [[1], [2]].flatten() == [1, 2] && [1, 2, 3].slice(1, 3) == [2, 3] && lists.range(3) == [0, 1, 2]',
  "ip.isCanonical('127.0.0.1') && !ip.isCanonical('0:0::1') && ip('8.8.8.8').isGlobalUnicast()",
  "format.named('dns1123Label').value().validate('a').hasValue() == false",
])('%s', (source) => {
  expect(evaluate(source)).toBe(true);
});

test.each([
  'lists.range(1000000000).size() > 0',
  'lists.range(1000).all(i, a, lists.range(1000).all(j, b, a + b >= 0))',
  'lists.range(10000).transformList(i, v, lists.range(10000)).size() > 0',
])('%s costs too much', (source) => {
  expect(() => evaluate(source)).toThrow(CostError);
});

test.each(["semver('x').major() == 1", '[1].slice(0, 2) == []'])('%s fails', (source) => {
  expect(() => evaluate(source)).toThrow();
});
