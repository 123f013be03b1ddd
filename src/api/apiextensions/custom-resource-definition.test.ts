import { expect, test } from 'vitest';
import { FieldErrors, fieldErrorMessage } from '../fields.ts';
import type { CustomResourceDefinition, JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { customColumns } from './custom-columns.ts';
import { customResourceDefinition } from './custom-resource-definition.ts';

type Spec = CustomResourceDefinition['spec'];

const schemaOf = (spec: JSONSchemaProps): JSONSchemaProps => ({ type: 'object', properties: { spec } });

function definition(schema: JSONSchemaProps, change: Partial<Spec> = {}): CustomResourceDefinition {
  const made: CustomResourceDefinition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'foos.example.com', uid: '', resourceVersion: '', creationTimestamp: '' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'foos', kind: 'Foo' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
      ...change,
    },
  };
  customResourceDefinition.defaults?.(made);
  customResourceDefinition.create?.(made, { now: '2026-01-01T00:00:00Z' });
  return made;
}

function problems(made: CustomResourceDefinition): string[] {
  const errors = new FieldErrors();
  customResourceDefinition.validateFirst?.(made, undefined, errors);
  customResourceDefinition.validate?.(made, errors);
  customResourceDefinition.validateCreate?.(made, errors);
  return errors.list.map(fieldErrorMessage);
}

const good = schemaOf({ type: 'object', properties: { a: { type: 'string' } } });

test('a plain definition is valid', () => {
  expect(problems(definition(good))).toEqual([]);
});

test('a definition says itself how far it reaches, and is not held against a name that it lacks', () => {
  const made = definition(good, { scope: undefined as unknown as string });
  made.metadata.name = '';
  expect(problems(made)).toEqual(['spec.scope: Required value']);
});

test('a rule that does not compile is shown as the internal type has it, and its message not looked at', () => {
  const rule = { rule: ' x', messageExpression: '1' };
  expect(problems(definition(schemaOf({ type: 'object', 'x-kubernetes-validations': [rule] })))).toEqual([
    expect.stringContaining(
      'x-kubernetes-validations[0].rule: Invalid value: {"Rule":" x","Message":"","MessageExpression":"1","Reason":null,"FieldPath":"","OptionalOldSelf":null}: compilation failed: ERROR: <input>:1:2: undeclared reference to \'x\'',
    ),
  ]);
});

const at = 'spec.validation.openAPIV3Schema.properties[spec]';

