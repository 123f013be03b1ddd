/** What upstream's own tests say of rules over values (k8s.io/apiextensions-apiserver's TestValidationExpressions). */
import { expect, test } from 'vitest';
import { FieldErrors, FieldPath, fieldErrorMessage } from '../fields.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { validateRules } from './rule-definitions.ts';
import { applyRules } from './validation-rules.ts';

const text: JSONSchemaProps = { type: 'string' };
const integer: JSONSchemaProps = { type: 'integer' };
const double: JSONSchemaProps = { type: 'number' };
const format = (name: string): JSONSchemaProps => ({ type: 'string', format: name });
const object = (properties: Record<string, JSONSchemaProps>): JSONSchemaProps => ({ type: 'object', properties });
const list = (items: JSONSchemaProps, type?: string, keys?: string[]): JSONSchemaProps => ({
  type: 'array',
  items,
  ...(type === undefined ? {} : { 'x-kubernetes-list-type': type }),
  ...(keys === undefined ? {} : { 'x-kubernetes-list-map-keys': keys }),
});
const map = (additionalProperties: JSONSchemaProps): JSONSchemaProps => ({ type: 'object', additionalProperties });
const unknown: JSONSchemaProps = { 'x-kubernetes-preserve-unknown-fields': true };
const pairs = list(object({ k: text, v: text }), 'map', ['k']);

interface Case {
  schema: Record<string, JSONSchemaProps>;
  value: Record<string, unknown>;
  valid: string[];
  errors?: Record<string, string>;
}

function outcome({ schema, value }: Case, rule: string): string {
  const errors = new FieldErrors();
  const ruled: JSONSchemaProps = {
    type: 'object',
    properties: { spec: { ...object(schema), maxProperties: 1, 'x-kubernetes-validations': [{ rule }] } },
  };
  const path = new FieldPath('root');
  validateRules(ruled, path, errors, { unchanged: true });
  if (errors.list.every((error) => fieldErrorMessage(error).includes('cost'))) {
    errors.list.length = 0;
    applyRules(ruled, { spec: value }, path, errors);
  }
  return errors.list.map(fieldErrorMessage).join('\n');
}

