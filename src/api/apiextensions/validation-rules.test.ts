import { expect, test } from 'vitest';
import { FieldErrors, FieldPath, fieldErrorMessage } from '../fields.ts';
import type { JSONSchemaProps, ValidationRule } from '../generated/apiextensions.v1.ts';
import { validateRules, validateRuleTexts } from './rule-definitions.ts';
import { placeAt } from './rule-paths.ts';
import { applyRules } from './validation-rules.ts';

const spec: JSONSchemaProps = {
  type: 'object',
  properties: {
    min: { type: 'integer' },
    max: { type: 'integer' },
    ratio: { type: 'number' },
    name: { type: 'string' },
    'a-b': { type: 'string' },
    in: { type: 'string' },
    memory: { type: 'string' },
    at: { type: 'string', format: 'date-time' },
    labels: { type: 'object', additionalProperties: { type: 'string' } },
    ports: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: { type: 'object', properties: { name: { type: 'string' }, port: { type: 'integer' } } },
    },
    words: { type: 'array', items: { type: 'string' } },
    either: { 'x-kubernetes-int-or-string': true },
  },
};

const schemaWith = (rules: ValidationRule[]): JSONSchemaProps => ({ ...spec, 'x-kubernetes-validations': rules });

function problems(rule: string | ValidationRule, value: unknown, prev?: unknown): string[] {
  const errors = new FieldErrors();
  const schema = schemaWith([typeof rule === 'string' ? { rule } : rule]);
  applyRules(schema, value, new FieldPath('spec'), errors, prev);
  return errors.list.map(fieldErrorMessage);
}

test.each<[string, unknown]>([
  ['self.min <= self.max', { min: 1, max: 2 }],
  ['self.ratio > 0.5', { ratio: 1 }],
  ['!has(self.name) || self.name.size() < 5', {}],
  ["self.a__dash__b == 'x' && self.__in__ == 'y'", { 'a-b': 'x', in: 'y' }],
  ["self.labels.all(k, k.startsWith('x')) && self.labels['x1'] == 'v' && 'x1' in self.labels", { labels: { x1: 'v' } }],
  [
    'self.ports.exists_one(p, p.port == 80) && self.ports.map(p, p.port).sum() == 81',
    {
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 1 },
      ],
    },
  ],
  ["self.words.isSorted() && self.words.indexOf('b') == 1 && self.words.max() == 'c'", { words: ['a', 'b', 'c'] }],
  [
    "quantity(self.memory).isLessThan(quantity('1Gi')) && quantity(self.memory).add(quantity('1Mi')) == quantity('501Mi')",
    { memory: '500Mi' },
  ],
  ["self.name.matches('^a.c$') && self.name.find('b') == 'b' && self.name.findAll('[a-c]').size() == 3", { name: 'abc' }],
  ["isURL(self.name) && url(self.name).getHost() == 'x.io:80' && url(self.name).getScheme() == 'https'", { name: 'https://x.io:80/p' }],
  ["cidr('10.0.0.0/8').containsIP(ip(self.name)) && ip(self.name).family() == 4 && !isIP('x')", { name: '10.1.2.3' }],
  ["self.at < timestamp('2030-01-01T00:00:00Z') && self.at.getFullYear() == 2024", { at: '2024-05-05T00:00:00Z' }],
  ["'%s-%d'.format([dyn(self.name), self.min]) == 'a-1'", { name: 'a', min: 1 }],
  ["type(self.either) == string ? self.either == '80%' : self.either == 80", { either: '80%' }],
  ['type(self.either) == int && self.either == 80', { either: 80 }],
  ["sets.contains(self.words, ['a']) && !sets.intersects(self.words, ['z'])", { words: ['a'] }],
  ["!format.dns1123Label().validate(self.name).hasValue() && format.dns1123Label().validate('A_').hasValue()", { name: 'ok' }],
  ["self.?name.orValue('none') == 'none'", {}],
  ['self.ports.all(p, self.ports.exists(q, q == p))', { ports: [{ name: 'a', port: 1 }] }],
])('%s holds for %j', (rule, value) => {
  expect(problems(rule, value)).toEqual([]);
});

test('a broken rule says its message, its expression, or itself', () => {
  const value = { min: 3, max: 2 };
  const rule = 'self.min <= self.max';
  expect(problems(rule, value)).toEqual(['spec: Invalid value: failed rule: self.min <= self.max']);
  expect(problems({ rule, message: 'min over max' }, value)).toEqual(['spec: Invalid value: min over max']);
  expect(problems({ rule, message: 'fixed', messageExpression: "'%d is over %d'.format([self.min, self.max])" }, value)).toEqual([
    'spec: Invalid value: 3 is over 2',
  ]);
  expect(problems({ rule, message: 'fixed', messageExpression: 'self.name' }, value)).toEqual(['spec: Invalid value: fixed']);
  expect(problems({ rule, message: 'no', reason: 'FieldValueForbidden', fieldPath: '.min' }, value)).toEqual(['spec.min: Forbidden: no']);
});

test('transition rules see the earlier state, and are not asked where there is none', () => {
  const rule = { rule: 'self.name == oldSelf.name', message: 'name is immutable' };
  expect(problems(rule, { name: 'b' })).toEqual([]);
  expect(problems(rule, { name: 'b' }, { name: 'a' })).toEqual(['spec: Invalid value: name is immutable']);
  const optional = { rule: "oldSelf.hasValue() || self.name == 'first'", optionalOldSelf: true };
  expect(problems(optional, { name: 'b' })).toHaveLength(1);
  expect(problems(optional, { name: 'first' })).toEqual([]);
  expect(problems(optional, { name: 'b' }, { name: 'a' })).toEqual([]);
});

