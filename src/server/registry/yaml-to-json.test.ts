import { describe, expect, it } from 'vitest';
import { toYaml } from '../representation/yaml.ts';
import { convertYaml } from './yaml-to-json.ts';

describe('YAML to JSON', () => {
  it.each([
    ['[yes, No, on, OFF, y, tRue, ~, Null, "yes"]', [true, false, true, false, true, 'tRue', null, null, 'yes']],
    ['[0644, 0o17, 0x1F, -0b11, 08, 1_000, +5, 1:30, 0x]', [420, 15, 31, -3, 8, 1000, 5, '1:30', '0x']],
    [
      '[1e3, .5, 5., 1.2.3, 1e400, 2020-01-01, 2020-01-01T00:00:00Z]',
      [1000, 0.5, 5, '1.2.3', '1e400', '2020-01-01', '2020-01-01T00:00:00Z'],
    ],
    ['[!!str 5, !!float 5, !!int "5", !!binary aGk=, !other x]', ['5', 5, 5, 'hi', 'x']],
    ['{yes: a, 0x10: b, .nan: c}', { true: 'a', 16: 'b', '.nan': 'c' }],
    ['a: &a {x: 1, z: 2}\nb: {<<: *a, z: 3}', { a: { x: 1, z: 2 }, b: { x: 1, z: 3 } }],
  ])('%s', (text, value) => {
    expect(JSON.parse(convertYaml(text).json ?? '')).toEqual(value);
  });

  it('reads what the server writes', () => {
    const texts = [
      'yes',
      'N',
      'on',
      '~',
      '',
      '0644',
      '0o17',
      '0x1F',
      '1_000',
      '+5',
      '08',
      '1e3',
      '.5',
      '.inf',
      '1:30',
      '2020-01-01',
      '<<',
      '- a',
      ' a ',
      'b\nc\n',
    ];
    for (const text of texts) {
      const value = { a: [text], [text]: text };
      expect(JSON.parse(convertYaml(toYaml(value)).json ?? '')).toEqual(value);
    }
  });

  it('keeps the digits of long integers', () => {
    expect(convertYaml('[9223372036854775807, 18446744073709551615]').json).toBe('[9223372036854775807,18446744073709551615]');
  });

  it.each([
    ['a: .inf', 'json: unsupported value: +Inf'],
    ['null: 1', 'Unsupported map key of type: %!s(<nil>), key: <nil>, value: 1'],
    ['a: {{ .Values.x }}', 'yaml: invalid map key: map[interface {}]interface {}{".Values.x":interface {}(nil)}'],
    ['a: \x07', 'yaml: control characters are not allowed'],
    ['a: b: c', 'yaml: mapping values are not allowed in this context'],
    ['a: 1\n b: 2', 'yaml: line 2: mapping values are not allowed in this context'],
    ['a:\n\tb: 1', 'yaml: line 2: found character that cannot start any token'],
    ['a: [1, 2', "yaml: line 1: did not find expected ',' or ']'"],
    ['a: "x', 'yaml: found unexpected end of stream'],
    ['a: 1\n}', 'yaml: line 1: did not find expected key'],
    ['a: "\\q"', 'yaml: found unknown escape character'],
    ['a: *b', "yaml: unknown anchor 'b' referenced"],
    ['<<: 5', 'yaml: map merge requires map or sequence of maps as the value'],
    ['!!int x', 'yaml: cannot decode !!str `x` as a !!int'],
  ])('%j: %s', (text, message) => {
    expect(() => convertYaml(text)).toThrow(new Error(message));
  });
});
