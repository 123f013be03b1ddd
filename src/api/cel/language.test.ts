import { expect, test } from 'vitest';
import { CompileError, celEnvironment, compileExpression } from './environment.ts';
import { type Budget, CostError } from './metering.ts';
import { boolType, dynType, intType, listOf, mapOf, stringType } from './types.ts';
import { CelError } from './values.ts';

const environment = celEnvironment()
  .variable('x', intType)
  .variable('s', stringType)
  .variable('ints', listOf(intType))
  .variable('texts', listOf(stringType))
  .variable('map', mapOf(stringType, intType))
  .variable('maps', mapOf(stringType, mapOf(stringType, intType)))
  .variable('any', dynType)
  .variable('a', boolType)
  .variable('b', boolType);

const variables = {
  x: 1n,
  s: 'text',
  ints: [1n, 2n],
  texts: ['a', 'b'],
  map: new Map([['key', 1n]]),
  maps: new Map([['key', new Map([['inner', 1n]])]]),
  any: 'anything',
  a: false,
  b: false,
};

const evaluate = (source: string, given: Record<string, unknown> = {}) =>
  compileExpression(environment, source).evaluate({ ...variables, ...given }, { left: 1e9 });

function costOf(source: string, given: Record<string, unknown> = {}): number {
  const budget: Budget = { left: 1e9 };
  compileExpression(environment, source).evaluate({ ...variables, ...given }, budget);
  return 1e9 - budget.left;
}

function compileProblem(source: string): string {
  try {
    compileExpression(environment, source);
  } catch (error) {
    if (error instanceof CompileError) return error.message.replace(/^compilation failed: /, '');
    throw error;
  }
  return '';
}

function failure(source: string, given: Record<string, unknown> = {}): string {
  try {
    evaluate(source, given);
  } catch (error) {
    if (error instanceof CelError) return error.message;
    throw error;
  }
  return '';
}

