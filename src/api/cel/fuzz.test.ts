/** Whatever is written as CEL: a problem of the expression or a value, within its cost, never a failure of the server. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  BudgetError,
  CelError,
  CompileError,
  CostError,
  celEnvironment,
  celTypes,
  compileExpression,
  type Expression,
  perCallLimit,
} from './index.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 500);
const seed = Number(process.env.FUZZ_SEED ?? 1);
const timeout = 60_000 + numRuns * 50;

const { boolType, dynType, intType, listOf, mapOf, stringType } = celTypes;
const environment = celEnvironment()
  .variable('x', intType)
  .variable('s', stringType)
  .variable('b', boolType)
  .variable('l', listOf(intType))
  .variable('m', mapOf(stringType, intType))
  .variable('any', dynType);
const variables = {
  x: 3n,
  s: 'text',
  b: true,
  l: [1n, 2n, 3n],
  m: new Map([
    ['a', 1n],
    ['b', 2n],
  ]),
  any: new Map<string, unknown>([['a', ['x', 1n, null, 2.5]]]),
};

function compile(source: string): Expression | undefined {
  try {
    return compileExpression(environment, source);
  } catch (error) {
    if (error instanceof CompileError) return undefined;
    throw new Error(`compiling ${source}`, { cause: error });
  }
}

/** What an evaluation costs, unless it fails; failures that no expression may have are thrown. */
function costOf(source: string, expression: Expression): number | undefined {
  const budget = { left: perCallLimit };
  const started = performance.now();
  try {
    expression.evaluate(variables, budget);
  } catch (error) {
    if (!(error instanceof CelError || error instanceof CostError || error instanceof BudgetError))
      throw new Error(`evaluating ${source}`, { cause: error });
    return undefined;
  } finally {
    expect(performance.now() - started, source).toBeLessThan(10_000);
  }
  return perCallLimit - budget.left;
}

const number = fc.oneof(
  fc.integer({ min: -5, max: 5 }).map(String),
  fc.constantFrom(
    '9223372036854775807',
    '-9223372036854775808',
    '9223372036854775808',
    '1u',
    '18446744073709551615u',
    '0x1F',
    '1.5',
    '-0.0',
    '1e308',
    '1e400',
    '.5',
  ),
);
const letters = fc.string({
  maxLength: 6,
  unit: fc.constantFrom('a', 'b', '%', 's', 'd', '.', '/', '(', ')', '[', '*', '1', ':', '-', '👑', ' '),
});
const text = letters.map((value) => JSON.stringify(value));
const literal = fc.oneof(number, text, fc.constantFrom('true', 'null', '[]', '{}', "b'\\xff'", 'int', "r'\\'", "'''a''b'''"));

const token = fc.oneof(
  literal,
  fc.constantFrom('(', ')', '[', ']', '{', '}', '.', ',', '?', ':', '!', '-', '+', '*', '/', '%', '==', '<', '&&', '||', 'in', '.?', '[?'),
  fc.constantFrom(
    'x',
    's',
    'b',
    'l',
    'm',
    'any',
    'e',
    'self',
    'as',
    '`a`',
    '"',
    "'",
    '\\',
    '\n',
    '//',
    '@',
    '0x',
    '1e',
    'true',
    '__proto__',
  ),
  fc.constantFrom('.all(e, e', '.map(', '.exists(', 'has(', 'dyn(', 'type(', 'size(', 'matches(', '.format([', 'optional.of(', 'quantity('),
  fc.string({ maxLength: 3, unit: 'binary' }),
);
const soup = fc.array(token, { maxLength: 24 }).chain((tokens) => fc.constantFrom('', ' ').map((between) => tokens.join(between)));