test.each<[string, JSONSchemaProps, string[]]>([
  ['a field without a type', { properties: {} }, [`${at}.type: Required value: must not be empty for specified object fields`]],
  ['items without a type', { type: 'array', items: {} }, [`${at}.items.type: Required value: must not be empty for specified array items`]],
  ['an array without items', { type: 'array' }, [`${at}.items: Required value: must be specified`]],
  [
    'a type nobody knows',
    { type: 'text' },
    [`${at}.type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"`],
  ],
  ['a reference', { type: 'object', $ref: '#/x' }, [`${at}.$ref: Forbidden: $ref is not supported`]],
  [
    'unique items',
    { type: 'array', uniqueItems: true, items: { type: 'string' } },
    [`${at}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic`],
  ],
  [
    'a type in a junctor',
    { type: 'object', anyOf: [{ type: 'object' }] },
    [`${at}.anyOf[0].type: Forbidden: must be empty to be structural`],
  ],
  [
    'a field that only a junctor has',
    { type: 'object', anyOf: [{ properties: { b: { minimum: 1 } } }] },
    [`${at}.properties[b]: Required value: because it is defined in ${at}.anyOf[0].properties[b]`],
  ],
  [
    'properties beside additional ones',
    { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: { type: 'string' } },
    [`${at}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`],
  ],
  [
    'a map list without keys',
    { type: 'array', 'x-kubernetes-list-type': 'map', items: { type: 'object' } },
    [`${at}.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map`],
  ],
  [
    'an optional key without a default',
    {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['k'],
      items: { type: 'object', properties: { k: { type: 'string' } } },
    },
    [
      `${at}.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`,
    ],
  ],
  [
    'a map of lists that is none',
    {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['k', 'k', 'o'],
      items: { type: 'object', nullable: true, required: ['k'], properties: { k: { type: 'array', items: { type: 'string' } } } },
    },
    [
      `${at}.items.properties[k].type: Invalid value: "object": must be a scalar type if parent array's x-kubernetes-list-type is map`,
      `${at}.items.properties[k].type: Invalid value: "object": must be a scalar type if parent array's x-kubernetes-list-type is map`,
      `${at}.x-kubernetes-list-map-keys: Invalid value: ["k","k","o"]: must not contain duplicate entries`,
      `${at}.x-kubernetes-list-map-keys: Invalid value: ["k","k","o"]: entries must all be names of item properties`,
      `${at}.items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is map`,
    ],
  ],
  [
    'structure first, in order, then what the schema says',
    { type: 'array', uniqueItems: true, properties: { b: {}, a: { type: 'null' } } },
    [
      `${at}.items: Required value: must be specified`,
      `${at}.properties[b].type: Required value: must not be empty for specified object fields`,
      `${at}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic`,
      `${at}.properties[a].type: Unsupported value: "null": supported values: "array", "boolean", "integer", "number", "object", "string"`,
      `${at}.properties[a].type: Forbidden: type cannot be set to null, use nullable as an alternative`,
    ],
  ],
  [
    'a default that is not valid',
    { type: 'integer', minimum: 5, default: 1 },
    [`${at}.default: Invalid value: 1:  in body should be greater than or equal to 5`],
  ],
  [
    'a default with unknown fields',
    { type: 'object', default: { x: 1 } },
    [`${at}.default: Invalid value: {"x":1}: must not have unknown fields`],
  ],
  [
    'a default that breaks a rule, also one that only looks at what is new',
    {
      type: 'object',
      properties: {
        name: { type: 'string', default: 'x', 'x-kubernetes-validations': [{ rule: "self.startsWith('kube')" }] },
        pair: {
          ...{ type: 'object', properties: { a: { type: 'integer' } }, default: { a: 1 } },
          'x-kubernetes-validations': [{ rule: 'oldSelf.hasValue()', optionalOldSelf: true }],
        },
      },
    },
    [
      `${at}.properties[name].default: Invalid value: "x": failed rule: self.startsWith('kube')`,
      `${at}.properties[pair].default: Invalid value: failed rule: oldSelf.hasValue()`,
    ],
  ],
  [
    'a default that makes no object',
    {
      ...{ type: 'object', 'x-kubernetes-embedded-resource': true, default: { kind: 42 } },
      properties: { metadata: { type: 'object', properties: { name: { type: 'string', default: 'UPPER/' } } } },
    },
    [
      `${at}.default.kind: Invalid value: 42: must be a string`,
      `${at}.properties[metadata].properties[name].default: Invalid value: "UPPER/": must result in valid metadata: metadata.name: Invalid value: "UPPER/": may not contain '/'`,
    ],
  ],
  [
    'rules beside what else is wrong, but not about it',
    {
      type: 'object',
      'x-kubernetes-validations': [{ rule: 'self.nope' }],
      properties: {
        wrong: { type: 'string', uniqueItems: true, 'x-kubernetes-validations': [{ rule: 'self.nope' }] },
        fine: { type: 'string', maxLength: 9, 'x-kubernetes-validations': [{ rule: 'self == 1' }] },
      },
    },
    [
      `${at}.properties[wrong].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic`,
      `${at}.properties[fine].x-kubernetes-validations[0].rule: Invalid value: {"Rule":"self == 1","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: compilation failed: ERROR: <input>:1:6: found no matching overload for '_==_' applied to '(string, int)'\n | self == 1\n | .....^`,
    ],
  ],
])('refuses %s', (_, schema, messages) => {
  expect(problems(definition(schemaOf(schema)))).toEqual(messages);
});

test.each<[string, JSONSchemaProps, JSONSchemaProps]>([
  ['types that nobody knows', { type: 'text' }, { type: 'word' }],
  [
    'sets of what can be told apart in parts only',
    { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'object' } },
    { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'object', properties: {} } },
  ],
  [
    'nullable items of sets',
    { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string', nullable: true } },
    { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'integer', nullable: true } },
  ],
  [
    'unknown fields in defaults',
    { type: 'object', properties: { a: { type: 'string' } }, default: { x: 1 } },
    { type: 'object', properties: { a: { type: 'string' } }, default: { y: 1 } },
  ],
])('old definitions may go on with %s', (_, before, after) => {
  const [prev, next] = [definition(schemaOf(before)), definition(schemaOf(after))];
  const found = (made: CustomResourceDefinition) => {
    const errors = new FieldErrors();
    customResourceDefinition.validate?.(made, errors);
    return errors;
  };
  const errors = found(next);
  expect(errors.ok).toBe(false);
  errors.dropKept(() => found(definition(good)));
  expect(errors.ok).toBe(false);
  errors.dropKept(() => found(prev));
  expect(errors.list).toEqual([]);
});

test('a field called default is no default', () => {
  const errors = new FieldErrors();
  const schema = schemaOf({ type: 'object', properties: { default: { type: 'string' } } });
  customResourceDefinition.validate?.(definition(schema, { preserveUnknownFields: true }), errors);
  const found = errors.list.map(fieldErrorMessage).join('\n');
  expect(found).toContain('cannot set to true');
  expect(found).not.toContain('must be false in order to use defaults');
});

test('int-or-string takes the two forms in which it is written', () => {
  const anyOf = [{ type: 'integer' }, { type: 'string' }];
  expect(problems(definition(schemaOf({ 'x-kubernetes-int-or-string': true, anyOf })))).toEqual([]);
  expect(problems(definition(schemaOf({ 'x-kubernetes-int-or-string': true, allOf: [{ anyOf }, { pattern: '^x' }] })))).toEqual([]);
});