test.each([
  '1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 7 / 2 == 3 && -7 % 3 == -1 && 1u + 2u == 3u',
  'dyn(1) == 1.0 && dyn(1u) == 1 && 1 < 1.5 && 2u > 1 && 0x10 == 16 && 1e3 == 1000.0 && .5 == 0.5',
  "'a' + 'b' == \"ab\" && r'\\n' == '\\\\n' && '''a\nb''' == 'a\\nb' && '\\x41\\u0042\\103' == 'ABC' && b'\\xff' != b'\\xfe'",
  "size('héllo😀') == 6 && '😀a'.charAt(1) == 'a' && 'a😀b'.substring(1, 2) == '😀' && 'a😀b'.indexOf('b') == 2",
  '[1, 2] + [3] == [1, 2, 3] && 2 in [1, 2] && !(3 in [1, 2]) && [1, 2][1] == 2 && size([]) == 0',
  "{'a': 1}['a'] == 1 && 'a' in {'a': 1} && {'a': 1}.a == 1 && has({'a': 1}.a) && !has({'a': 1}.b) && {1: 2}[dyn(1.0)] == 2",
  '[1, 2, 3].all(i, i > 0) && [1, 2].exists(i, i == 2) && [1, 2].exists_one(i, i == 2) && ![1, 2].existsOne(i, i > 0)',
  "[1, 2, 3].map(i, i * 2) == [2, 4, 6] && [1, 2, 3].map(i, i > 1, i * 2) == [4, 6] && {'a': 1}.map(k, k) == ['a']",
  '[1, 2, 3].filter(i, i > 1) == [2, 3] && [[1, 2], [3]].map(l, l.filter(i, i > 1)) == [[2], [3]]',
  '[0, 1].exists(i, 1 / i == 1) && ![0, 1].all(i, 1 / i == 2) && (1 / 0 == 1 || true) && !(1 / 0 == 1 && false)',
  "type(1) == int && type('') == string && type([]) == list && type(type(1)) == type && type(1u) == uint && type(null) == null_type",
  "int('12') == 12 && int(1.9) == 1 && double('1.5') == 1.5 && string(1) == '1' && string(1.5) == '1.5' && uint(2) == 2u && bool('true')",
  "string(b'abc') == 'abc' && bytes('a') == b'a' && string(true) == 'true' && dyn(1) == 1 && string(duration('1h30m')) == '5400s'",
  "timestamp('2023-01-01T00:00:00Z') + duration('1h') == timestamp('2023-01-01T01:00:00Z') && duration('1.5s').getMilliseconds() == 1500",
  "timestamp('2023-05-06T07:08:09.010Z').getFullYear() == 2023 && timestamp('2023-05-06T07:08:09Z').getDayOfMonth() == 5",
  "timestamp('2023-05-06T07:08:09Z').getHours('America/New_York') == 3 && timestamp('2023-05-06T07:08:09Z').getHours('+02:00') == 9",
  "timestamp('2023-05-06T07:08:09Z').getDayOfYear() == 125 && timestamp('2023-05-06T07:08:09Z').getDayOfWeek() == 6",
  "string(timestamp('2023-05-06T07:08:09.5Z')) == '2023-05-06T07:08:09.5Z' && int(timestamp(100)) == 100",
  "optional.of(1).value() == 1 && !optional.none().hasValue() && {'a': 1}.?b.orValue(2) == 2 && {'a': 1}[?'a'] == optional.of(1)",
  "optional.of(1).optMap(v, v + 1) == optional.of(2) && optional.of({'a': 1}).optFlatMap(m, m.?b) == optional.none()",
  "[?optional.of(1), ?optional.none()] == [1] && {?'a': optional.none(), 'b': 1} == {'b': 1} && optional.of(1).orValue(1 / 0) == 1",
  "map.?key.hasValue() && maps.?other.?inner == optional.none() && optional.of({'a': {'b': 1}}).a.b == optional.of(1)",
  "{'a': 1, 'b': 2}.all(k, v, v < 3) && [1, 2].transformList(i, v, v > 1, i + v) == [3] && {'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
  "['a', 'b'].transformMapEntry(i, v, {v: i}) == {'a': 0, 'b': 1} && [1, 2].existsOne(i, v, v == 2)",
  "[3, 1, 2].sort() == [1, 2, 3] && ['b', 'a'].sortBy(e, e) == ['a', 'b'] && [{'n': 2}, {'n': 1}].sortBy(m, m.n)[0].n == 1",
  '[[1], [2, 3]].flatten() == [1, 2, 3] && [dyn(1), dyn([[2]])].flatten(2) == [1, 2]',
  '[1, 2, 3].slice(1, 2) == [2] && [1, 1, 2].distinct() == [1, 2] && [1, 2].reverse() == [2, 1] && lists.range(2) == [0, 1]',
  "sets.contains([1, 2], [1]) && sets.equivalent([1, 1], [1]) && !sets.intersects([1], [2]) && ['a', 'b'].join('-') == 'a-b'",
  "'a,b,c'.split(',') == ['a', 'b', 'c'] && 'a,b,c'.split(',', 2) == ['a', 'b,c'] && 'ab'.replace('', '-') == '-a-b-' && ' a\\t'.trim() == 'a'",
  "'%s %d %.2f %x %b'.format([dyn('a'), 1, 1.5, 255, 5]) == 'a 1 1.50 ff 101' && '%s'.format([[dyn(1), 'a', {'k': 2.5}]]) == '[1, \"a\", {\"k\":2.500000}]'",
  "'%e'.format([1052.033]) == '1.052033\\u202f×\\u202f10⁰³' && '%.3f'.format([3140.0]) == '3,140.000' && '%s'.format([2.0e-9]) == '2e-09'",
  "'%.2e'.format([1052.033]) == '%e'.format([1052.033]) && '%e'.format(['NaN']) == '   NaN' && '%.1f'.format([0.25]) == '0.2'",
  "'%.0f|%.2f|%f'.format([-0.5, 1e21, -0.0]) == '-0|1,000,000,000,000,000,000,000.00|0.000000' && '%s'.format([[1234.5, -0.0]]) == '[1234.500000, -0.000000]'",
  "!has(any.nope) && !optional.of(any).?nope.hasValue() && !{'n': dyn(null)}.?n.?nope.hasValue()",
  "strings.quote('a\"b') == '\"a\\\\\"b\"' && 'abc'.matches('^a.c$') && 'abc'.find('b+') == 'b' && 'ab ac'.findAll('a.') == ['ab', 'ac']",
  'false ? 1 / 0 == 1 : true',
  "1 < 2 && 'a' < 'b' && b'a' < b'b' && false < true && duration('1s') < duration('1m')",
  '!(1 > 2) && !!true && -(-1) == 1 && --1 == 1',
  '[1, 2, 3,].size() == 3 && {"a": 1,}.size() == 1 // a comment',
])('%s', (source) => {
  expect(evaluate(source)).toBe(true);
});

