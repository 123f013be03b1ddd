/**
 * Derives what is derived from the schema table (src/api/schema/*.schema) and the CRI descriptor (src/runtime/schema/cri-v1.json):
 * TypeScript types and Resource constants per API group version, the table as one string for run time, and the CRI message types.
 * Output goes to `generated/` folders, which are never committed.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FieldSchema, parseResources, parseSchema, type ResourceSchema, type TypeSchema } from '../src/api/schema/parse.ts';
import { readDescriptions } from './descriptions.ts';

const root = join(import.meta.dirname, '..');
const schemaDir = join(root, 'src/api/schema');
const outDir = join(root, 'src/api/generated');

/** Types whose JSON form is not that of their Go struct. */
const special: Record<string, string> = {
  'meta.v1.Time': 'string',
  'meta.v1.MicroTime': 'string',
  'meta.v1.Duration': 'string',
  'time.Time': 'string',
  'time.Duration': 'number',
  'resource.Quantity': 'string',
  'intstr.IntOrString': 'number | string',
  'runtime.RawExtension': 'unknown',
  'runtime.Object': 'unknown',
  'meta.v1.FieldsV1': 'Record<string, unknown>',
  'apiextensions.v1.JSON': 'unknown',
  'apiextensions.v1.JSONSchemaPropsOrBool': 'JSONSchemaProps | boolean',
  'apiextensions.v1.JSONSchemaPropsOrArray': 'JSONSchemaProps | JSONSchemaProps[]',
  'apiextensions.v1.JSONSchemaPropsOrStringArray': 'JSONSchemaProps | string[]',
  string: 'string',
  bool: 'boolean',
  int32: 'number',
  int64: 'number',
  uint64: 'number',
  int: 'number',
  uint32: 'number',
  uint8: 'number',
  float64: 'number',
  byte: 'number',
  any: 'unknown',
  '[]byte': 'string',
};

/** ObjectMeta's fields that every stored object has. */
const alwaysInMeta = new Set(['name', 'uid', 'resourceVersion', 'creationTimestamp']);

const schemaText = readdirSync(schemaDir)
  .filter((f) => f.endsWith('.schema') && f !== 'resources.schema')
  .sort()
  .map((f) => `# ${f.slice(0, -'.schema'.length)}\n${readFileSync(join(schemaDir, f), 'utf8').replace(/^#.*\n/gm, '')}`)
  .join('');
const resourcesText = readFileSync(join(schemaDir, 'resources.schema'), 'utf8');
const types = parseSchema(schemaText);
const resources = parseResources(resourcesText);

const groupVersionOf = (name: string) => name.slice(0, name.lastIndexOf('.'));
const shortName = (name: string) => name.slice(name.lastIndexOf('.') + 1);
const moduleAlias = (gv: string) => gv.replace(/\.(.)/g, (_, c: string) => c.toUpperCase());

function tsType(type: string, gv: string, imports: Set<string>): string {
  const known = special[type];
  if (known) return known;
  if (type.startsWith('*')) return tsType(type.slice(1), gv, imports);
  if (type.startsWith('[]')) {
    const item = tsType(type.slice(2), gv, imports);
    return /[ |]/.test(item) ? `Array<${item}>` : `${item}[]`;
  }
  const map = /^map\[[^\]]+\](.*)$/.exec(type);
  if (map?.[1]) return `Record<string, ${tsType(map[1], gv, imports)}>`;
  if (!types.has(type)) return 'unknown';
  const owner = groupVersionOf(type);
  if (owner === gv) return shortName(type);
  imports.add(owner);
  return `${moduleAlias(owner)}.${shortName(type)}`;
}

/** The fields of a struct with its inlined ones in their JSON place; inline TypeMeta gives apiVersion and kind. */
function* jsonFields(type: TypeSchema): Generator<FieldSchema> {
  for (const field of type.fields) {
    if (field.inline && !field.name) {
      const inner = types.get(field.type.replace('*', ''));
      if (inner) yield* jsonFields(inner);
    } else yield field;
  }
}

const isTopLevel = (type: TypeSchema) => type.fields.some((f) => f.inline && f.type === 'meta.v1.TypeMeta');