test('a rule of a list item is asked of each, with what it was before by its key', () => {
  const ports = spec.properties?.ports as JSONSchemaProps;
  const items = {
    ...(ports.items as JSONSchemaProps),
    'x-kubernetes-validations': [{ rule: 'self.port >= oldSelf.port', message: 'only up' }],
  };
  const schema: JSONSchemaProps = { type: 'object', properties: { ports: { ...ports, items } } };
  const errors = new FieldErrors();
  const before = {
    ports: [
      { name: 'a', port: 5 },
      { name: 'b', port: 5 },
    ],
  };
  const after = {
    ports: [
      { name: 'b', port: 4 },
      { name: 'a', port: 6 },
      { name: 'c', port: 1 },
    ],
  };
  applyRules(schema, after, new FieldPath('spec'), errors, before);
  expect(errors.list.map(fieldErrorMessage)).toEqual(['spec.ports[0]: Invalid value: only up']);
});

test('what did not change is no reason to refuse, but to warn', () => {
  const rules = [{ rule: 'self.min <= self.max', fieldPath: '.min' }, { rule: 'oldSelf.min < self.min' }];
  const errors = new FieldErrors();
  const value = { min: 3, max: 2 };
  applyRules(schemaWith(rules), value, new FieldPath('spec'), errors, { ...value });
  expect(errors.list.map(fieldErrorMessage)).toEqual(['spec: Invalid value: failed rule: oldSelf.min < self.min']);
  expect(errors.warnings).toEqual(['spec.min: Invalid value: failed rule: self.min <= self.max']);
});

test('what an object says of its type is refused also where it did not change', () => {
  const typed: JSONSchemaProps = { type: 'string', 'x-kubernetes-validations': [{ rule: "self == 'other'" }] };
  const names = ['apiVersion', 'kind', 'name'];
  const schema: JSONSchemaProps = { type: 'object', properties: Object.fromEntries(names.map((name) => [name, typed])) };
  const value = { apiVersion: 'example.com/v1', kind: 'Widget', name: 'x', metadata: { generation: 2 } };
  const errors = new FieldErrors();
  applyRules(schema, value, new FieldPath(), errors, { ...value, metadata: { generation: 1 } });
  expect(errors.list.map(({ field }) => field)).toEqual(['apiVersion', 'kind']);
});

test.each([
  ['.labels.any', 'spec.labels[any]'],
  [".labels['a.b\\'c']", "spec.labels[a.b'c]"],
  ["['a-b']", 'spec.a-b'],
  ["['labels'].x", 'spec.labels[x]'],
  ['labels', undefined],
  ['.labels.a.b', undefined],
  ['.labels[0]', undefined],
  [".labels['a'", undefined],
  [".labels['\\x']", undefined],
  ['.nope', undefined],
  ['.', undefined],
  ['.constructor', undefined],
])('fieldPath %s is %s', (fieldPath, place) => {
  expect(placeAt(spec, new FieldPath('spec'), fieldPath)?.toString()).toBe(place);
});

test('an evaluation that fails refuses the object', () => {
  expect(problems('self.name.size() > 0', {})).toEqual([
    'spec: Invalid value: "object": no such key: name evaluating rule: self.name.size() > 0',
  ]);
});

/** Doublings of ten letters. */
const growing = `['0123456789']${'.map(s, s + s)'.repeat(25)}[0].size() > 0`;

test.each([
  ['nested loops', 'self.words.all(a, self.words.all(b, self.words.all(c, self.words.all(d, a + b + c + d != "!"))))'],
  ['swallowed errors', 'self.words.all(a, self.words.all(b, self.words.all(c, a + b + c != "!"))) || true'],
  ['growing strings', growing],
])('%s cost no more than the budget', (_, rule) => {
  const words = Array.from({ length: 300 }, (_, i) => `w${i}`);
  const start = performance.now();
  const found = problems(rule, { words });
  expect(performance.now() - start).toBeLessThan(3000);
  expect(found.join()).toContain('no further validation rules will be run due to call cost exceeds limit');
});

test.each<[ValidationRule, string]>([
  [{ rule: 'self.nope > 1' }, "undefined field 'nope'"],
  [{ rule: 'other > 1' }, "undeclared reference to 'other'"],
  [{ rule: 'self.min >' }, "compilation failed: ERROR: <input>:1:11: Syntax error: mismatched input '<EOF>' expecting {"],
  [{ rule: 'self.min' }, 'cel expression must evaluate to a bool'],
  [{ rule: ' ' }, 'Required value: rule is not specified'],
  [{ rule: 'true', message: 'a\nb' }, 'message: Invalid value: "a\\nb": must not contain line breaks'],
  [{ rule: 'self.min > 1', messageExpression: 'self.min' }, 'messageExpression must evaluate to a string'],
  [{ rule: 'self.min > 1', fieldPath: '.nope' }, 'fieldPath: Invalid value: ".nope": must be a valid path'],
])('a definition with the rule %j is refused', (rule, message) => {
  const errors = new FieldErrors();
  validateRuleTexts(schemaWith([rule]), new FieldPath('spec'), errors);
  if (errors.list.length === 0) validateRules(schemaWith([rule]), new FieldPath('spec'), errors);
  expect(errors.list.map(fieldErrorMessage).join('\n')).toContain(message);
});