test.each([
  ['ints[5] == 1', 'index out of bounds: 5'],
  ["map['nope'] == 1", 'no such key: nope'],
  ['map.nope == 1', 'no such key: nope'],
  ['x / 0 == 1', 'division by zero'],
  ['x % 0 == 1', 'modulus by zero'],
  ['9223372036854775807 + x > 0', 'integer overflow'],
  ['any + 1 == 2', 'no such overload'],
  ['any.size() == 1 || any > 1', 'no such overload'],
  ['any.nope', 'no such key: nope'],
  ['any[0] == 1', 'no such key: 0'],
  ['has(dyn(ints).nope)', "unsupported index type 'string' in list"],
  ['any.all(i, i > 0)', "got 'types.String', expected iterable type"],
  ['dyn(null).map(i, i) == []', "got 'types.Null', expected iterable type"],
  ['any.flatten() == []', 'no such overload'],
  [
    "'%s'.format([dyn([b'\\xff'])]) == ''",
    'error during formatting: could not convert argument "invalid UTF-8 in bytes, cannot convert to string" to string',
  ],
  ['optional.none().value() == 1', 'optional.none() dereference'],
  ["s.substring(3, 2) == ''", 'invalid substring range. start: 3, end: 2'],
  ["s.charAt(9) == ''", 'index out of range: 9'],
  ['ints.slice(0, 9) == []', 'cannot slice(0, 9), list is length 2'],
  ['ints.filter(i, i > 5).min() == 1', 'min called on empty list'],
  ["timestamp(s) < timestamp('2023-01-01T00:00:00Z')", "type conversion error from 'string' to 'google.protobuf.Timestamp'"],
  ['int(s) == 1', "type conversion error from 'string' to 'int'"],
  ['ints.all(i, i / 0 > 1)', 'division by zero'],
])('%s fails: %s', (source, message) => {
  expect(failure(source)).toBe(message);
});

const start = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

test.each([
  ['nope > 1', "ERROR: <input>:1:1: undeclared reference to 'nope' (in container '')\n | nope > 1\n | ^"],
  ['x + s', "ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'\n | x + s\n | ..^"],
  ['x.foo()', "ERROR: <input>:1:6: undeclared reference to 'foo' (in container '')\n | x.foo()\n | .....^"],
  ['s.size(1)', "ERROR: <input>:1:7: found no matching overload for 'size' applied to 'string.(int)'\n | s.size(1)\n | ......^"],
  ['x.field', "ERROR: <input>:1:2: type 'int' does not support field selection\n | x.field\n | .^"],
  ['x && a', "ERROR: <input>:1:1: expected type 'bool' but found 'int'\n | x && a\n | ^"],
  ['ints.all(i, i)', "ERROR: <input>:1:13: expected type 'bool' but found 'int'\n | ints.all(i, i)\n | ............^"],
  [
    'x.all(i, true)',
    "ERROR: <input>:1:1: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)\n | x.all(i, true)\n | ^",
  ],
  ['[1, s]', "ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, s]\n | ....^"],
  ['1.all(2, 3)', 'ERROR: <input>:1:7: argument must be a simple name\n | 1.all(2, 3)\n | ......^'],
  ['has(x)', 'ERROR: <input>:1:5: invalid argument to has() macro\n | has(x)\n | ....^'],
  ['x >', `ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting ${start}\n | x >\n | ...^`],
  [
    'a | b',
    "ERROR: <input>:1:3: Syntax error: token recognition error at: '| '\n | a | b\n | ..^\nERROR: <input>:1:5: Syntax error: extraneous input 'b' expecting <EOF>\n | a | b\n | ....^",
  ],
  [
    '1 + $',
    `ERROR: <input>:1:5: Syntax error: token recognition error at: '$'\n | 1 + $\n | ....^\nERROR: <input>:1:6: Syntax error: mismatched input '<EOF>' expecting ${start}\n | 1 + $\n | .....^`,
  ],
  ['1 + 2\n3 +', "ERROR: <input>:2:1: Syntax error: mismatched input '3' expecting <EOF>\n | 3 +\n | ^"],
  ['size(s', "ERROR: <input>:1:7: Syntax error: missing ')' at '<EOF>'\n | size(s\n | ......^"],
  ['false && while', 'ERROR: <input>:1:10: reserved identifier: while\n | false && while\n | .........^'],
  [
    '{',
    "ERROR: <input>:1:2: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '}', '(', '.', ',', '-', '!', '?', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | {\n | .^",
  ],
  ["s.matches('(')", "ERROR: <input>:1:11: invalid matches argument\n | s.matches('(')\n | ..........^"],
  ["duration('x') > duration('1s')", "ERROR: <input>:1:10: invalid duration argument\n | duration('x') > duration('1s')\n | .........^"],
  [
    "'%d'.format([s])",
    "ERROR: <input>:1:14: error during formatting: decimal clause can only be used on integers, was given string\n | '%d'.format([s])\n | .............^",
  ],
  ['Foo{a: 1}', "ERROR: <input>:1:4: undeclared reference to 'Foo' (in container '')\n | Foo{a: 1}\n | ...^"],
  ['0xFFFFFFFFFFFFFFFFF == 1', 'ERROR: <input>:1:1: invalid int literal\n | 0xFFFFFFFFFFFFFFFFF == 1\n | ^'],
  [
    'cel.bind(v, 1, v == 1)',
    "ERROR: <input>:1:1: undeclared reference to 'cel' (in container '')\n | cel.bind(v, 1, v == 1)\n | ^\nERROR: <input>:1:9: undeclared reference to 'bind' (in container '')",
  ],
])('%s does not compile', (source, message) => {
  expect(compileProblem(source)).toContain(message);
});

