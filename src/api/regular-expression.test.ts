import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileRegularExpression, patternProblem, searchSteps } from './regular-expression.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 300);
const seed = Number(process.env.FUZZ_SEED ?? 1);

test.each([
  '[[:alpha:]]{3}[]a]*(?i:x)\\Q(\\E',
  '\\p{Greek}{1000}',
  '(?:[a-z]{500}){2}',
  '^(?P<name>[a-z0-9]([-a-z0-9]*[a-z0-9])?)(\\.[a-z]{2,63})*$',
])('%s is a pattern', (pattern) => {
  expect(patternProblem(pattern)).toBeUndefined();
});

test.each([
  ['(', 'error parsing regexp: missing closing ): `(`'],
  ['a**', 'error parsing regexp: invalid nested repetition operator: `**`'],
  ['(?=a)', 'error parsing regexp: invalid or unsupported Perl syntax: `(?=`'],
  ['a{1001}', 'error parsing regexp: invalid repeat count: `{1001}`'],
  ['x{1000}'.repeat(1000), 'error parsing regexp: expression too large'],
  [`\\Q[\\E${'x{1000}'.repeat(1000)}`, 'error parsing regexp: expression too large'],
  ['['.repeat(1_000_000), 'error parsing regexp: missing closing ]: '],
  ['('.repeat(50_000), 'error parsing regexp: '],
])('%.20s is none', (pattern, problem) => {
  expect(patternProblem(pattern)).toContain(problem);
});

test(
  'patterns and texts of any kind end in linear time',
  () => {
    const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
      pattern: fc.oneof(
        { depthSize: 'medium' },
        fc.constantFrom(
          'a',
          'b',
          '.',
          '[ab]',
          '[^a]',
          '\\w',
          '\\pL',
          '^',
          '$',
          '\\b',
          '(?i)',
          '\\',
          '[',
          '(?:',
          '',
          '\\Qa',
          '\\1',
          '(?=a)',
        ),
        fc
          .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '*?', '+?', '{9}', '{2,}', '{0,30}', '{1000}'))
          .map(([of, times]) => `(${of})${times}`),
        fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => a + b),
        fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `(?:${a}|${b})`),
      ),
    }));
    const text = fc
      .tuple(fc.string({ minLength: 1, maxLength: 4, unit: fc.constantFrom('a', 'b', 'é', '👑', '\n') }), fc.integer({ min: 0, max: 500 }))
      .map(([part, times]) => part.repeat(times));
    const property = fc.property(pattern, text, (source, value) => {
      if (patternProblem(source) !== undefined) return;
      const expression = compileRegularExpression(source);
      const started = performance.now();
      expression.matcher(value).find();
      expect(performance.now() - started, source).toBeLessThan(5000 + searchSteps(expression, value) / 1000);
    });
    fc.assert(property, { numRuns, seed });
  },
  60_000 + numRuns * 50,
);