/** Expressions of the grammar, most of them of types that fit. */
const { any: expression, bool } = fc.letrec<Record<'any' | 'bool' | 'int' | 'text' | 'list' | 'map', string>>((tie) => {
  const [int, bool, str, list, map] = [tie('int'), tie('bool'), tie('text'), tie('list'), tie('map')];
  const make = (parts: TemplateStringsArray, ...args: fc.Arbitrary<string>[]) =>
    fc.tuple(...args).map((values) => parts.map((part, i) => part + (values[i] ?? '')).join(''));
  const depth = { depthSize: 'small', withCrossShrink: true } as const;
  const variable = fc.constantFrom('i', 'j');
  return {
    any: fc.oneof(depth, literal, int, bool, str, list, map, make`dyn(${tie('any')})`, make`[${tie('any')}, ${tie('any')}]`),
    int: fc.oneof(
      depth,
      fc.constantFrom('x', '0', '1', '7', 'i', 'j', "any['a'][1]"),
      make`(${int} ${fc.constantFrom('+', '-', '*', '/', '%')} ${int})`,
      make`${fc.oneof(str, list, map)}.size()`,
      make`(${bool} ? ${int} : ${int})`,
      make`${list}[${int}]`,
      make`${map}[${str}]`,
      make`int(${str})`,
      make`${list}.${fc.constantFrom('sum', 'min', 'max')}()`,
      make`${list}.indexOf(${int})`,
      make`${map}[?${str}].orValue(${int})`,
    ),
    bool: fc.oneof(
      depth,
      fc.constantFrom('b', 'true', 'false'),
      make`(${bool} ${fc.constantFrom('&&', '||', '==')} ${bool})`,
      make`!${bool}`,
      make`(${int} ${fc.constantFrom('<', '<=', '==', '!=', '>')} ${int})`,
      make`(${str} ${fc.constantFrom('<', '<=', '==', '!=', '>')} ${str})`,
      make`(${list} == ${list})`,
      make`(${int} in ${list})`,
      make`(${str} in ${map})`,
      make`${str}.${fc.constantFrom('startsWith', 'endsWith', 'contains', 'matches')}(${str})`,
      make`${list}.${fc.constantFrom('all', 'exists', 'exists_one')}(${variable}, ${bool})`,
      make`${map}.all(k, i, ${bool})`,
      make`sets.${fc.constantFrom('contains', 'intersects', 'equivalent')}(${list}, ${list})`,
      make`${fc.constantFrom('isQuantity', 'isURL', 'isIP', 'isCIDR', 'isSemver')}(${str})`,
      make`optional.of(${int}).hasValue()`,
      make`${list}.isSorted()`,
    ),
    text: fc.oneof(
      depth,
      text,
      fc.constant('s'),
      make`(${str} + ${str})`,
      make`string(${int})`,
      make`${str}.substring(${int})`,
      make`${str}.replace(${str}, ${str})`,
      make`${str}.format([${tie('any')}])`,
      make`${str}.${fc.constantFrom('lowerAscii', 'upperAscii', 'trim')}()`,
      make`${str}.find(${str})`,
      make`${str}.split(${str}).join(${str})`,
      make`${str}.charAt(${int})`,
    ),
    list: fc.oneof(
      depth,
      fc.constantFrom('l', '[1, 2]', 'lists.range(9)'),
      make`[${int}, ${int}]`,
      make`(${list} + ${list})`,
      make`${list}.map(${variable}, ${int})`,
      make`${list}.filter(${variable}, ${bool})`,
      make`${list}.slice(${int}, ${int})`,
      make`${list}.${fc.constantFrom('sort', 'distinct', 'reverse')}()`,
      make`${list}.map(${variable}, ${list}).flatten()`,
      make`lists.range(${int})`,
    ),
    map: fc.oneof(
      depth,
      fc.constantFrom('m', "{'a': 1}"),
      make`{${str}: ${int}}`,
      make`${list}.transformMapEntry(i, j, {${str}: ${int}})`,
      make`${map}.transformMap(k, i, ${int})`,
    ),
  };
});

test(
  'noise is refused or evaluated',
  () => {
    const property = fc.property(soup, (source) => {
      const compiled = compile(source);
      if (compiled) costOf(source, compiled);
    });
    fc.assert(property, { numRuns: numRuns * 4, seed });
  },
  timeout,
);

test(
  'expressions that fit are refused or evaluated',
  () => {
    let evaluated = 0;
    const property = fc.property(expression, (source) => {
      const compiled = compile(source);
      if (!compiled) return;
      expect(compiled.maxCost(), source).toBeGreaterThanOrEqual(0);
      if (costOf(source, compiled) !== undefined) evaluated += 1;
    });
    fc.assert(property, { numRuns, seed });
    expect(evaluated).toBeGreaterThan(numRuns / 10);
  },
  timeout,
);

test(
  'nested expressions end within their cost',
  () => {
    const nested = fc
      .tuple(
        fc.array(
          fc.constantFrom(
            'l.all(i, %)',
            'lists.range(1000).exists(i, !%)',
            '[1, 2, 3].map(i, %).all(j, j)',
            '(% || !%)',
            'l.map(i, s + s).all(t, %)',
          ),
          { maxLength: 9 },
        ),
        bool,
      )
      .map(([around, inner]) => around.reduce((within, each) => each.replaceAll('%', () => within), inner));
    const property = fc.property(nested, (source) => {
      const compiled = compile(source);
      if (compiled) costOf(source, compiled);
    });
    fc.assert(property, { numRuns: Math.ceil(numRuns / 20), seed });
  },
  timeout,
);