/** From google/cel-go/interpreter/runtimecost_test.go, less what lists and maps of constants cost there. */
test.each<[string, number, Record<string, unknown>?]>([
  ["'Hello World!'", 0],
  ['ints', 1],
  ["map['key']", 2],
  ['ints[0]', 2],
  ['map.key', 2],
  ["map['ke' + 'y']", 3],
  ['ints[1 - 1]', 3],
  ['has(map.key)', 1],
  ['has(maps.key.inner)', 2],
  ['ints.all(i, true)', 2, { ints: [] }],
  ['[1, 2, 3].all(i, true)', 10],
  ["s.matches('[0-9]')", 103, { s: 'x'.repeat(500) }],
  ["'123'.matches('[0-9]')", 2],
  ['a || b || a || b', 4],
  ['1 < 2', 1],
  ['1 == 2', 1],
  ["'12345678901234567890' == '123456789012345678901234567890'", 2],
  ['bytes(s).size() > 0', 53, { s: 'x'.repeat(500) }],
  ['s.contains(any)', 2502, { s: 'x'.repeat(500), any: 'y'.repeat(500) }],
  ['s.startsWith(any)', 3],
  ['s.size()', 2],
  ['size(s)', 2],
  ['(x > 2 ? ints : ints).all(i, true)', 6, { ints: [1n] }],
  ['true ? false : 1 > 3', 0],
  ['false ? false : 1 > 3', 1],
  ['maps.all(k, maps[k].inner > 3)', 9],
  ['(ints + ints).all(i, true)', 4, { ints: [] }],
  ["'abcdefg'.contains(s + any)", 6, { s: 'val1', any: 'val2222222' }],
  ['(1 > 2 ? 5 : 3) > 1', 2],
  ['(1 > 2 || 2 > 1) == true', 3],
  ['[1, 2, 3, 4, 5].filter(i, i % 2 == 0)', 62 - 20],
  ['[1, 2, 3, 4, 5].map(i, i)', 86 - 20],
  ['[1, 2, 3, 4, 5].map(i, i).filter(i, i % 2 == 0)', 138 - 30],
  ['[1, 2, 3, 4, 5].map(i, [i, i]).all(y, y.all(y, y == 1))', 171 - 20],
  ['[1, 2, 3].all(i, i in [1, 2, 3].map(j, j + j))', 86 - 10 - 20],
])('%s costs %d', (source, cost, given) => {
  expect(costOf(source, given)).toBe(cost);
});

test.each([
  'lists.range(1000000000).size() > 0',
  'lists.range(1000).all(i, lists.range(1000).all(j, i + j >= 0))',
  'lists.range(10000).transformList(i, v, lists.range(10000)).size() > 0',
  'lists.range(1000).map(i, lists.range(1000)).map(l, l + l + l).size() > 0',
  "texts.map(t, 'x'.replace('', '0123456789').replace('', '0123456789').replace('', '0123456789').replace('', '0123456789').replace('', '0123456789').replace('', '0123456789').replace('', '0123456789').replace('', '0123456789')).size() > 0",
])('%s costs too much', (source) => {
  expect(() => evaluate(source)).toThrow(CostError);
});

test('expressions that are too large or too deep are refused', () => {
  expect(compileProblem(`${'('.repeat(300)}1${')'.repeat(300)}`)).toBe('ERROR: <input>:-1:0: expression recursion limit exceeded: 250');
  expect(compileProblem(`1${' + 1'.repeat(300)} > 0`)).toContain('recursion');
  expect(compileProblem(`${'true && '.repeat(5000)}true`)).toBe('');
  expect(compileProblem('x'.repeat(100_001))).toBe(
    'ERROR: <input>:-1:0: expression code point size exceeds limit: size: 100001, limit 100000',
  );
});
