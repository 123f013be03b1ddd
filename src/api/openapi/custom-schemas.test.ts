import { describe, expect, it } from 'vitest';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { customDefinition } from './custom-schemas.ts';
import { SchemaBuilder } from './schemas.ts';

const foo = { group: 'bar.k8s.io', version: 'v1', kind: 'Foo' };
const published = (schema: JSONSchemaProps | undefined, version: 2 | 3) =>
  customDefinition({ schema }, foo, version, new SchemaBuilder(version, {}));
const bare = { type: 'object', 'x-kubernetes-group-version-kind': [foo] };
const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } as const;
const spec = (schema: JSONSchemaProps, version: 2 | 3) => {
  const { properties } = published({ type: 'object', properties: { spec: schema } }, version) as { properties: Record<string, unknown> };
  return properties.spec;
};

describe('the published schema of a custom resource', () => {
  it('says nothing of one without a schema, and in version 2 nothing of one that may hold anything', () => {
    expect(published(undefined, 2)).toEqual(bare);
    expect(published(undefined, 3)).toEqual(bare);
    expect(published({ ...anything, description: 'Anything', properties: { spec: { type: 'object' } } }, 2)).toEqual(bare);
    expect(published(anything, 3)).toMatchObject({ ...anything, properties: { kind: { type: 'string' } } });
  });

  it.each<[string, JSONSchemaProps, object]>([
    [
      'alternatives and defaults',
      { type: 'string', default: 'a', oneOf: [{ pattern: 'a' }], anyOf: [{ pattern: 'b' }] },
      { type: 'string' },
    ],
    ['nullable things', { type: 'object', nullable: true, properties: { a: { type: 'string' } } }, {}],
    ['what may hold anything', { ...anything, properties: { a: { type: 'string' } } }, { 'x-kubernetes-preserve-unknown-fields': true }],
    ['lists of nobody knows what', { type: 'array', maxItems: 3 }, { maxItems: 3 }],
    [
      'requirements of nullable fields',
      { type: 'object', required: ['a', 'b'], properties: { a: { type: 'string', nullable: true }, b: { type: 'string' } } },
      { type: 'object', required: ['b'], properties: { a: {}, b: { type: 'string' } } },
    ],
    [
      'requirements of maps of nullable values',
      { type: 'object', required: ['a'], additionalProperties: { type: 'string', nullable: true } },
      { type: 'object', additionalProperties: {} },
    ],
    [
      'metadata of embedded objects that may hold anything',
      { ...anything, 'x-kubernetes-embedded-resource': true },
      { ...{ 'x-kubernetes-preserve-unknown-fields': true, 'x-kubernetes-embedded-resource': true } },
    ],
  ])('leaves out of version 2: %s', (_, schema, expected) => {
    expect(spec(schema, 2)).toEqual(expected);
  });

  it('keeps rules in both versions', () => {
    const rules = { type: 'object' as const, 'x-kubernetes-validations': [{ rule: 'true' }] };
    for (const version of [2, 3] as const) expect(spec(rules, version)).toEqual(rules);
  });

  it('gives embedded objects what every object has', () => {
    expect(spec({ type: 'object', 'x-kubernetes-embedded-resource': true, required: ['spec'] }, 2)).toMatchObject({
      required: ['spec', 'kind', 'apiVersion'],
      properties: {
        kind: { description: expect.stringMatching(/^kind is a string value/) },
        apiVersion: { type: 'string' },
        metadata: { $ref: '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' },
      },
    });
  });
});
