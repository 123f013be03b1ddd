/**
 * Schemas of custom resources as they are published: in version 3 as they were written, in version 2 without what its readers do
 * not understand; with the fields that every object has (`k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder`).
 */
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { type Json, metadataDescription, type SchemaBuilder, type Version } from './schemas.ts';

/** `com.example.stable.v1.CronTab` */
export function customDefinitionName({ group, version, kind }: { group: string; version: string; kind: string }): string {
  return [...group.split('.').reverse(), version, kind].join('.');
}

const apiVersion: Json = {
  type: 'string',
  description:
    'APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources',
};
const kind: Json = {
  type: 'string',
  description:
    'Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds',
};

/** Not for version 2: its readers do not know them, or read them wrongly. */
const onlyVersion3 = new Set(['nullable', 'default', 'anyOf', 'oneOf', 'allOf', 'not', 'x-kubernetes-validations']);

class Publisher {
  readonly #version: Version;
  readonly #builder: SchemaBuilder;

  constructor(version: Version, builder: SchemaBuilder) {
    this.#version = version;
    this.#builder = builder;
  }

  #metadata(): Json {
    const reference = this.#builder.reference('meta.v1.ObjectMeta');
    return this.#version === 3
      ? { allOf: [reference], description: metadataDescription }
      : { ...reference, description: metadataDescription };
  }

  schema(schema: JSONSchemaProps): Json {
    const v2 = this.#version === 2;
    const preserves = schema['x-kubernetes-preserve-unknown-fields'] === true;
    // Of what may hold anything, or null, version 2 can say no type: clients would refuse what the server takes.
    const untyped = v2 && (schema.nullable === true || (preserves && !schema['x-kubernetes-embedded-resource']));
    const out: Json = {};
    for (const [key, value] of Object.entries(schema)) {
      if (value === undefined || (v2 && onlyVersion3.has(key))) continue;
      if (untyped && (key === 'type' || key === 'items' || key === 'properties' || key === 'additionalProperties')) continue;
      out[key] = this.#keyword(key, value);
    }
    if (schema['x-kubernetes-embedded-resource'])
      out.properties = { ...(out.properties ?? {}), apiVersion, kind, metadata: this.#metadata() };
    return out;
  }

  #keyword(key: string, value: unknown): unknown {
    // The keyword says what its value is.
    if (key === 'properties')
      return Object.fromEntries(Object.entries(value as Record<string, JSONSchemaProps>).map(([name, s]) => [name, this.schema(s)]));
    if ((key === 'items' || key === 'additionalProperties' || key === 'not') && typeof value === 'object')
      return this.schema(value as JSONSchemaProps);
    if (key === 'allOf' || key === 'anyOf' || key === 'oneOf') return (value as JSONSchemaProps[]).map((s) => this.schema(s));
    return value;
  }

  root(schema: JSONSchemaProps | undefined, gvk: { group: string; version: string; kind: string }): Json {
    const own = schema ? this.schema(schema) : { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    const group = [{ group: gvk.group, kind: gvk.kind, version: gvk.version }];
    if (this.#version === 2 && schema?.['x-kubernetes-preserve-unknown-fields'])
      return { ...own, type: 'object', 'x-kubernetes-group-version-kind': group };
    return {
      ...own,
      // Restrictions of metadata are the server's affair.
      properties: { ...(typeof own.properties === 'object' ? own.properties : {}), apiVersion, kind, metadata: this.#metadata() },
      'x-kubernetes-group-version-kind': group,
    };
  }
}

/** What a definition says of its resource in one version. */
export interface CustomSchema {
  schema: JSONSchemaProps | undefined;
  /** Paths of fields, without the leading dot. */
  selectableFields?: readonly string[];
}

/** The definition of a custom resource's kind in one version. */
export function customDefinition(
  { schema, selectableFields = [] }: CustomSchema,
  gvk: { group: string; version: string; kind: string },
  version: Version,
  builder: SchemaBuilder,
): Json {
  const root = new Publisher(version, builder).root(schema, gvk);
  if (selectableFields.length === 0) return root;
  return { ...root, 'x-kubernetes-selectable-fields': selectableFields.map((fieldPath) => ({ fieldPath })) };
}