function structSource(type: TypeSchema, gv: string, imports: Set<string>): string {
  const name = shortName(type.name);
  const top = isTopLevel(type);
  const resourceKind = top && type.fields.some((f) => f.type === 'meta.v1.ObjectMeta' || f.type === 'meta.v1.ListMeta');
  const lines = [`export interface ${name} {`];
  for (const field of jsonFields(type)) {
    let ts = tsType(field.type, gv, imports);
    let optional = field.type.startsWith('*') || field.optional || field.omitempty;
    if (resourceKind && (field.name === 'apiVersion' || field.name === 'kind' || field.name === 'metadata')) optional = false;
    if (field.name === 'spec' && !field.type.startsWith('*')) optional = false;
    if (type.name === 'meta.v1.ObjectMeta' && alwaysInMeta.has(field.name)) optional = false;
    if (!top && field.type === 'meta.v1.ObjectMeta') ts = `Partial<${ts}>`;
    lines.push(`  ${/^[\w$]+$/.test(field.name) ? field.name : JSON.stringify(field.name)}${optional ? '?' : ''}: ${ts};`);
  }
  return `${lines.join('\n')}\n}\n`;
}

function aliasSource(type: TypeSchema, gv: string, imports: Set<string>): string {
  const name = shortName(type.name);
  if (type.enum) return `export type ${name} = ${type.enum.map((v) => `'${v}'`).join(' | ')};\n`;
  const target = types.get(type.of ?? '');
  if (target?.kind === 'struct') {
    const ts = tsType(type.of ?? '', gv, imports);
    return `export type ${name} = ${ts};\n`;
  }
  return `export type ${name} = ${tsType(type.of ?? 'any', gv, imports)};\n`;
}

function resourceSource(resource: ResourceSchema): string {
  const facts = {
    group: resource.group,
    version: resource.version,
    kind: resource.kind,
    plural: resource.plural,
    namespaced: resource.namespaced,
  };
  return `export const ${resource.kind}: Resource<${resource.kind}> = ${JSON.stringify(facts)};\n`;
}

rmSync(outDir, { recursive: true, force: true });
mkdirSync(outDir, { recursive: true });
const banner = '// Generated by scripts/generate.ts from src/api/schema. Do not edit.\n';
const byGroupVersion = Map.groupBy(types.values(), (t) => groupVersionOf(t.name));
const exported = new Map<string, Set<string>>();
for (const [gv, list] of byGroupVersion) {
  const imports = new Set<string>();
  const names = new Set<string>();
  let body = '';
  for (const type of list) {
    if (special[type.name]) continue;
    names.add(shortName(type.name));
    body += type.kind === 'struct' ? structSource(type, gv, imports) : aliasSource(type, gv, imports);
  }
  for (const resource of resources) if (groupVersionOf(resource.type) === gv) body += resourceSource(resource);
  const head = [
    `import type { Resource } from '../resource.ts';`,
    ...[...imports].sort().map((i) => `import type * as ${moduleAlias(i)} from './${i}.ts';`),
  ];
  writeFileSync(join(outDir, `${gv}.ts`), `${banner}${head.join('\n')}\n\n${body}`);
  exported.set(gv, names);
}

/** Group versions whose names stand without a prefix; where two claim one name, the first has it. */
const preferred = [
  'core.v1',
  'meta.v1',
  'apps.v1',
  'batch.v1',
  'rbac.v1',
  'networking.v1',
  'policy.v1',
  'autoscaling.v2',
  'storage.v1',
  'scheduling.v1',
  'node.v1',
  'coordination.v1',
  'discovery.v1',
  'certificates.v1',
  'authentication.v1',
  'authorization.v1',
  'apiextensions.v1',
  'apiregistration.v1',
  'admissionregistration.v1',
  'admission.v1',
  'flowcontrol.v1',
  'resource.v1',
];
const taken = new Set<string>();
let index = banner;
for (const gv of preferred) {
  const names = [...(exported.get(gv) ?? [])].filter((n) => !taken.has(n));
  for (const n of names) taken.add(n);
  const consts = new Set(resources.filter((r) => groupVersionOf(r.type) === gv).map((r) => r.kind));
  const values = names.filter((n) => consts.has(n));
  const onlyTypes = names.filter((n) => !consts.has(n));
  if (values.length) index += `export { ${values.join(', ')} } from './${gv}.ts';\n`;
  if (onlyTypes.length) index += `export type { ${onlyTypes.join(', ')} } from './${gv}.ts';\n`;
}
for (const gv of exported.keys()) index += `export * as ${moduleAlias(gv)} from './${gv}.ts';\n`;
writeFileSync(join(outDir, 'index.ts'), index);
writeFileSync(
  join(outDir, 'table.ts'),
  `${banner}export const schemaText = ${JSON.stringify(schemaText)};\nexport const resourcesText = ${JSON.stringify(resourcesText)};\n`,
);

