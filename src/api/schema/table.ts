/**
 * Access to the schema table. The text (366 kB) is indexed by group version on first use, and a type is parsed when it is first
 * asked for: a cluster that never sees a flow schema never parses one.
 */
import { resourcesText, schemaText } from '../generated/table.ts';
import type { Field, IntNode, ListNode, MapNode, RawNode, ScalarNode, StructNode, TypeNode, UnionNode, WireField } from './node.ts';
import { type FieldSchema, parseResources, parseSchema, type ResourceSchema, type TypeSchema } from './parse.ts';

let sections: Map<string, { start: number; end: number }> | undefined;

function sectionOf(groupVersion: string) {
  if (!sections) {
    sections = new Map();
    let start = schemaText.startsWith('# ') ? 0 : schemaText.indexOf('\n# ') + 1;
    while (start >= 0 && start < schemaText.length) {
      const lineEnd = schemaText.indexOf('\n', start);
      const next = schemaText.indexOf('\n# ', lineEnd);
      const end = next < 0 ? schemaText.length : next + 1;
      sections.set(schemaText.slice(start + 2, lineEnd), { start, end });
      start = next < 0 ? -1 : next + 1;
    }
  }
  return sections.get(groupVersion);
}

const schemas = new Map<string, Map<string, TypeSchema>>();

const namePattern = /^(?:struct|alias) (\S+)/gm;
const blockIndex = new Map<string, Map<string, string>>();

/** The text blocks of a group version's types, unparsed. */
function blocksOf(groupVersion: string): Map<string, string> {
  const known = blockIndex.get(groupVersion);
  if (known) return known;
  const blocks = new Map<string, string>();
  const section = sectionOf(groupVersion);
  if (section) {
    const text = schemaText.slice(section.start, section.end);
    const heads = [...text.matchAll(namePattern)];
    for (const [i, head] of heads.entries()) blocks.set(head[1] ?? '', text.slice(head.index, heads[i + 1]?.index ?? text.length));
  }
  blockIndex.set(groupVersion, blocks);
  return blocks;
}

/** The schema of a type, e.g. `apps.v1.Deployment`; undefined if the table has no such type. */
export function typeSchema(name: string): TypeSchema | undefined {
  const dot = name.lastIndexOf('.');
  const groupVersion = name.slice(0, dot);
  let parsed = schemas.get(groupVersion);
  if (!parsed) {
    parsed = new Map();
    schemas.set(groupVersion, parsed);
  }
  let schema = parsed.get(name);
  if (!schema) {
    const block = blocksOf(groupVersion).get(name.slice(dot + 1));
    if (block === undefined) return undefined;
    schema = parseSchema(`# ${groupVersion}\n${block}`).get(name);
    if (schema) parsed.set(name, schema);
  }
  return schema;
}

let resources: ResourceSchema[] | undefined;
let byKind: Map<string, ResourceSchema> | undefined;

/** All kinds that are REST resources. */
export function schemaResources(): readonly ResourceSchema[] {
  resources ??= parseResources(resourcesText);
  return resources;
}

/** The table's row of a kind. */
export function resourceSchema(gvk: { group: string; version: string; kind: string }): ResourceSchema | undefined {
  byKind ??= new Map(schemaResources().map((r) => [`${r.group}/${r.version}/${r.kind}`, r]));
  return byKind.get(`${gvk.group}/${gvk.version}/${gvk.kind}`);
}

/** Go's spelling of a type expression: `*[]core.v1.Container` is `[]v1.Container`. */
export function goTypeOf(expression: string): string {
  return expression
    .replace(/^\*/, '')
    .replace(/[\w.]+\.(\w+\.\w+)/g, '$1')
    .replace('[]byte', '[]uint8')
    .replace(/\bany\b/, 'interface {}');
}

const integers: Record<string, [number, number]> = {
  int32: [-2147483648, 2147483647],
  uint32: [0, 4294967295],
  // JSON numbers are doubles here: the bounds are the nearest ones.
  int64: [-(2 ** 63), 2 ** 63],
  int: [-(2 ** 63), 2 ** 63],
  uint64: [0, 2 ** 64],
  uint8: [0, 255],
  byte: [0, 255],
  'time.Duration': [-(2 ** 63), 2 ** 63],
};

