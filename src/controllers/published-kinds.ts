import { type APIResourceList, isJsonObject, type JSONSchemaProps, type PublishedKind, parseApiVersion } from '../api/index.ts';
import type { Client } from '../client/index.ts';

type Schema = Readonly<Record<string, unknown>>;
type Schemas = Readonly<Record<string, Schema>>;

const prefix = '#/components/schemas/';

/** What a schema refers to: by itself, or wrapped so that it can say something beside. */
function referenceOf(schema: Schema): string | undefined {
  if (typeof schema.$ref === 'string') return schema.$ref.slice(prefix.length);
  const { allOf } = schema;
  if (!Array.isArray(allOf)) return undefined;
  return allOf.map((part) => (isJsonObject(part) ? referenceOf(part) : undefined)).find((found) => found !== undefined);
}

/** So many parts a kind's schema may come to: references upon references may double them each time. */
const maxParts = 50_000;

/**
 * A schema with what it refers to in the place of the reference; one that holds itself, or becomes too large, ends in an object of unknown
 * fields.
 */
function withoutReferences(root: Schema, schemas: Schemas): unknown {
  let parts = 0;
  const expanded = (value: unknown, within: readonly string[]): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (++parts > maxParts) return { type: 'object' };
    if (Array.isArray(value)) return value.map((item) => expanded(item, within));
    // An object of a JSON document.
    const schema = value as Schema;
    const name = referenceOf(schema);
    if (name !== undefined && (within.includes(name) || !Object.hasOwn(schemas, name))) return { type: 'object' };
    if (name !== undefined) return expanded(schemas[name], [...within, name]);
    return Object.fromEntries(Object.entries(schema).map(([key, item]) => [key, expanded(item, within)]));
  };
  return expanded(root, []);
}

const isOf = (schema: Schema, group: string, version: string, kind: string): boolean => {
  const gvks = schema['x-kubernetes-group-version-kind'];
  return Array.isArray(gvks) && gvks.some((gvk) => gvk.group === group && gvk.version === version && gvk.kind === kind);
};

/** The kinds of an API version by what its server publishes of them: custom and aggregated ones too. Throws StatusError. */
export async function publishedKinds(client: Client, apiVersion: string, signal: AbortSignal): Promise<PublishedKind[]> {
  const { group, version } = parseApiVersion(apiVersion);
  // The answers' shapes are those of the discovery API and of OpenAPI v3.
  const { resources = [] } = (await client.raw('GET', `/apis/${apiVersion}`, { signal })) as APIResourceList;
  const document = (await client.raw('GET', `/openapi/v3/apis/${apiVersion}`, { signal })) as { components?: { schemas?: Schemas } };
  const schemas = document.components?.schemas ?? {};
  return resources.flatMap(({ name: plural, kind }) => {
    const own = plural.includes('/') ? undefined : Object.values(schemas).find((schema) => isOf(schema, group, version, kind));
    if (!own) return [];
    const schema = withoutReferences(own, schemas) as JSONSchemaProps;
    return [{ group, version, kind, plural, schema }];
  });
}