test.each<[string, Partial<Spec>, string]>([
  [
    'another name',
    { names: { plural: 'bars', kind: 'Foo' } },
    'metadata.name: Invalid value: "foos.example.com": must be spec.names.plural+"."+spec.group',
  ],
  [
    'two storage versions',
    { versions: ['v1', 'v2'].map((name) => ({ name, served: true, storage: true, schema: { openAPIV3Schema: good } })) },
    'must have exactly one version marked as storage version',
  ],
  [
    'a version twice',
    { versions: [true, false].map((storage) => ({ name: 'v1', served: true, storage, schema: { openAPIV3Schema: good } })) },
    'must contain unique version names',
  ],
  ['no schema', { versions: [{ name: 'v1', served: true, storage: true }] }, 'spec.versions[0].schema.openAPIV3Schema: Required value'],
  [
    'preserving all',
    { preserveUnknownFields: true },
    'spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
  ],
  [
    'a warning of what is not deprecated',
    { versions: [{ name: 'v1', served: true, storage: true, deprecationWarning: '', schema: { openAPIV3Schema: good } }] },
    'spec.versions[0].deprecationWarning: Invalid value: "": can only be set for deprecated versions',
  ],
  [
    'a root that the status has no place in',
    {
      versions: [
        {
          ...{ name: 'v1', served: true, storage: true, subresources: { status: {} } },
          schema: { openAPIV3Schema: { ...good, anyOf: [{ required: ['spec'] }] } },
        },
      ],
    },
    'only [Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations] fields are allowed at the root of the schema if the status subresource is enabled',
  ],
  [
    'reviews in versions that nobody speaks',
    { conversion: { strategy: 'Webhook', webhook: { clientConfig: { url: 'https://a/b' }, conversionReviewVersions: ['v2', 'v2'] } } },
    'spec.conversion.conversionReviewVersions[1]: Invalid value: "v2": duplicate version\nspec.conversion.conversionReviewVersions: Invalid value: ["v2","v2"]: must include at least one of v1, v1beta1',
  ],
  [
    'a webhook without a client',
    { conversion: { strategy: 'Webhook' } },
    'spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook',
  ],
  [
    'the kind as list kind',
    { names: { plural: 'foos', kind: 'Foo', listKind: 'Foo' } },
    'spec.names.listKind: Invalid value: "Foo": kind and listKind may not be the same',
  ],
])('refuses %s', (_, change, message) => {
  expect(problems(definition(good, change)).join('\n')).toContain(message);
});

test('groups of Kubernetes itself need an approval', () => {
  const made = definition(good, { group: 'example.k8s.io' });
  made.metadata.name = 'foos.example.k8s.io';
  const errors = new FieldErrors();
  const approved = { ...made, metadata: { ...made.metadata, annotations: { 'api-approved.kubernetes.io': 'https://example.com/1' } } };
  for (const [next, prev] of [
    [made, made],
    [approved, made],
    [made, approved],
  ] as const)
    customResourceDefinition.validateUpdate?.(next, prev, errors);
  expect(errors.list).toHaveLength(1);
  expect(problems(made)).toEqual([
    'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
  ]);
});

test.each<[string, string, unknown]>([
  ['string', '.servers[0].hosts[0]', 'foo'],
  ['string', '.servers[1].hosts', '["bar","a\\u003cb"]'],
  ['string', '.servers[*].hosts', '["foo"]'],
  ['string', '.map', '{"a":2,"b":1}'],
  ['string', '.number', '3.14'],
  ['string', '.nothing', '<no value>'],
  ['string', '.missing', null],
  ['integer', '.number', 3],
  ['integer', '.servers', null],
  ['number', '.number', 3.14],
  ['number', '.yes', null],
  ['boolean', '.yes', true],
  ['boolean', '.number', null],
  ['date', '.time', '12h'],
  ['date', '.later', '<invalid>'],
  ['date', '.empty', '<unknown>'],
  ['date', '.servers[0].hosts[0]', '<invalid>'],
  ['date', '.number', null],
])('a column of type %s shows what is at %s', (type, jsonPath, cell) => {
  const object = {
    ...definition(good),
    ...{ servers: [{ hosts: ['foo'] }, { hosts: ['bar', 'a<b'] }], map: { b: 1, a: 2 }, number: 3.14, nothing: null, yes: true },
    ...{ time: '2025-12-31T11:30:00Z', later: '2026-01-01T12:30:00Z', empty: '' },
  };
  const [, column] = customColumns([{ name: 'c', type, jsonPath, description: '' }], (shown) => shown);
  expect(column?.value(object, Date.parse('2026-01-01T00:00:00Z'))).toBe(cell);
  expect(column?.description).toBe(`Custom resource definition column (in JSONPath format): ${jsonPath}`);
});
