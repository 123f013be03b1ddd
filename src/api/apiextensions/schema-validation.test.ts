import { expect, test } from 'vitest';
import { FieldErrors, FieldPath, fieldErrorMessage } from '../fields.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { validateListTypes } from './list-types.ts';
import { applySchemaDefaults } from './schema-defaults.ts';
import { pruneToSchema } from './schema-pruning.ts';
import { validateValue } from './schema-validation.ts';

function problems(schema: JSONSchemaProps, value: unknown, prev?: unknown): string[] {
  const errors = new FieldErrors();
  const whole: JSONSchemaProps = { type: 'object', properties: { spec: schema } };
  validateValue(whole, { spec: value }, new FieldPath(), errors, prev === undefined ? undefined : { spec: prev });
  validateListTypes(whole, { spec: value }, errors, prev === undefined ? undefined : { spec: prev });
  return errors.list.map(fieldErrorMessage);
}

test.each<[JSONSchemaProps, unknown, string[]]>([
  [{ type: 'integer' }, 'x', ['spec: Invalid value: "string": spec in body must be of type integer: "string"']],
  [
    { type: 'integer' },
    1.5,
    [
      'spec: Invalid value: "number": spec in body must be of type integer: "number"',
      '<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec',
    ],
  ],
  [{ type: 'number' }, 1, []],
  [
    { type: 'integer', format: 'int32' },
    2 ** 31,
    ['<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec'],
  ],
  [
    { type: 'integer', format: 'int64' },
    1e19,
    [
      'spec: Invalid value: "float64": spec in body must be of type int64: "float64"',
      '<nil>: Invalid value: "": Checked value must be of type integer with format int64 in spec',
    ],
  ],
  [{ type: 'number', format: 'float' }, 1e39, ['<nil>: Invalid value: "": Checked value must be of type number with format float in spec']],
  [{ type: 'string', format: 'date-time' }, true, ['spec: Invalid value: "": spec in body must be of type date-time: ""']],
  [
    { type: 'string', enum: ['a'] },
    true,
    [
      'spec: Invalid value: "boolean": spec in body must be of type string: "boolean"',
      'spec: Unsupported value: true: supported values: "a"',
    ],
  ],
  [
    { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
    true,
    [
      'spec: Invalid value: "boolean": spec in body must be of type integer,string: "boolean"',
      '<nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)',
      'spec: Invalid value: "boolean": spec in body must be of type integer: "boolean"',
    ],
  ],
  [
    { type: 'object', additionalProperties: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' } },
    { k: ['a', 'a'] },
    ['spec[k][1]: Duplicate value: "a"'],
  ],
  [{ type: 'string' }, null, ['spec: Invalid value: "null": spec in body must be of type string: "null"']],
  [{ type: 'string', nullable: true }, null, []],
  [{ type: 'string', minLength: 2 }, 'x', ['spec: Invalid value: "x": spec in body should be at least 2 chars long']],
  [{ type: 'string', maxLength: 2 }, 'xxx', ['spec: Too long: may not be more than 2 bytes']],
  [{ type: 'string', enum: ['a', 'b'] }, 'c', ['spec: Unsupported value: "c": supported values: "a", "b"']],
  [{ type: 'string', format: 'date-time' }, 'c', ['spec: Invalid value: "c": spec in body must be of type date-time: "c"']],
  [{ type: 'string', format: 'nobody-knows' }, 'c', []],
  [{ type: 'integer', multipleOf: 3 }, 4, ['spec: Invalid value: 4: spec in body should be a multiple of 3']],
  [{ type: 'integer', maximum: 3, exclusiveMaximum: true }, 3, ['spec: Invalid value: 3: spec in body should be less than 3']],
  [{ type: 'array', items: { type: 'string' }, maxItems: 1 }, ['a', 'b'], ['spec: Too many: 2: must have at most 1 item']],
  [
    { type: 'array', items: { type: 'string' } },
    ['a', 1],
    ['spec[1]: Invalid value: "integer": spec[1] in body must be of type string: "integer"'],
  ],
  [{ type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' }, ['a', 'a'], ['spec[1]: Duplicate value: "a"']],
  [{ type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' }, ['a', 'a', 'a'], ['spec[1]: Duplicate value: "a"']],
  [{ type: 'object', required: ['a'] }, {}, ['spec.a: Required value']],
  [
    { type: 'object', oneOf: [{ required: ['a'] }, { required: ['b'] }] },
    { a: 1, b: 2 },
    ['<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
  ],
  [
    { type: 'object', anyOf: [{ required: ['a'] }] },
    {},
    ['<nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)', 'spec.a: Required value'],
  ],
  [{ type: 'object', not: { required: ['a'] } }, { a: 1 }, ['<nil>: Invalid value: "": "spec" must not validate the schema (not)']],
])('%j refuses %j as it should', (schema, value, messages) => {
  expect(problems(schema, value)).toEqual(messages);
});

test('what did not change is not refused', () => {
  const schema: JSONSchemaProps = { type: 'object', properties: { a: { type: 'string', maxLength: 1 }, b: { type: 'string' } } };
  expect(problems(schema, { a: 'long', b: 'new' }, { a: 'long', b: 'old' })).toEqual([]);
  expect(problems(schema, { a: 'longer', b: 'new' }, { a: 'long', b: 'old' })).toHaveLength(1);
});

test('a hostile pattern costs what its text costs', () => {
  const start = performance.now();
  expect(problems({ type: 'string', pattern: '^(a+)+$' }, `${'a'.repeat(5000)}!`)).toHaveLength(1);
  expect(performance.now() - start).toBeLessThan(1000);
});

test('unknown fields go, except where they are to be preserved, and names of the prototype are fields like others', () => {
  const schema: JSONSchemaProps = {
    type: 'object',
    properties: {
      a: { type: 'object', properties: { b: { type: 'string' } } },
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      map: { type: 'object', additionalProperties: { type: 'object', properties: { x: { type: 'string' } } } },
    },
  };
  const unknown: string[] = [];
  const value = JSON.parse('{"a":{"b":"1","c":2,"__proto__":1,"constructor":2},"free":{"z":1},"map":{"k":{"x":"1","y":2}},"d":1}');
  expect(pruneToSchema(schema, value, unknown)).toEqual({ a: { b: '1' }, free: { z: 1 }, map: { k: { x: '1' } } });
  expect(unknown.sort()).toEqual(['a.__proto__', 'a.c', 'a.constructor', 'd', 'map.k.y']);
});

test('pruning drops null where null may not stand, unless a default takes its place', () => {
  const schema: JSONSchemaProps = {
    type: 'object',
    properties: {
      plain: { type: 'string' },
      nullable: { type: 'string', nullable: true },
      defaulted: { type: 'string', default: 'x' },
      map: { type: 'object', additionalProperties: { type: 'string' } },
      list: { type: 'array', items: { type: 'string' } },
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    },
  };
  const value = { plain: null, nullable: null, defaulted: null, map: { a: null, b: 'b' }, list: [null], free: { any: null } };
  expect(pruneToSchema(schema, value, [])).toEqual({
    nullable: null,
    defaulted: null,
    map: { b: 'b' },
    list: [null],
    free: { any: null },
  });
});

test('defaults fill what is missing, and null where null may not stand', () => {
  const schema: JSONSchemaProps = {
    type: 'object',
    properties: {
      a: { type: 'object', default: {}, properties: { b: { type: 'integer', default: 1 } } },
      c: { type: 'string', nullable: true, default: 'x' },
      list: { type: 'array', items: { type: 'object', properties: { d: { type: 'string', default: 'y' } } } },
    },
  };
  const value = { a: null, c: null, list: [{}, { d: 'z' }] };
  applySchemaDefaults(schema, value);
  expect(value).toEqual({ a: { b: 1 }, c: null, list: [{ d: 'y' }, { d: 'z' }] });
});

test('null in lists and maps gives way to a default, and what may be anything keeps no objects', () => {
  const schema: JSONSchemaProps = {
    type: 'object',
    properties: {
      list: { type: 'array', items: { type: 'string', default: 'x' } },
      map: { type: 'object', additionalProperties: { type: 'integer', default: 1 } },
      any: { type: 'object', additionalProperties: true },
    },
  };
  const unknown: string[] = [];
  const value = pruneToSchema(schema, { list: [null, 'y'], map: { a: null }, any: { a: 1, b: { c: 2 }, d: [{ e: 3 }] } }, unknown);
  applySchemaDefaults(schema, value);
  expect(value).toEqual({ list: ['x', 'y'], map: { a: 1 }, any: { a: 1, b: {}, d: [{}] } });
  expect(unknown).toEqual(['any.b.c', 'any.d[0].e']);
});

test('the order of a list that is a map is no change', () => {
  const schema: JSONSchemaProps = {
    ...{ type: 'array', maxItems: 1, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'] },
    items: { type: 'object', properties: { k: { type: 'string' }, v: { type: 'integer' } } },
  };
  const [a, b] = [
    { k: 'a', v: 1 },
    { k: 'b', v: 2 },
  ];
  expect(problems(schema, [b, a], [a, b])).toEqual([]);
  expect(problems(schema, [b, { ...a, v: 2 }], [a, b])).toEqual(['spec: Too many: 2: must have at most 1 item']);
  expect(problems(schema, [a, a], [a, b])).toEqual(['spec[1]: Duplicate value: {"k":"a"}']);
});

test('what did not change is not held against a schema, as far as the schema knows it', () => {
  const of = (schema: JSONSchemaProps, value: object, prev: object) => {
    const errors = new FieldErrors();
    validateValue(schema, value, new FieldPath(), errors, prev);
    return errors.list.map(fieldErrorMessage);
  };
  const small: JSONSchemaProps = { type: 'object', maxProperties: 1, properties: { a: { type: 'string', minLength: 2 }, b: {} } };
  const properties: JSONSchemaProps['properties'] = { apiVersion: { type: 'string', pattern: '^x$' }, known: small, open: small };
  const schema: JSONSchemaProps = { type: 'object', maxProperties: 1, properties };
  const value = { apiVersion: 'y', kind: 'K', metadata: { name: 'n' }, known: { a: 'a', b: 1 }, open: { a: 'a', c: 1 } };
  expect(of(schema, value, structuredClone(value))).toEqual([
    '<nil>: Too many: 5: must have at most 1 item',
    'apiVersion: Invalid value: "y": apiVersion in body should match \'^x$\'',
    'open: Too many: 2: must have at most 1 item',
  ]);
});

test('patterns that take too long are not looked for', () => {
  const schema: JSONSchemaProps = { type: 'array', items: { type: 'string', pattern: '(a|b)*a(a|b){900}$' } };
  expect(problems(schema, ['ab'.repeat(10), 'ab'.repeat(50_000)])).toEqual([
    'spec[0]: Invalid value: "abababababababababab": spec[0] in body should match \'(a|b)*a(a|b){900}$\'',
    'spec[1]: Invalid value: "string": spec[1] in body takes too long to be matched against \'(a|b)*a(a|b){900}$\'',
  ]);
});

test('what had an item twice may go on with it', () => {
  const set: JSONSchemaProps = { type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'set' };
  const twice = [
    { a: 1, b: 2 },
    { b: 2, a: 1 },
  ];
  expect(problems(set, twice)).toEqual(['spec[1]: Duplicate value: {"b":2,"a":1}']);
  expect(problems(set, [...twice, { c: 3 }], twice)).toEqual([]);
  expect(problems(set, twice, [{ c: 3 }])).toHaveLength(1);
});
