/** A structural schema as a type node, for field ownership: how lists and maps are merged. */
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import type { Field, RawNode, StructNode, TypeNode } from '../schema/node.ts';
import { structNode } from '../schema/table.ts';
import { itemSchema, valueSchema } from './schema-parts.ts';

const raw: RawNode = { kind: 'raw', goType: 'interface {}', typeName: '' };

const isAtomic = (schema: JSONSchemaProps) => schema['x-kubernetes-map-type'] === 'atomic';

const mergedAs = (schema: JSONSchemaProps) => ({
  // Validation of the definition admits no others.
  listType: schema['x-kubernetes-list-type'] as Field['listType'],
  listMapKeys: schema['x-kubernetes-list-map-keys'] ?? [],
});

function fieldOf(name: string, schema: JSONSchemaProps, required: boolean): Field {
  return {
    name,
    node: schema['x-kubernetes-embedded-resource'] ? resourceNode(schema, '') : nodeOf(schema),
    pointer: true,
    omitempty: true,
    required: false,
    omitzero: false,
    optional: !required,
    default: schema.default,
    patchStrategy: [],
    patchMergeKey: undefined,
    ...mergedAs(schema),
    atomic: isAtomic(schema),
    granular: false,
  };
}

function structOf(schema: JSONSchemaProps, typeName: string, extra: readonly Field[] = []): StructNode {
  const named = new Set(extra.map((f) => f.name));
  const own = Object.entries(schema.properties ?? {})
    .filter(([name]) => !named.has(name))
    .map(([name, property]) => fieldOf(name, property, schema.required?.includes(name) ?? false));
  const fields = [...extra, ...own];
  return {
    kind: 'struct',
    goType: typeName,
    typeName,
    atomic: isAtomic(schema),
    open: schema['x-kubernetes-preserve-unknown-fields'] === true,
    fields,
    byName: new Map(fields.map((f) => [f.name, f])),
    wireFields: [],
  };
}

function nodeOf(schema: JSONSchemaProps): TypeNode {
  const items = itemSchema(schema);
  if (schema.type === 'array' && items)
    return { kind: 'list', goType: '[]interface {}', typeName: '', item: nodeOf(items), ...mergedAs(schema) };
  if (schema.type !== 'object' && !schema.properties) return raw;
  const values = valueSchema(schema);
  if (values) return { kind: 'map', goType: 'map[string]interface {}', typeName: '', value: nodeOf(values), atomic: isAtomic(schema) };
  return schema.properties ? structOf(schema, '') : raw;
}

/** The fields that every object has, as the table knows them. */
function objectFields(): Field[] {
  const { byName } = structNode('core.v1.ConfigMap');
  return ['kind', 'apiVersion', 'metadata'].flatMap((name) => byName.get(name) ?? []);
}

/** The type of whole objects with this schema. `typeName` ends with the kind. */
export function resourceNode(schema: JSONSchemaProps | undefined, typeName: string): StructNode {
  return structOf(schema ?? { 'x-kubernetes-preserve-unknown-fields': true }, typeName, objectFields());
}
