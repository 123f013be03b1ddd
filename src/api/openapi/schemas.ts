/** The table's types as OpenAPI schemas, with upstream's definition names and extensions. */
import type { Field, StructNode, TypeNode } from '../schema/node.ts';
import { kindNode, resourceSchema, schemaResources, structNode, typeNode } from '../schema/table.ts';

export type Json = { [key: string]: unknown };
export type Descriptions = Readonly<Record<string, Readonly<Record<string, string>>>>;
export type Version = 2 | 3;

const packages: Record<string, string> = {
  meta: 'io.k8s.apimachinery.pkg.apis.meta',
  apiextensions: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
  apiregistration: 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
  metrics: 'io.k8s.metrics.pkg.apis.metrics',
};

const single: Record<string, string> = {
  'runtime.RawExtension': 'io.k8s.apimachinery.pkg.runtime.RawExtension',
  'intstr.IntOrString': 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
  'resource.Quantity': 'io.k8s.apimachinery.pkg.api.resource.Quantity',
  'version.Info': 'io.k8s.apimachinery.pkg.version.Info',
};

/** `apps.v1.Deployment` is `io.k8s.api.apps.v1.Deployment`. */
export function definitionName(typeName: string): string {
  const known = single[typeName];
  if (known) return known;
  const dot = typeName.indexOf('.');
  const group = typeName.slice(0, dot);
  return `${packages[group] ?? `io.k8s.api.${group}`}${typeName.slice(dot)}`;
}

/** As every kind's is described. */
export const metadataDescription =
  "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
export const listMetadataDescription =
  'Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds';

/** Types with a definition of their own although they are no structs of the table's kind. */
const scalarDefinitions: Record<string, (version: Version) => Json> = {
  'meta.v1.Time': () => ({ type: 'string', format: 'date-time' }),
  'meta.v1.MicroTime': () => ({ type: 'string', format: 'date-time' }),
  'meta.v1.Duration': () => ({ type: 'string' }),
  'meta.v1.FieldsV1': () => ({ type: 'object' }),
  'runtime.RawExtension': () => ({ type: 'object' }),
  'apiextensions.v1.JSON': () => ({}),
  'apiextensions.v1.JSONSchemaPropsOrBool': () => ({}),
  'apiextensions.v1.JSONSchemaPropsOrArray': () => ({}),
  'apiextensions.v1.JSONSchemaPropsOrStringArray': () => ({}),
  'resource.Quantity': (version) => (version === 3 ? { oneOf: [{ type: 'string' }, { type: 'number' }] } : { type: 'string' }),
  'intstr.IntOrString': (version) =>
    version === 3
      ? { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] }
      : { type: 'string', format: 'int-or-string' },
};

interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

/** Kinds that every group version has: what `x-kubernetes-group-version-kind` lists on meta types. */
const everywhere = new Set(['DeleteOptions', 'WatchEvent']);

let kindsByType: Map<string, GroupVersionKind[]> | undefined;

/** The kinds that a type is. */
function kindsOf(typeName: string): readonly GroupVersionKind[] {
  if (!kindsByType) {
    kindsByType = new Map();
    for (const { type, group, version, kind } of schemaResources()) {
      kindsByType.set(type, [...(kindsByType.get(type) ?? []), { group, version, kind }]);
      kindsByType.set(`${type}List`, [{ group, version, kind: `${kind}List` }]);
    }
    const versions = [...new Set(schemaResources().map((r) => `${r.group}/${r.version}`))];
    for (const kind of everywhere)
      kindsByType.set(
        `meta.v1.${kind}`,
        versions.map((gv) => ({ group: gv.slice(0, gv.indexOf('/')), version: gv.slice(gv.indexOf('/') + 1), kind })),
      );
    kindsByType.set('core.v1.Binding', [{ group: '', version: 'v1', kind: 'Binding' }]);
    for (const kind of ['Status', 'APIGroup', 'APIGroupList', 'APIResourceList', 'APIVersions'])
      kindsByType.set(`meta.v1.${kind}`, [{ group: '', version: 'v1', kind }]);
  }
  return kindsByType.get(typeName) ?? [];
}

const zero: Partial<Record<TypeNode['kind'], unknown>> = { string: '', bool: false, int: 0, float: 0 };

/** The default that the table says, or, as upstream's generator has it, Go's zero value of what can't be absent. */
function defaultOf({ default: given, pointer, omitempty, node }: Field): Json {
  if (given !== undefined) return { default: given };
  if (pointer) return {};
  if (node.kind === 'struct') return { default: {} };
  return omitempty || zero[node.kind] === undefined ? {} : { default: zero[node.kind] };
}

/** Builds schemas and collects the definitions that they refer to. */
export class SchemaBuilder {
  readonly definitions: Record<string, Json> = {};
  readonly #version: Version;
  readonly descriptions: Descriptions;
  readonly #enums: boolean;

  /** `enums`: say which values a text may have (OpenAPIEnums). */
  constructor(version: Version, descriptions: Descriptions, { enums = true } = {}) {
    this.#version = version;
    this.#enums = enums;
    this.descriptions = descriptions;
  }

