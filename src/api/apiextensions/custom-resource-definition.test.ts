import { expect, test } from 'vitest';
import { FieldErrors, fieldErrorMessage } from '../fields.ts';
import type { CustomResourceDefinition, JSONSchemaProps } from '../generated/apiextensions.v1.ts';
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
  return made;
}

function problems(made: CustomResourceDefinition): string[] {
  const errors = new FieldErrors();
  customResourceDefinition.validate?.(made, errors);
  customResourceDefinition.validateCreate?.(made, errors);
  return errors.list.map(fieldErrorMessage);
}

const good = schemaOf({ type: 'object', properties: { a: { type: 'string' } } });

test('a plain definition is valid', () => {
  expect(problems(definition(good))).toEqual([]);
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
    'a default that is not valid',
    { type: 'integer', minimum: 5, default: 1 },
    [`${at}.default: Invalid value: 1: ${at}.default in body should be greater than or equal to 5`],
  ],
  [
    'a default with unknown fields',
    { type: 'object', default: { x: 1 } },
    [`${at}.default: Invalid value: {"x":1}: must not have unknown fields`],
  ],
])('refuses %s', (_, schema, messages) => {
  expect(problems(definition(schemaOf(schema)))).toEqual(messages);
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
  [
    'no schema',
    { versions: [{ name: 'v1', served: true, storage: true }] },
    'spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required',
  ],
  [
    'preserving all',
    { preserveUnknownFields: true },
    'spec.preserveUnknownFields: Invalid value: true: must be false in order to use defaults in the schema',
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
  expect(problems(made)).toEqual([
    'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
  ]);
});
