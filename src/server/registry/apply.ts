/** Server-side apply (KEP-555): the client says what it wants to own; conflicts with other owners are refused unless forced. */
import {
  apiVersionOf,
  applySteps,
  checkTyped,
  deepCopy,
  errors,
  hasReason,
  inVersions,
  isJsonObject,
  type KubeObject,
  parseApiVersion,
} from '../../api/index.ts';
import { timestamp } from '../../time/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import { queryBoolean } from '../request-info.ts';
import { decodeServed, toStorageVersion, warnOfDocument } from './codec.ts';
import { checkName, createObject, matchNamespace, otherNamespace } from './create.ts';
import { managedVersions, resetFields } from './field-ownership.ts';
import { counted, parseCborDocument, parseYamlDocument } from './read-body.ts';
import type { Registry } from './registry.ts';
import { convertToServed, nodeOf, type ServedResource } from './served-resource.ts';
import { changeObject, type ShownObject } from './update.ts';
import { writeOptions } from './write-options.ts';

export const applyType = 'application/apply-patch+yaml';
const cborApplyType = 'application/apply-patch+cbor';

/** Whether a patch of this type is server-side apply. */
export const isApply = (context: RequestContext): boolean =>
  context.body.contentType === applyType || (context.cbor === true && context.body.contentType === cborApplyType);

interface Configuration {
  value: Record<string, unknown>;
  /** Of YAML: what it repeats. */
  repeated?: string | undefined;
}

async function configurationOf(context: RequestContext, { resource }: ServedResource): Promise<Configuration> {
  const { body } = context;
  if (context.local) return asMap(body.value, 'YAML');
  const bytes = counted(context, await body.bytes());
  const isYaml = body.contentType === applyType;
  const form = isYaml ? 'YAML' : 'CBOR';
  const refused = (why: string) => errors.badRequest(`error decoding ${form}: ${why}`);
  const document = isYaml
    ? await parseYamlDocument(
        bytes,
        resource.kind,
        () => context.signal,
        (why) => refused(`error converting YAML to JSON: ${why}`),
      )
    : parseCborDocument(bytes, resource.kind, refused);
  return { ...asMap(document.value, form), repeated: document.repeated };
}

/** Nothing is an empty map, as to Go. */
function asMap(value: unknown, form: string): Configuration {
  if (value === undefined || value === null) return { value: {} };
  if (isJsonObject(value)) return { value };
  const type = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  const why = `json: cannot unmarshal ${type} into Go value of type map[string]interface {}`;
  throw errors.badRequest(`error decoding ${form}: error unmarshaling JSON: while decoding JSON: ${why}`);
}

/** How what a client applies to a subresource of another kind is applied to the object. */
export interface AppliedThrough {
  /** Of the type that the client speaks. */
  resource: ServedResource;
  /** The configuration of the object itself. */
  whole(value: Record<string, unknown>): Record<string, unknown>;
  shown: ShownObject;
}

export async function apply(
  registry: Registry,
  context: RequestContext,
  served: ServedResource,
  through?: AppliedThrough,
): Promise<Answer & { type: 'object' }> {
  const { info, query } = context;
  const options = writeOptions(context, 'PatchOptions');
  if ((query.get('fieldManager') ?? '') === '')
    throw errors.invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
      { type: 'FieldValueRequired', field: 'fieldManager', body: 'Required value: is required for apply patch' },
    ]);
  const asked = through?.resource ?? served;
  const { value: sent, repeated } = await configurationOf(context, asked);
  context.audit?.request(undefined, () => sent);
  context.milestone?.('Recorded the audit event');
  const node = nodeOf(served);
  if (node === undefined) throw errors.unsupportedMediaType(['application/json-patch+json', 'application/merge-patch+json']);
  const { group, version } = parseApiVersion(String(sent.apiVersion ?? ''));
  if (sent.kind !== asked.resource.kind || apiVersionOf({ group, version }) !== asked.apiVersion)
    throw errors.badRequest(`invalid object type: ${group}/${version}, Kind=${String(sent.kind ?? '')}`);
  const askedNode = nodeOf(asked);
  if (askedNode) checkTyped({ apiVersion: asked.apiVersion, node: askedNode, config: sent });
  // Upstream reads and writes `/v1` as `v1`.
  const value = through ? through.whole(sent) : { ...sent, apiVersion: asked.apiVersion };
  // Checks kind and version; fields that there are not have been refused.
  const config = decodeServed(context, { value, duplicates: [] }, served, 'Ignore');
  const { custom } = served;
  const force = queryBoolean(query, 'force');
  // Upstream tells of it only once the configuration has been found to be one that can be applied.
  let isTold = repeated === undefined || options.fieldValidation === 'Ignore';
  const tellRepeated = () => {
    if (isTold) return;
    const why = `error converting YAML to JSON: ${repeated}`;
    if (options.fieldValidation === 'Strict') throw errors.badRequest(`error strict decoding YAML: ${why}`);
    warnOfDocument(context, [why]);
    isTold = true;
  };
  const merged = async (live: KubeObject | undefined): Promise<KubeObject> => {
    const shown = live === undefined ? undefined : await convertToServed(served, live);
    const steps = applySteps({
      live: shown,
      config: custom ? config : value,
      node,
      manager: options.fieldManager,
      apiVersion: served.apiVersion,
      time: timestamp(registry.clock),
      subresource: info.subresource,
      resetFields: resetFields(served, info.subresource),
      force,
      ...(custom ? { decode: (object: unknown) => custom.decode(object as Record<string, unknown>, []) } : {}), // merged objects are objects
    });
    const object = await inVersions(steps, managedVersions(registry.table, served, info.subresource));
    tellRepeated();
    if (live === undefined) checkUid(context, served, config);
    checkNames(context, served, { ...object.metadata, ...config.metadata });
    return toStorageVersion(served, deepCopy(object));
  };
  for (;;) {
    try {
      const item = await changeObject(registry, context, served, {
        options,
        // What the configuration says of these is part of the merged object, and checked as such.
        preconditions: {},
        next: merged,
        ownFields: true,
        ...(through ? { shown: through.shown } : {}),
      });
      return { type: 'object', status: 200, item, resource: served };
    } catch (error) {
      if (!hasReason(error, 'NotFound') || info.subresource !== '') throw error;
    }
    const created = await merged(undefined);
    matchNamespace(created, served.resource.namespaced ? info.namespace : '');
    try {
      const item = await createObject(registry, context, served, created, options, { ownFields: true });
      return { type: 'object', status: 201, item, resource: served };
    } catch (error) {
      // Somebody else created it in between: apply to that.
      if (!hasReason(error, 'AlreadyExists')) throw error;
    }
  }
}

/** What names an object by its uid does not want another. */
function checkUid({ info }: RequestContext, { resource }: ServedResource, { metadata: { uid } }: KubeObject): void {
  if (!uid) return;
  const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
  throw errors.conflict(resource, info.name, why);
}

function checkNames({ info }: RequestContext, { resource }: ServedResource, { name, namespace }: KubeObject['metadata']): void {
  if (resource.namespaced && namespace && namespace !== info.namespace) throw otherNamespace();
  checkName(info.name, name);
}