const scalars: Record<string, ScalarNode['kind']> = {
  string: 'string',
  bool: 'bool',
  float64: 'float',
  '[]byte': 'bytes',
  'meta.v1.Time': 'time',
  'time.Time': 'time',
  'meta.v1.MicroTime': 'microTime',
  'meta.v1.Duration': 'duration',
  'resource.Quantity': 'quantity',
  'intstr.IntOrString': 'intOrString',
};

const raws = new Set(['any', 'runtime.RawExtension', 'runtime.Object', 'meta.v1.FieldsV1', 'apiextensions.v1.JSON']);

const unions: Record<string, UnionNode['other']> = {
  'apiextensions.v1.JSONSchemaPropsOrBool': 'bool',
  'apiextensions.v1.JSONSchemaPropsOrArray': 'list',
  'apiextensions.v1.JSONSchemaPropsOrStringArray': 'strings',
};

/** Constants that the table's defaults refer to. */
const constants: Record<string, string> = { AzureDataDiskCachingReadWrite: 'ReadWrite', AzureSharedBlobDisk: 'Shared' };

function parseDefault(schema: FieldSchema): unknown {
  if (schema.default === undefined) return undefined;
  const reference = /^ref\((\w+)\)$/.exec(schema.default);
  return reference ? constants[reference[1] ?? ''] : JSON.parse(schema.default);
}

function makeField(schema: FieldSchema, owner: string, embedded: readonly string[]): Field {
  let node: TypeNode | undefined;
  return {
    name: schema.name,
    get node() {
      node ??= typeNode(schema.type);
      return node;
    },
    pointer: schema.type.startsWith('*'),
    omitempty: schema.omitempty,
    // Since 1.34 upstream leaves a zero creationTimestamp out; the table's text form does not say omitzero.
    omitzero: owner === 'meta.v1.ObjectMeta' && schema.name === 'creationTimestamp',
    optional: schema.optional,
    required: schema.required || (!schema.optional && !schema.omitempty),
    default: parseDefault(schema),
    patchStrategy: schema.patchStrategy ?? [],
    patchMergeKey: schema.patchMergeKey,
    listType: schema.listType,
    listMapKeys: schema.listMapKeys ?? [],
    atomic: schema.mapType === 'atomic' || schema.structType === 'atomic',
    granular: schema.structType === 'granular',
    embedded,
  };
}

function* jsonFields(schema: TypeSchema, embedded: readonly string[] = []): Generator<Field> {
  for (const field of schema.fields) {
    const inner = field.name === '' ? typeSchema(field.type.replace('*', '')) : undefined;
    if (inner) yield* jsonFields(structSchema(inner), [...embedded, inner.name.slice(inner.name.lastIndexOf('.') + 1)]);
    else if (field.name !== '') yield makeField(field, schema.name, embedded);
  }
}

/** Follows aliases of structs. */
function structSchema(schema: TypeSchema): TypeSchema {
  let target = schema;
  while (target.kind === 'alias') {
    const next = typeSchema(target.of ?? '');
    if (!next) break;
    target = next;
  }
  return target;
}

function* wireFields(schema: TypeSchema): Generator<WireField> {
  for (const field of schema.fields) {
    if (field.number > 0) {
      yield {
        number: field.number,
        wire: field.wire,
        name: field.name,
        get node() {
          return typeNode(field.type);
        },
        pointer: field.type.startsWith('*'),
        flat: field.name === '',
      };
    } else if (field.inline && field.name === '' && field.type !== 'meta.v1.TypeMeta') {
      const inner = typeSchema(field.type.replace('*', ''));
      if (inner) yield* wireFields(structSchema(inner));
    }
  }
}

function makeStruct(schema: TypeSchema, goType: string): StructNode {
  const target = structSchema(schema);
  let fields: Field[] | undefined;
  let byName: Map<string, Field> | undefined;
  let wire: WireField[] | undefined;
  return {
    kind: 'struct',
    goType,
    typeName: schema.name,
    atomic: target.structType === 'atomic',
    get fields() {
      fields ??= [...jsonFields(target)];
      return fields;
    },
    get byName() {
      byName ??= new Map(this.fields.map((f) => [f.name, f]));
      return byName;
    },
    get wireFields() {
      wire ??= [...wireFields(target)].sort((a, b) => a.number - b.number);
      return wire;
    },
  };
}