  /** A reference to a type's definition, which it makes sure exists. */
  reference(typeName: string): Json {
    const name = definitionName(typeName);
    if (!Object.hasOwn(this.definitions, name)) {
      // Claims the name first: types refer to themselves.
      const definition: Json = {};
      this.definitions[name] = definition;
      const scalar = scalarDefinitions[typeName];
      const description = this.descriptions[typeName]?.[''];
      Object.assign(
        definition,
        description ? { description } : {},
        scalar ? scalar(this.#version) : this.#struct(structNode(typeName), typeName),
      );
    }
    return { $ref: `#/${this.#version === 3 ? 'components/schemas' : 'definitions'}/${name}` };
  }

  #struct(node: StructNode, typeName: string): Json {
    const properties: [string, Json][] = [];
    const required: string[] = [];
    for (const field of node.fields) {
      properties.push([field.name, this.#property(field, this.#description(typeName, field))]);
      if (field.required) required.push(field.name);
    }
    const kinds = kindsOf(typeName);
    return {
      type: 'object',
      ...(required.length > 0 ? { required: required.sort() } : {}),
      // A type without fields (Patch) says nothing of any.
      ...(properties.length > 0 ? { properties: Object.fromEntries(properties.sort(([a], [b]) => (a < b ? -1 : 1))) } : {}),
      ...(kinds.length > 0 ? { 'x-kubernetes-group-version-kind': kinds } : {}),
      ...(node.atomic ? { 'x-kubernetes-map-type': 'atomic' } : {}),
    };
  }

  /** Fields that are newer than their source of descriptions, and refer to another type: what that type is says as much. */
  #description(typeName: string, { name, node }: Field): string | undefined {
    const text = this.descriptions[typeName]?.[name];
    const own = this.#enums ? text : text?.replace(/\n+Possible enum values:[\s\S]*$/, '');
    if (own !== undefined) return own;
    const kind = typeName.slice(typeName.lastIndexOf('.') + 1);
    if (name === 'metadata' && node.typeName.startsWith('meta.')) return metadataDescription;
    if (name === 'spec' && node.kind === 'struct') return `The specification of the desired behavior of the ${kind}.`;
    if (name === 'status' && node.kind === 'struct') return `The most recently observed status of the ${kind}.`;
    // The first sentence: readers of version 3 show the type's whole text below it.
    return /^.*?\.(?=\s|$)/s.exec(this.descriptions[node.typeName]?.[''] ?? '')?.[0];
  }

  #property(field: Field, description: string | undefined): Json {
    const extras: Json = {
      ...(description ? { description } : {}),
      ...defaultOf(field),
      ...(field.listMapKeys.length > 0 ? { 'x-kubernetes-list-map-keys': field.listMapKeys } : {}),
      ...(field.listType ? { 'x-kubernetes-list-type': field.listType } : {}),
      ...(field.atomic ? { 'x-kubernetes-map-type': 'atomic' } : field.granular ? { 'x-kubernetes-map-type': 'granular' } : {}),
      ...(field.patchMergeKey ? { 'x-kubernetes-patch-merge-key': field.patchMergeKey } : {}),
      ...(field.patchStrategy.length > 0 ? { 'x-kubernetes-patch-strategy': field.patchStrategy.join(',') } : {}),
    };
    const schema = this.schema(field.node);
    if (!('$ref' in schema)) return { ...schema, ...extras };
    // OpenAPI 3.0 ignores what stands beside a $ref; 2.0's readers, upstream's among them, do not.
    if (Object.keys(extras).length === 0) return schema;
    return this.#version === 3 ? { allOf: [schema], ...extras } : { ...schema, ...extras };
  }

  /** The schema of a type as it stands inside another. */
  schema(node: TypeNode): Json {
    if (Object.hasOwn(scalarDefinitions, node.typeName)) return this.reference(node.typeName);
    switch (node.kind) {
      case 'string':
        return node.enum && this.#enums ? { type: 'string', enum: [...node.enum].sort() } : { type: 'string' };
      case 'bool':
        return { type: 'boolean' };
      case 'int':
        return { type: 'integer', format: node.goType === 'int32' || node.goType === 'uint32' ? 'int32' : 'int64' };
      case 'float':
        return { type: 'number', format: 'double' };
      case 'bytes':
        return { type: 'string', format: 'byte' };
      case 'list':
        return { type: 'array', items: this.schema(node.item) };
      case 'map':
        return { type: 'object', additionalProperties: this.schema(node.value) };
      case 'struct':
        return this.reference(node.typeName);
      case 'time':
      case 'microTime':
        return { type: 'string', format: 'date-time' };
      case 'quantity':
        return this.reference('resource.Quantity');
      case 'intOrString':
        return this.reference('intstr.IntOrString');
      default:
        return { type: 'object' };
    }
  }

  /** The definition of a kind of the table, or of its list. */
  kind(gvk: GroupVersionKind, list = false): Json {
    // Kinds without a row among the resources (Binding) have a type all the same.
    const type = resourceSchema(gvk)?.type ?? kindNode(gvk)?.typeName;
    if (!type) throw new Error(`openapi: the table has no kind ${gvk.group}/${gvk.version} ${gvk.kind}`);
    const name = list ? `${type}List` : type;
    return this.reference(typeNode(name).kind === 'struct' ? name : type);
  }

  /** What a subresource speaks; those that stream or proxy speak no kind of the table. */
  subresourceKind(gvk: GroupVersionKind): Json {
    const node = kindNode(gvk);
    return node ? this.reference(node.typeName) : { type: 'string' };
  }

  /**
   * Puts a schema that is not the table's (a custom resource's) among the definitions, by another name (`NAME_v2`, as kube-aggregator
   * has it) where there is another one of this name.
   */
  add(name: string, schema: Json): Json {
    const isTaken = (given: string) =>
      Object.hasOwn(this.definitions, given) && JSON.stringify(this.definitions[given]) !== JSON.stringify(schema);
    let chosen = name;
    for (let n = 2; isTaken(chosen); n++) chosen = `${name}_v${n}`;
    this.definitions[chosen] = schema;
    return { $ref: `#/${this.#version === 3 ? 'components/schemas' : 'definitions'}/${chosen}` };
  }
}
