import { describe, expect, it } from 'vitest';
import { parseFieldSelector } from './field-selectors.ts';
import { formatLabelSelector, parseSelector, selectorFromObject } from './selectors.ts';

describe('label selectors', () => {
  const labels = { app: 'web', tier: 'front', size: '10' };

  it.each([
    ['', true],
    ['app=web', true],
    ['app==web,tier!=back', true],
    ['app in (web, api)', true],
    ['app notin (web)', false],
    ['!missing', true],
    ['missing', false],
    ['size>9', true],
    ['size<9', false],
    ['app=', false],
    ['missing notin (a)', true],
    ['in=x', false],
  ])('%j matches: %s', (text, matches) => {
    expect(parseSelector(text).matches(labels)).toBe(matches);
  });

  it.each([
    ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ['a=b,', "found '', expected: identifier after ','"],
    [',', "found ',', expected: !, identifier, or 'end of string'"],
    ['a in b', "unable to parse requirement: found 'b' expected: '('"],
    ['a notin(', "unable to parse requirement: found '', expected: ',', ')' or identifier"],
    ['-', 'unable to parse requirement: <nil>: Invalid value: "-": name part must consist of'],
    ['=/', "found '=', expected: !, identifier, or 'end of string'"],
    [
      '/',
      'unable to parse requirement: <nil>: Invalid value: "/": prefix part must be non-empty; name part must be non-empty; name part must',
    ],
    ['a=b c', "found 'c', expected: ',' or 'end of string'"],
    ['a\u00a0=b', 'Invalid value: "a\\u00a0": name part must consist of'],
    ['a>x', "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"],
  ])('refuses %j', (text, message) => {
    expect(() => parseSelector(text)).toThrow(message);
  });

  it('names the key whose value is wrong', () => {
    expect(() => parseSelector(`app=${'x'.repeat(64)}`)).toThrow(
      /^unable to parse requirement: values\[0\]\[app\]: Invalid value: "x+": must be no more than 63 bytes$/,
    );
  });

  it('writes what it read, sorted by key', () => {
    expect(parseSelector('b in (y,x),a,!c,d!=1').toString()).toBe('a,b in (x,y),!c,d!=1');
  });

  it('ends at a NUL', () => {
    expect(parseSelector('\0a=b').everything).toBe(true);
    expect(parseSelector('a\0').toString()).toBe('a');
  });

  it('takes a selector object: none selects nothing, an empty one everything', () => {
    expect(selectorFromObject(undefined).matches({})).toBe(false);
    expect(selectorFromObject({}).matches({})).toBe(true);
    expect(formatLabelSelector({ matchLabels: { a: 'b' }, matchExpressions: [{ key: 'c', operator: 'In', values: ['2', '1'] }] })).toBe(
      'a=b,c in (1,2)',
    );
    expect(() => selectorFromObject({ matchExpressions: [{ key: 'c', operator: 'Like' as 'In' }] })).toThrow(
      '"Like" is not a valid label selector operator',
    );
    expect(formatLabelSelector({ matchLabels: { a: '-' } })).toBe('<error>');
  });

  it('is not fooled by names from the prototype', () => {
    expect(parseSelector('constructor').matches({})).toBe(false);
    expect(parseSelector('a=b').matches(undefined)).toBe(false);
  });
});

describe('field selectors', () => {
  const read = (field: string) => ({ 'metadata.name': 'web', 'status.phase': 'Running' })[field];

  it.each([
    ['metadata.name=web', true],
    ['metadata.name==web,status.phase!=Pending', true],
    ['metadata.name!=web', false],
    ['spec.nodeName=', true],
  ])('%j matches: %s', (text, matches) => {
    expect(parseFieldSelector(text).matches(read)).toBe(matches);
  });

  it('asks nothing of nothing', () => {
    expect(parseFieldSelector('!=').everything).toBe(true);
  });

  it('unescapes values and writes them back', () => {
    const selector = parseFieldSelector('a=x\\,y\\=z');
    expect(selector.exactly('a')).toBe('x,y=z');
    expect(selector.toString()).toBe('a=x\\,y\\=z');
  });

  it('refuses what it cannot understand', () => {
    expect(() => parseFieldSelector('foo')).toThrow("invalid selector: 'foo'; can't understand 'foo'");
    expect(() => parseFieldSelector('a=b=c')).toThrow('unescaped character in value: 61');
    expect(() => parseFieldSelector('a\\==b')).not.toThrow();
    expect(() => parseFieldSelector('b,a=\\x')).toThrow('invalid field selector: invalid escape sequence: \\x');
  });
});