const modules = join(root, 'node_modules');
const descriptions = readDescriptions(types.values(), modules);
writeFileSync(
  join(outDir, 'descriptions.ts'),
  `${banner}export const descriptionsText = ${JSON.stringify(JSON.stringify(descriptions))};\n`,
);

/** The few descriptions that table columns have (`fieldDoc('core.v1.PodStatus.podIP')`): all of them are too many to hold for a table. */
function columnDescriptions(): Record<string, string> {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((f) => /(?<!\.test)\.ts$/.test(f));
  const fields = sources.flatMap((f) =>
    [...readFileSync(join(root, 'src', f), 'utf8').matchAll(/fieldDoc\('([\w.]+)'\)/g)].map(([, field = '']) => field),
  );
  const textOf = (field: string) =>
    descriptions[groupVersionOf(field)]?.[shortName(field)]?.replace(/\n+Possible enum values:[\s\S]*$/, '');
  return Object.fromEntries(
    [...new Set(fields)].sort().map((field) => {
      const text = textOf(field);
      if (text === undefined) throw new Error(`no description of ${field}`);
      return [field, text];
    }),
  );
}
writeFileSync(
  join(outDir, 'column-descriptions.ts'),
  `${banner}export const columnDescriptions = ${JSON.stringify(columnDescriptions(), undefined, 2)} as const;\n`,
);

interface Descriptor {
  nested?: Record<string, Descriptor>;
  fields?: Record<string, { type: string; rule?: string; keyType?: string; id: number }>;
  values?: Record<string, number>;
  methods?: Record<string, { requestType: string; responseType: string; responseStream?: boolean }>;
  oneofs?: unknown;
}

/** CRI messages as protobufjs reads them with `keepCase: false, longs: Number, enums: String, bytes: Buffer, defaults: true`. */
function criSource(): string {
  const descriptor: Descriptor = JSON.parse(readFileSync(join(root, 'src/runtime/schema/cri-v1.json'), 'utf8'));
  const pkg = descriptor.nested?.runtime?.nested?.v1?.nested ?? {};
  const scalar: Record<string, string> = {
    string: 'string',
    bytes: 'Uint8Array',
    bool: 'boolean',
    int32: 'number',
    int64: 'number',
    uint32: 'number',
    uint64: 'number',
    double: 'number',
    float: 'number',
  };
  const camel = (s: string) => s.replace(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase());
  const ts = (t: string) => scalar[t] ?? t.slice(t.lastIndexOf('.') + 1);
  let out = '// Generated by scripts/generate.ts from src/runtime/schema/cri-v1.json. Do not edit.\n';
  const emit = (name: string, d: Descriptor) => {
    if (d.values)
      out += `export type ${name} = ${Object.keys(d.values)
        .map((v) => `'${v}'`)
        .join(' | ')};\n`;
    if (d.fields) {
      out += `export interface ${name} {\n`;
      for (const [field, f] of Object.entries(d.fields)) {
        const type = f.keyType ? `Record<string, ${ts(f.type)}>` : f.rule === 'repeated' ? `${ts(f.type)}[]` : ts(f.type);
        out += `  ${camel(field)}?: ${type};\n`;
      }
      out += '}\n';
    }
    for (const [n, inner] of Object.entries(d.nested ?? {})) emit(n, inner);
    if (d.methods) {
      out += `export interface ${name} {\n`;
      for (const [m, x] of Object.entries(d.methods))
        out += `  ${m[0]?.toLowerCase()}${m.slice(1)}: { request: ${x.requestType}; response: ${x.responseType}; stream: ${x.responseStream === true} };\n`;
      out += '}\n';
    }
  };
  for (const [name, d] of Object.entries(pkg)) emit(name, d);
  return out;
}
mkdirSync(join(root, 'src/runtime/generated'), { recursive: true });
writeFileSync(join(root, 'src/runtime/generated/cri.ts'), criSource());
