/** Between documents as clients send them and objects of the storage version: checks, decodes, defaults and converts. */
import {
  apiVersionOf,
  applyTableDefaults,
  DecodeError,
  decodeObject as decodeByTable,
  deepCopy,
  endlessNumber,
  errors,
  goQuote,
  isJsonObject,
  type KubeObject,
  kindNode,
  parseApiVersion,
  type Resource,
  type ServedVersion,
} from '../../api/index.ts';
import type { RequestContext } from '../exchange.ts';
import type { Document } from './read-body.ts';
import { type ServedResource, toServed } from './served-resource.ts';
import type { FieldValidation } from './write-options.ts';

/** Refuses a document of another kind or version. Missing apiVersion and kind mean the expected ones, as upstream has it. */
function checkKind(value: Record<string, unknown>, expected: Resource, text?: () => string): void {
  const apiVersion = apiVersionOf(expected);
  // Checked where bodies are read; in process they are typed.
  const kind = String(value.kind || expected.kind);
  const said = parseApiVersion(String(value.apiVersion || apiVersion));
  const isOpen = said.version === '' && (said.group === '' || said.group === expected.group);
  const { group, version } = isOpen ? expected : said;
  // As upstream reads it: `/v1` is the core group's.
  const gv = apiVersionOf({ group, version });
  if (gv === apiVersion && kind === expected.kind) return;
  const cannot = (why: string) =>
    errors.badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${expected.kind}: ${why}`);
  if (version === '') throw cannot(`Object 'apiVersion' is missing in '${text?.() ?? JSON.stringify(value)}'`);
  if (kindNode({ group, version, kind }) === undefined && kindNode(expected) !== undefined)
    throw cannot(
      `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(gv)} in scheme "pkg/api/legacyscheme/scheme.go:30"`,
    );
  if (kind !== expected.kind)
    throw cannot(
      `converting (${version}.${kind}) to (${expected.group === '' ? 'core' : expected.group.split('.')[0]}.${expected.kind}): unknown conversion`,
    );
  throw errors.badRequest(`the API version in the data (${gv}) does not match the expected API version (${apiVersion})`);
}

/** As checkKind, for custom resources: what a document is, is not assumed, and another kind is a wrong field of it. */
function checkCustomKind(value: Record<string, unknown>, expected: Resource): void {
  const lacking = (field: string, what: string) =>
    errors.badRequest(`Object '${field}' is missing in 'unstructured object has no ${what}'`);
  if (!value.kind) throw lacking('Kind', 'kind');
  if (!value.apiVersion) throw lacking('apiVersion', 'version');
  const kind = String(value.kind);
  if (value.apiVersion !== apiVersionOf(expected) || kind === expected.kind) {
    checkKind({ ...value, kind: expected.kind }, expected);
    return;
  }
  const name = isJsonObject(value.metadata) ? String(value.metadata.name ?? '') : '';
  const body = `Invalid value: ${goQuote(kind)}: must be ${expected.kind}`;
  throw errors.invalid({ group: expected.group, kind }, name, [{ type: 'FieldValueInvalid', field: 'kind', body }]);
}

/** Tells of what a document repeats and of what is unknown in it; of what YAML repeats, line by line. */
export function warnOfDocument(context: RequestContext, problems: readonly string[]): void {
  for (const problem of problems) {
    const yaml = /^(?:error converting YAML to JSON: )?yaml: unmarshal errors:\n/.exec(problem);
    const lines = yaml ? problem.slice(yaml[0].length).split('\n') : [problem];
    for (const line of lines) context.warn(line.trim());
  }
}

/** An object of a kind in the version that it came in: a private copy, decoded and pruned by the schema table, not defaulted. */
export function decodeDocument(context: RequestContext, document: Document, expected: Resource, validation: FieldValidation): KubeObject {
  const { value, duplicates, repeated, text, source } = document;
  if (value === undefined)
    throw errors.badRequest(
      `the object provided is unrecognized (must be of type ${expected.kind}): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)`,
    );
  if (isJsonObject(value)) checkKind(value, expected, text);
  const node = kindNode(expected);
  if (node === undefined) {
    // No row in the table: a custom resource, kept as it is.
    if (!isJsonObject(value)) throw errors.badRequest(`the object provided is unrecognized (must be of type ${expected.kind})`);
    const metadata = isJsonObject(value.metadata) ? deepCopy(value.metadata) : {};
    // A document with metadata is an object; what else it holds is its own kind's affair.
    return { ...deepCopy(value), apiVersion: apiVersionOf(expected), kind: expected.kind, metadata } as unknown as KubeObject;
  }
  const decoded = decodeByTable(value, expected, node, {
    fieldValidation: validation,
    duplicates,
    repeated,
    text,
    source,
  });
  warnOfDocument(context, decoded.warnings);
  return decoded.object;
}

/** The 400 for a document that does not fit its custom resource's schema. */
const cannotBeHandled = ({ kind, version }: Resource, why: string) =>
  errors.badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${why}`);