const cases: Record<string, Case> = {
  formats: {
    schema: { d: format('duration'), day: format('date'), at: format('date-time'), bytes: format('byte'), text, n: double },
    value: { d: '1h2m3s4ms', day: '1997-07-16', at: '2011-08-18T19:03:37.01+01:00', bytes: 'QUI=', text: '3723.004s', n: 10 },
    valid: [
      "self.d == duration('1h2m') + duration('3s4ms') && self.d.getMinutes() == 62 && self.d.getMilliseconds() == 3723004",
      "self.day == timestamp('1997-07-16T00:00:00.000Z') && self.day.getMonth() == 06 && type(self.day) == google.protobuf.Timestamp",
      "self.at.getHours('01:00') == 19 && self.at.getHours('UTC') == 18 && string(self.at) == '2011-08-18T19:03:37.01+01:00'",
      "self.at == timestamp('2011-08-18T00:00:00.000+01:00') + duration('19h3m37s10ms')",
      "self.bytes == b'AB' && size(self.bytes) == 2 && type(self.bytes) == bytes && string(self.d) == self.text",
      "'%d %s %f %s'.format([1, 'abc', 1.0, self.d]) == '1 abc 1.000000 3723.004s'",
      "optional.ofNonZeroValue(timestamp('0001-01-01T00:00:00Z')) == optional.none()",
      "type(self.n) == double && string(self.n) == '10' && int(self.n) == 10",
    ],
  },
  lists: {
    schema: { l: list(integer), s: list(text, 'set'), t: list(text, 'set') },
    value: { l: [1, 2, 3], s: ['a', 'b', 'c'], t: ['a', 'c', 'b'] },
    valid: [
      'self.l + [4, 5] == [1, 2, 3, 4, 5] && !(0 in self.l) && self.l.map(e, e * 20).filter(e, e > 50).exists(e, e == 60)',
      "self.s == ['c', 'b', 'a'] && self.s == self.t && self.s + self.t == ['a', 'b', 'c'] && self.s + ['c', 'd'] == ['a', 'b', 'c', 'd']",
      'dyn([]).sum() == 0 && dyn([1, 2]).sum() == 3 && dyn([1.0, 2.0]).sum() == 3.0 && [[1], [2]].indexOf([1]) == 0',
    ],
    errors: {
      'self.l[100] == 0': 'index out of bounds: 100',
      "['a', 'b'].sum() == 'c'": "found no matching overload for 'sum' applied to 'list(string).()",
      '[[1], [2]].min() == [1]': "found no matching overload for 'min' applied to 'list(list(int)).()",
    },
  },
  'lists as maps': {
    schema: { objs: list(pairs), odd: list(list(object({ 'k!': text, 'k.': text }), 'map', ['k!', 'k.'])) },
    value: {
      objs: [
        [
          { k: 'a', v: '1' },
          { k: 'b', v: '2' },
        ],
        [
          { k: 'b', v: '2' },
          { k: 'a', v: '1' },
        ],
        [
          { k: 'b', v: '3' },
          { k: 'a', v: '1' },
        ],
        [{ k: 'c', v: '4' }],
      ],
      odd: [
        [
          { 'k!': 'a', 'k.': '1' },
          { 'k!': 'b', 'k.': '2' },
        ],
        [
          { 'k!': 'b', 'k.': '2' },
          { 'k!': 'a', 'k.': '1' },
        ],
        [
          { 'k!': 'b', 'k.': '2' },
          { 'k!': 'c', 'k.': '1' },
        ],
      ],
    },
    valid: [
      'self.objs[0] == self.objs[1] && self.objs[0] + self.objs[2] == self.objs[2] && size(self.objs[0] + [self.objs[3][0]]) == 3',
      'self.objs[0] == [self.objs[0][1], self.objs[0][0]] && self.objs[2] + [self.objs[0][0], self.objs[0][1]] == self.objs[0]',
      "self.odd[0] == self.odd[1] && self.odd[0][0].k__dot__ == '1' && self.odd[0] != self.odd[2]",
    ],
    errors: {
      "self.objs[0] == {'k': 'a', 'v': '1'}": "no matching overload for '_==_'",
      "self.odd[0][0].k! == '1'": "mismatched input '!' expecting",
    },
  },
  'objects and maps': {
    schema: {
      a: object({ b: integer, c: integer, d: { ...integer, nullable: true } }),
      a1: object({ b1: object({ c1: integer }), d2: object({ e2: integer }) }),
      m: map(integer),
      nulls: map({ ...text, nullable: true }),
      n: { ...text, nullable: true },
    },
    value: { a: { b: 1, d: null }, a1: { b1: { c1: 4 } }, m: { '@': 1, '👑': 2 }, nulls: { a: null, b: 'x' }, n: null },
    valid: [
      'has(self.a.b) && !has(self.a.c) && !has(self.a.d) && has(self.a1.b1.c1) && !(has(self.a1.d2) && has(self.a1.d2.e2))',
      "self.m['@'] == 1 && self.m['👑'] == 2 && !has(self.m.x) && self.m.all(k, self.m[k] > 0) && size(self.m.filter(k, self.m[k] > 1)) == 1",
      "self.nulls.size() == 2 && type(self.nulls['a']) == null_type && !has(self.n)",
    ],
    errors: {
      'has(self.a.z)': "undefined field 'z'",
      "self.a['b'] == 1": "no matching overload for '_[_]'",
      'has(self.a1.d2.e2)': 'no such key: d2',
      'self.n == null': "no matching overload for '_==_' applied to '(string, null)",
    },
  },
  'what is not known': {
    schema: {
      withUnknown: { type: 'object', ...unknown, properties: { known: integer } },
      items: list({ type: 'object', ...unknown }),
      typeless: list(object({ any: unknown })),
      anyList: list(unknown),
      embedded: { type: 'object', 'x-kubernetes-embedded-resource': true },
    },
    value: {
      withUnknown: { known: 1, other: 'a' },
      items: [{ a: 'a' }, { a: 'x' }, { a: 'x' }, {}],
      typeless: [{ any: 'a' }, { any: 1 }, { any: 1 }],
      anyList: ['a', 2],
      embedded: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'foo', namespace: 'xyz' }, spec: {} },
    },
    valid: [
      'self.withUnknown.known == 1 && self.items[0] != self.items[1] && self.items[1] == self.items[2] && self.items[0] != self.items[3]',
      'self.typeless[0] != self.typeless[1] && self.typeless[1] == self.typeless[2]',
      "self.embedded.kind == 'Pod' && self.embedded.metadata.name == 'foo' && type(self) == type(self)",
    ],
    errors: {
      'has(self.withUnknown.other)': "undefined field 'other'",
      'has(self.anyList)': "undefined field 'anyList'",
      'has(self.embedded.metadata.namespace)': "undefined field 'namespace'",
      'has(self.embedded.spec)': "undefined field 'spec'",
      'string(type(self.items[0])) == "x"': "found no matching overload for 'string' applied to '(type",
    },
  },
  'ints or strings': {
    schema: { i: { 'x-kubernetes-int-or-string': true }, s: { 'x-kubernetes-int-or-string': true } },
    value: { i: 1, s: '25%' },
    valid: [
      "self.i == 1 && self.i != 'some string' && self.s == '25%' && (self.s == 1 || self.s == '25%') && self.s != ['anything']",
      "type(self.s) == int ? self.s == 1 : self.s.matches(r'(\\d+(\\.\\d+)?%)')",
    ],
    errors: {
      'self.s + 1 == 2': "'no such overload': call arguments did not match a supported operator, function or macro signature for rule:",
    },
  },
  names: {
    schema: { true: integer, namespace: integer, self: integer, 'dash-dash': integer, a__b: integer, size: text },
    value: { true: 1, namespace: 17, self: 201, 'dash-dash': 402, a__b: 405, size: '204' },
    valid: [
      'self.namespace == 17 && has(self.namespace) && self.__namespace__ == self.namespace',
      "self.__true__ == 1 && self.__namespace__ == 17 && self.self == 201 && self.dash__dash__dash == 402 && self.a__underscores__b == 405 && self.size == '204'",
    ],
    errors: {
      'self.true == 1': "mismatched input 'true' expecting IDENTIFIER",
      'self == 201': "found no matching overload for '_==_'",
      'self.__illegal__ == 301': "undefined field '__illegal__'",
    },
  },
  patterns: {
    schema: { str: text },
    value: { str: 'this is a 123 string 456' },
    valid: ["self.str.findAll('[0-9]+', 0) == [] && self.str.findAll('[0-9]+', -1) == ['123', '456'] && self.str.find('xyz') == ''"],
    errors: {
      "self.str.find(')') == ''": 'program instantiation failed: error parsing regexp: unexpected ): `)`',
      "self.str.matches(')')": 'invalid matches argument',
    },
  },
};

for (const [name, each] of Object.entries(cases)) {
  test.each(each.valid)(`${name}: %s`, (rule) => {
    expect(outcome(each, rule)).toBe('');
  });
  test.each(Object.entries(each.errors ?? {}))(`${name}: %s is refused with %s`, (rule, message) => {
    expect(outcome(each, rule)).toContain(message);
  });
}
