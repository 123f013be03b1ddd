/** Schemas of any kind are refused or hold whatever is sent: never a failure of the server. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FieldErrors, FieldPath } from '../fields.ts';
import type { CustomResourceDefinition, JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { customResourceDefinition } from './custom-resource-definition.ts';
import { applySchemaDefaults } from './schema-defaults.ts';
import { pruneToSchema } from './schema-pruning.ts';
import { validateValue } from './schema-validation.ts';
import { applyRules } from './validation-rules.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 300);
const seed = Number(process.env.FUZZ_SEED ?? 1);
const timeout = 60_000 + numRuns * 100;

const name = fc.constantFrom('a', 'b', 'name', 'true', '__proto__', 'a-b', '', 'x.y', 'constructor');
const text = fc.oneof(
  fc.string({ maxLength: 5 }),
  fc.constantFrom('2024-01-01T00:00:00Z', '1h', '10.0.0.1', 'aGk=', 'a', '5', '1Gi', '2024-02-30', '-1ns'),
);
const scalar = fc.oneof(text, fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

const rule = fc.oneof(
  fc.constantFrom(
    'self == oldSelf',
    'self.a == self.b',
    'has(self.a) && has(self.name)',
    'self.all(x, x == x)',
    'self.exists(x, self.exists(y, x == y))',
    'self.size() > 0 && self.matches("(a*)*b")',
    'oldSelf.hasValue() ? oldSelf.value() == self : true',
    'self > 1',
    'self + self != self',
    "string(self) == 'x'",
    'dyn(self) == dyn(self)',
    'self.map(x, x)[0] in self',
    '!',
    '1 / 0 == 1',
    'self.a__dash__b == 1',
    'type(self) == type(self.a)',
  ),
  fc.string({ maxLength: 12 }),
);
const rules = fc.array(
  fc.record(
    {
      rule,
      message: fc.string({ maxLength: 3 }),
      messageExpression: fc.oneof(rule, fc.constantFrom('self', "'a' + string(self)", "self.a + ''")),
      fieldPath: fc.constantFrom('.a', ".a['b']", '.name[0]', '..', '.a.b', "['a", 'a'),
      reason: fc.constantFrom('FieldValueInvalid', 'FieldValueForbidden', 'FieldValueRequired', 'FieldValueDuplicate', 'x'),
      optionalOldSelf: fc.boolean(),
    },
    { requiredKeys: ['rule'] },
  ),
  { maxLength: 2 },
);
const bound = fc.integer({ min: 0, max: 9 });
const pattern = fc.oneof(
  fc.constantFrom('(a+)+$', '(a|a)*b', '^\\pL{1000}$', '(', '(?=a)', '(x{1000}){1000}', ''),
  fc.string({ maxLength: 6 }),
);
const format = fc.constantFrom('date-time', 'date', 'duration', 'byte', 'int32', 'int64', 'uuid', 'ipv4', 'quantity', 'cidr', 'x');

const { anySchema } = fc.letrec<{ schema: JSONSchemaProps; anySchema: JSONSchemaProps }>((tie) => {
  const schema = tie('schema');
  const properties = fc.dictionary(name, schema, { maxKeys: 3, noNullPrototype: true });
  const limits = {
    'x-kubernetes-validations': rules,
    nullable: fc.boolean(),
    enum: fc.array(scalar, { maxLength: 2 }),
    default: value,
    not: fc.record({ enum: fc.array(scalar, { maxLength: 2 }) }),
    anyOf: fc.array(fc.record({ pattern, required: fc.array(name, { maxLength: 1 }), minimum: bound }, { requiredKeys: [] }), {
      maxLength: 2,
    }),
  };
  const limit = fc.oneof(
    { weight: 3, arbitrary: fc.constant({}) },
    ...Object.entries(limits).map(([field, of]: [string, fc.Arbitrary<unknown>]) => ({ weight: 1, arbitrary: fc.record({ [field]: of }) })),
  );
  const of = (type: string, fields: Record<string, fc.Arbitrary<unknown>>, required: string[] = []): fc.Arbitrary<JSONSchemaProps> =>
    fc.tuple(fc.record(fields, { requiredKeys: required }), limit).map(([own, more]) => ({ type, ...own, ...more }));
  const objects = { required: fc.array(name, { maxLength: 2 }), maxProperties: bound, minProperties: bound };
  return {
    schema: fc.oneof(
      { depthSize: 'small' },
      of('string', { pattern, format, maxLength: bound, minLength: bound }),
      of('integer', { maximum: bound, minimum: bound, multipleOf: bound, format }),
      of('boolean', {}),
      of('number', { format, exclusiveMinimum: fc.boolean(), minimum: bound }),
      of('object', { properties, ...objects }, ['properties']),
      of('object', { additionalProperties: schema, ...objects }, ['additionalProperties']),
      of('object', {
        'x-kubernetes-preserve-unknown-fields': fc.constant(true),
        'x-kubernetes-embedded-resource': fc.boolean(),
        properties,
      }),
      of(
        'array',
        {
          items: schema,
          maxItems: bound,
          'x-kubernetes-list-type': fc.constantFrom('map', 'set', 'atomic'),
          'x-kubernetes-list-map-keys': fc.array(name, { maxLength: 2 }),
        },
        ['items'],
      ),
      fc.record(
        { 'x-kubernetes-int-or-string': fc.constant(true), 'x-kubernetes-validations': rules },
        { requiredKeys: ['x-kubernetes-int-or-string'] },
      ) as fc.Arbitrary<JSONSchemaProps>,
    ),
    anySchema: fc.oneof({ weight: 9, arbitrary: schema }, { weight: 1, arbitrary: of('x', { type: fc.constantFrom('', 'null') }) }),
  };
});

function refuses(schema: JSONSchemaProps): boolean {
  const made: CustomResourceDefinition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'foos.example.com', uid: '', resourceVersion: '', creationTimestamp: '' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'foos', kind: 'Foo' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  };
  customResourceDefinition.defaults?.(made);
  const errors = new FieldErrors();
  customResourceDefinition.create?.(made, { now: '2026-01-01T00:00:00Z' });
  customResourceDefinition.validate?.(made, errors);
  customResourceDefinition.validateCreate?.(made, errors);
  return !errors.ok;
}

/** Whether a value is what a schema asks for, once it went all the way that one from a user goes. */
function holds(schema: JSONSchemaProps, sent: unknown, prev: unknown): boolean {
  const pruned = pruneToSchema(schema, sent, [], { isResource: true });
  applySchemaDefaults(schema, pruned);
  const errors = new FieldErrors();
  validateValue(schema, pruned, new FieldPath(), errors, prev);
  if (errors.ok) applyRules(schema, pruned, new FieldPath(), errors, prev);
  return errors.ok;
}

test(
  'random schemas and values',
  () => {
    let accepted = 0;
    let held = 0;
    const property = fc.property(anySchema, fc.array(value, { minLength: 2, maxLength: 6 }), (spec, values) => {
      const schema: JSONSchemaProps = { type: 'object', properties: { spec } };
      if (refuses(schema)) return;
      accepted += 1;
      let prev: unknown;
      for (const each of values) {
        const sent = { spec: structuredClone(each) };
        if (!holds(schema, sent, prev)) continue;
        held += 1;
        prev = sent;
      }
    });
    fc.assert(property, { numRuns: numRuns * 4, seed });
    expect([accepted > numRuns, held > numRuns / 4]).toEqual([true, true]);
  },
  timeout,
);