/** As decodeDocument, for a served resource: custom ones by their definition's schema. */
export function decodeServed(context: RequestContext, document: Document, served: ServedResource, validation: FieldValidation): KubeObject {
  const { value } = document;
  const object = decoded(context, document, served, validation);
  // No managers is not what no word of them is: an empty list asks for them to be forgotten.
  const sent = isJsonObject(value) && isJsonObject(value.metadata) ? value.metadata.managedFields : undefined;
  if (Array.isArray(sent) && sent.length === 0) object.metadata.managedFields = [];
  return object;
}

function decoded(context: RequestContext, document: Document, served: ServedResource, validation: FieldValidation): KubeObject {
  const { custom, resource } = served;
  const { value, duplicates, repeated, source } = document;
  if (custom === undefined || !isJsonObject(value)) return decodeDocument(context, document, resource, validation);
  checkCustomKind(value, resource);
  const endless = source === undefined ? undefined : endlessNumber(source);
  if (endless !== undefined) throw cannotBeHandled(resource, `json: cannot unmarshal number ${endless} into Go value of type float64`);
  const unknown: string[] = [];
  let object: KubeObject;
  try {
    object = custom.decode(value, unknown);
  } catch (error) {
    if (error instanceof DecodeError) throw cannotBeHandled(resource, error.message);
    throw error;
  }
  const problems = [
    ...(repeated === undefined ? [] : [repeated]),
    ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
    ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`),
  ];
  if (validation === 'Strict' && problems.length > 0) throw cannotBeHandled(resource, `strict decoding error: ${problems.join(', ')}`);
  if (validation === 'Warn') warnOfDocument(context, problems);
  return object;
}

/** The table's own defaults, in place. */
export function applyDefaults(resource: Resource, object: KubeObject): void {
  const node = kindNode(resource);
  if (node !== undefined) applyTableDefaults(node, object);
}

/** Defaults a private object in the version at hand and converts it to the storage version; a promise only where that takes its time. */
export function toStorageVersion(served: ServedResource, object: KubeObject): KubeObject | Promise<KubeObject> {
  return served.version === undefined ? storedDefaults(served, object) : converted(served, served.version, object);
}

async function converted(served: ServedResource, version: ServedVersion, object: KubeObject): Promise<KubeObject> {
  applyDefaults(served.resource, object);
  version.defaults?.(object);
  await version.prepare?.([object], 'storage');
  const stored = version.toStorage(object);
  // Custom resources are stored with the defaults of the version in which they were written, and read with those of the storage version.
  return served.custom ? stored : storedDefaults(served, stored);
}

function storedDefaults({ kind }: ServedResource, stored: KubeObject): KubeObject {
  applyDefaults(kind.resource, stored);
  kind.defaults?.(stored);
  return stored;
}

/** As decodeDocument, for a served resource: defaulted, and in the storage version. */
export async function decodeObject(
  context: RequestContext,
  document: Document,
  served: ServedResource,
  validation: FieldValidation,
): Promise<KubeObject> {
  const given = toStorageVersion(served, decodeServed(context, document, served, validation));
  const object = given instanceof Promise ? await given : given;
  context.audit?.request(object.metadata, () => deepCopy(toServed(served, object)));
  return object;
}
