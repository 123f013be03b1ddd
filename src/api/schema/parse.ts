/**
 * The schema table's text form. A type is a block: a line `struct NAME [markers]` with one indented line a field, or a line
 * `alias NAME TARGET [enum=A|B] [values=A|B]`; `# GROUP.VERSION` says which group version follows. A field's line is
 * `NAME TYPE [PROTOBUF-NUMBER[:WIRE]] [markers]`, with `-` for an embedded field without a name of its own. Types are written
 * as in Go (`*` optional, `[]` list, `map[K]V`). Markers are words (`inline`, `optional`, `omitempty`, `required`) or `key=value`, where a
 * value that holds blanks is a JSON string.
 */

export type WireType = 'bytes' | 'varint' | 'fixed64' | 'fixed32';

export interface Lifecycle {
  introduced?: string;
  deprecated?: string;
  removed?: string;
  /** `GROUP,VERSION,KIND` */
  replacement?: string;
}

export interface FieldSchema {
  /** The JSON name; empty for an embedded struct whose fields belong to the parent. */
  name: string;
  type: string;
  /** Protobuf field number; 0 where the field has no protobuf form. */
  number: number;
  wire: WireType;
  inline: boolean;
  optional: boolean;
  omitempty: boolean;
  /** Said to be required although an empty value is left out; other fields are where they are neither optional nor `omitempty`. */
  required: boolean;
  patchStrategy?: string[];
  patchMergeKey?: string;
  listType?: 'atomic' | 'map' | 'set';
  listMapKeys?: string[];
  mapType?: 'atomic' | 'granular';
  structType?: 'atomic' | 'granular';
  /** A JSON value, or `ref(CONSTANT)`. */
  default?: string;
  rules: string[];
}

export interface TypeSchema extends Lifecycle {
  /** `GROUP.VERSION.Type`, e.g. `apps.v1.Deployment`. */
  name: string;
  kind: 'struct' | 'alias';
  /** An alias' target. */
  of?: string;
  /** The closed set of an alias' values. */
  enum?: string[];
  /** Known values of an open set. */
  values?: string[];
  structType?: 'atomic' | 'granular';
  fields: FieldSchema[];
}

export interface ResourceSchema extends Lifecycle {
  group: string;
  version: string;
  kind: string;
  plural: string;
  type: string;
  namespaced: boolean;
  status: boolean;
  scale: boolean;
  /** Where verbs are restricted: `create`, or `-` for none. */
  verbs?: string;
}

function* tokens(line: string): Generator<string> {
  const pattern = /(?:[^\s="]+=)?"(?:[^"\\]|\\.)*"|\S+/g;
  for (const match of line.matchAll(pattern)) yield match[0];
}

function marker(token: string): [string, string] {
  const at = token.indexOf('=');
  if (at < 0) return [token, ''];
  const raw = token.slice(at + 1);
  // The table's own quoting: a JSON string is always a string.
  return [token.slice(0, at), raw.startsWith('"') ? (JSON.parse(raw) as string) : raw];
}

/** Parses one indented field line. */
export function parseField(line: string): FieldSchema {
  const [name = '', type = '', ...rest] = tokens(line);
  const field: FieldSchema = {
    name: name === '-' ? '' : name,
    type,
    number: 0,
    wire: 'bytes',
    inline: false,
    optional: false,
    omitempty: false,
    required: false,
    rules: [],
  };
  for (const token of rest) {
    const number = /^(\d+)(?::(\w+))?$/.exec(token);
    if (number) {
      field.number = Number(number[1]);
      // The table holds only these wire types.
      field.wire = (number[2] ?? 'bytes') as WireType;
      continue;
    }
    const [key, value] = marker(token);
    if (key === 'inline' || key === 'optional' || key === 'omitempty' || key === 'required') field[key] = true;
    else if (key === 'rule') field.rules.push(value);
    else if (key === 'listMapKeys' || key === 'patchStrategy') field[key] = value.split(',');
    else if (key === 'listType' || key === 'mapType' || key === 'structType' || key === 'patchMergeKey' || key === 'default')
      Object.assign(field, { [key]: value });
    else throw new Error(`schema: unknown marker ${token} in ${line}`);
  }
  return field;
}

function parseHead(line: string, groupVersion: string): TypeSchema {
  const [kind = '', name = '', ...rest] = tokens(line);
  const type: TypeSchema = { name: `${groupVersion}.${name}`, kind: kind === 'alias' ? 'alias' : 'struct', fields: [] };
  if (kind === 'alias') type.of = rest.shift() ?? '';
  for (const token of rest) {
    const [key, value] = marker(token);
    if (key === 'enum' || key === 'values') type[key] = value.split('|');
    else Object.assign(type, { [key]: value });
  }
  return type;
}

/** Parses the whole table; the result maps `GROUP.VERSION.Type` to its schema. */
export function parseSchema(text: string): Map<string, TypeSchema> {
  const types = new Map<string, TypeSchema>();
  let groupVersion = '';
  let current: TypeSchema | undefined;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    if (line.startsWith('# ')) groupVersion = line.slice(2);
    else if (line.startsWith('  ')) current?.fields.push(parseField(line));
    else {
      current = parseHead(line, groupVersion);
      types.set(current.name, current);
    }
  }
  return types;
}

/** Parses the list of REST resources. */
export function parseResources(text: string): ResourceSchema[] {
  const out: ResourceSchema[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [group = '', version = '', kind = '', plural = '', type = '', scope = '', ...rest] = line.split(' ');
    const resource: ResourceSchema = {
      group: group === '-' ? '' : group,
      version,
      kind,
      plural,
      type,
      namespaced: scope === 'namespaced',
      status: false,
      scale: false,
    };
    for (const token of rest) {
      const [key, value] = marker(token);
      if (key === 'status' || key === 'scale') resource[key] = true;
      else Object.assign(resource, { [key]: value });
    }
    out.push(resource);
  }
  return out;
}