function makeNode(expression: string): TypeNode {
  const goType = goTypeOf(expression);
  const scalar = scalars[expression];
  if (scalar) return { kind: scalar, goType, typeName: expression.includes('.') ? expression : '' } satisfies ScalarNode;
  const bounds = integers[expression];
  if (bounds) return { kind: 'int', goType, typeName: '', min: bounds[0], max: bounds[1] } satisfies IntNode;
  if (raws.has(expression)) return { kind: 'raw', goType, typeName: expression } satisfies RawNode;
  if (expression.startsWith('[]')) return { kind: 'list', goType, typeName: '', item: typeNode(expression.slice(2)) } satisfies ListNode;
  const map = /^map\[[^\]]+\](.*)$/.exec(expression);
  if (map?.[1]) return { kind: 'map', goType, typeName: '', value: typeNode(map[1]) } satisfies MapNode;
  const schema = typeSchema(expression);
  // Types outside the table (component configuration's shared ones) pass through untouched.
  if (!schema) return { kind: 'raw', goType, typeName: expression };
  const other = unions[expression];
  if (other) {
    const struct = typeNode('apiextensions.v1.JSONSchemaProps');
    if (struct.kind !== 'struct') throw new Error('schema: JSONSchemaProps is no struct');
    return { kind: 'union', goType, typeName: expression, struct, other } satisfies UnionNode;
  }
  if (schema.kind === 'struct' || structSchema(schema).kind === 'struct') return makeStruct(schema, goType);
  const target = typeNode(schema.of ?? 'any');
  // The alias has its target's shape and its own name; only the name and the enum differ.
  return { ...target, goType, typeName: expression, ...(schema.enum ? { enum: schema.enum } : {}) } as TypeNode;
}

const nodes = new Map<string, TypeNode>();

/** The node of a type expression: `apps.v1.Deployment`, `[]core.v1.Container`, `map[string]string`. A leading `*` says nothing here. */
export function typeNode(expression: string): TypeNode {
  const name = expression.startsWith('*') ? expression.slice(1) : expression;
  let node = nodes.get(name);
  if (!node) {
    node = makeNode(name);
    nodes.set(name, node);
  }
  return node;
}

/** The node of a struct type.
 * @throws Error where the table has no such struct. */
export function structNode(name: string): StructNode {
  const node = typeNode(name);
  if (node.kind !== 'struct') throw new Error(`schema: ${name} is no struct of the table`);
  return node;
}

let groups: Map<string, string> | undefined;

/** The types' package of an API group of the table: `rbac` of `rbac.authorization.k8s.io`; undefined for groups of others. */
function packageOf(group: string): string | undefined {
  if (group === '') return 'core';
  groups ??= new Map(schemaResources().map(({ type, group }) => [type.slice(0, type.indexOf('.')), group]));
  const [name = ''] = group.split('.', 1);
  // Those that serve no resources (admission.k8s.io) are named alike.
  return (groups.get(name) ?? `${name}.k8s.io`) === group ? name : undefined;
}

/** Of every group version, also of custom resources' (metav1.AddToGroupVersion). */
const everyonesKind = /^(?:WatchEvent|(?:List|Get|Delete|Create|Update|Patch)Options)$/;

/** The struct of a kind; meta kinds (DeleteOptions, Status, ...) are found in every group version. */
export function kindNode(gvk: { group: string; version: string; kind: string }): StructNode | undefined {
  const resource = resourceSchema(gvk);
  if (resource) return structNode(resource.type);
  const list = gvk.kind.endsWith('List') ? resourceSchema({ ...gvk, kind: gvk.kind.slice(0, -4) }) : undefined;
  if (list && typeSchema(`${list.type}List`)) return structNode(`${list.type}List`);
  const name = packageOf(gvk.group);
  if (name === undefined && !everyonesKind.test(gvk.kind)) return undefined;
  const own = name === undefined ? undefined : typeSchema(`${name}.${gvk.version}.${gvk.kind}`);
  if (own) return structNode(own.name);
  return typeSchema(`meta.v1.${gvk.kind}`) ? structNode(`meta.v1.${gvk.kind}`) : undefined;
}
