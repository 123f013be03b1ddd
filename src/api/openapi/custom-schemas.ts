/**
 * Schemas of custom resources as they are published: in version 3 as they were written, in version 2 without what its readers do
 * not understand; with the fields that every object has (`k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder`).
 */
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { type Json, listMetadataDescription, metadataDescription, type SchemaBuilder, type Version } from './schemas.ts';

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

/** Those of an object within an object. */
const embedded: Record<'apiVersion' | 'kind', Json> = {
  apiVersion: {
    type: 'string',
    description:
      'apiVersion defines the versioned schema of this representation of an object. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources',
  },
  kind: {
    type: 'string',
    description:
      'kind is a string value representing the type of this object. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds',
  },
};

/** Not for version 2: its readers do not know them, or read them wrongly. */
const onlyVersion3 = new Set(['nullable', 'default', 'anyOf', 'oneOf', 'allOf', 'not']);

/** What may be null is there, in version 2, as what may be missing. */
function requiredInVersion2({ required = [], properties, additionalProperties }: JSONSchemaProps, withoutProperties: boolean): string[] {
  if (typeof additionalProperties === 'object' && additionalProperties.nullable) return [];
  return required.filter((name) => withoutProperties || !properties?.[name]?.nullable);
}

/** Which keywords of a schema version 2 leaves out: of what may hold anything, or null, its readers would refuse what the server takes. */
function withoutForVersion2({ type, items, nullable }: JSONSchemaProps, preserves: boolean): ReadonlySet<string> {
  const left = new Set(onlyVersion3);
  if (nullable || preserves) left.add('items').add('properties');
  const noItems = items === undefined || left.has('items');
  if (nullable || (type === 'array' && noItems) || (preserves && type === 'object')) left.add('type');
  return left;
}

/** Version 3 takes a reference for all that is said. */
const described = (reference: Json, description: string, version: Version): Json =>
  version === 3 ? { allOf: [reference], description } : { ...reference, description };

class Publisher {
  readonly #version: Version;
  readonly #builder: SchemaBuilder;

  constructor(version: Version, builder: SchemaBuilder) {
    this.#version = version;
    this.#builder = builder;
  }

  #metadata(): Json {
    return described(this.#builder.reference('meta.v1.ObjectMeta'), metadataDescription, this.#version);
  }

  schema(schema: JSONSchemaProps): Json {
    const v2 = this.#version === 2;
    const preserves = schema['x-kubernetes-preserve-unknown-fields'] === true;
    const left = v2 ? withoutForVersion2(schema, preserves) : undefined;
    const out: Json = {};
    for (const [key, value] of Object.entries(schema)) {
      if (value === undefined || left?.has(key)) continue;
      out[key] = this.#keyword(key, value);
    }
    const required = v2 ? requiredInVersion2(schema, left?.has('properties') ?? false) : [...(schema.required ?? [])];
    if (schema['x-kubernetes-embedded-resource'] && !(v2 && preserves)) {
      out.properties = { ...(out.properties ?? {}), ...embedded, metadata: this.#metadata() };
      for (const field of ['kind', 'apiVersion']) if (!required.includes(field)) required.push(field);
    }
    if (required.length > 0) out.required = required;
    else delete out.required;
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
    const group = [{ group: gvk.group, kind: gvk.kind, version: gvk.version }];
    // Readers would refuse whatever is not among the properties, if there were any.
    if (schema === undefined || (this.#version === 2 && schema['x-kubernetes-preserve-unknown-fields']))
      return { type: 'object', 'x-kubernetes-group-version-kind': group };
    const own = this.schema(schema);
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

/** The definition of a custom resource's lists in one version; `item`: the reference to the kind's own. */
export function customListDefinition(
  resource: { group: string; version: string; kind: string; listKind: string; plural: string },
  item: Json,
  version: Version,
  builder: SchemaBuilder,
): Json {
  const { listKind, plural } = resource;
  return {
    description: `${listKind} is a list of ${resource.kind}`,
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion,
      items: {
        description: `List of ${plural}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md`,
        type: 'array',
        items: item,
      },
      kind,
      metadata: described(builder.reference('meta.v1.ListMeta'), listMetadataDescription, version),
    },
    'x-kubernetes-group-version-kind': [{ group: resource.group, kind: listKind, version: resource.version }],
  };
}
