/** The operations of a served resource as OpenAPI paths, both in version 2 and version 3 form. */
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { customDefinition, customDefinitionName } from './custom-schemas.ts';
import type { Json, SchemaBuilder, Version } from './schemas.ts';

export interface KindName {
  group: string;
  version: string;
  kind: string;
}

export interface OpenApiSubresource {
  name: string;
  verbs: readonly string[];
  /** The kind that it reads and writes: the resource's own, Scale, Eviction, Binding, TokenRequest, ... */
  kind: KindName;
}

export interface OpenApiResource extends KindName {
  plural: string;
  namespaced: boolean;
  verbs: readonly string[];
  subresources?: readonly OpenApiSubresource[];
  /** For a kind that the table does not know: the schema of its definition, where that has one. */
  custom?: { schema: JSONSchemaProps | undefined };
}

interface Parameter {
  name: string;
  in: 'query' | 'path';
  type: 'string' | 'boolean' | 'integer';
  description: string;
}

const query = (name: string, type: Parameter['type'], description: string): Parameter => ({ name, in: 'query', type, description });

const pretty = query('pretty', 'string', "If 'true', then the output is pretty printed.");
const dryRun = query('dryRun', 'string', 'When present, indicates that modifications should not be persisted.');
const fieldManager = query('fieldManager', 'string', 'The name associated with the actor or entity that is making these changes.');
const fieldValidation = query(
  'fieldValidation',
  'string',
  'Instructs the server on how to handle objects in the request (POST/PUT/PATCH) containing unknown or duplicate fields: Ignore, Warn or Strict.',
);
const force = query(
  'force',
  'boolean',
  'Force is going to "force" Apply requests: the user will re-acquire conflicting fields owned by other people.',
);
const listParameters = [
  query('allowWatchBookmarks', 'boolean', 'Requests watch events with type "BOOKMARK".'),
  query('continue', 'string', 'The continue token of a previous, limited list.'),
  query('fieldSelector', 'string', 'A selector to restrict the list of returned objects by their fields.'),
  query('labelSelector', 'string', 'A selector to restrict the list of returned objects by their labels.'),
  query('limit', 'integer', 'A maximum number of responses to return for a list call.'),
  query('resourceVersion', 'string', 'A constraint on what resource versions a request may be served from.'),
  query('resourceVersionMatch', 'string', 'How resourceVersion is applied to list calls.'),
  query('sendInitialEvents', 'boolean', 'Makes a watch begin with synthetic events that show the present state.'),
  query('timeoutSeconds', 'integer', 'Timeout for the list/watch call.'),
  query('watch', 'boolean', 'Watch for changes to the described resources and return them as a stream of notifications.'),
];
const deleteParameters = [
  dryRun,
  query('gracePeriodSeconds', 'integer', 'The duration in seconds before the object should be deleted.'),
  query('orphanDependents', 'boolean', 'Deprecated: please use the PropagationPolicy.'),
  query('propagationPolicy', 'string', 'Whether and how garbage collection will be performed: Orphan, Background or Foreground.'),
];
const writeParameters = [dryRun, fieldManager, fieldValidation];

const strategicType = 'application/strategic-merge-patch+json';
const patchTypes = ['application/apply-patch+yaml', 'application/json-patch+json', 'application/merge-patch+json', strategicType];
const mediaTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

const capital = (s: string) => s.charAt(0).toUpperCase() + s.slice(1);

/** `AppsV1`, `RbacAuthorizationV1`: how operation ids name a group version. */
const groupVersionId = ({ group, version }: KindName) =>
  `${capital(group === '' ? 'core' : group.replace(/\.k8s\.io$/, '').replace(/\.(\w)/g, (_, c: string) => c.toUpperCase()))}${capital(version)}`;

class PathWriter {
  readonly paths: Record<string, Json> = {};
  readonly #version: Version;
  readonly #schemas: SchemaBuilder;

  constructor(version: Version, schemas: SchemaBuilder) {
    this.#version = version;
    this.#schemas = schemas;
  }

  #parameter({ type, ...rest }: Parameter): Json {
    const common = { ...rest, ...(rest.in === 'path' ? { required: true } : {}), uniqueItems: true };
    return this.#version === 3 ? { ...common, schema: { type, uniqueItems: true } } : { ...common, type };
  }

  #response(schema: Json, types: readonly string[]): Json {
    return this.#version === 3
      ? { description: 'OK', content: Object.fromEntries(types.map((t) => [t, { schema }])) }
      : { description: 'OK', schema };
  }

  path(path: string, names: readonly Parameter[]): Json {
    const item: Json = { parameters: [...names, pretty].map((p) => this.#parameter(p)) };
    this.paths[path] = item;
    return item;
  }

  operation(
    item: Json,
    method: string,
    gvk: KindName,
    facts: {
      id: string;
      action: string;
      parameters: readonly Parameter[];
      answer: Json;
      body?: Json;
      bodyTypes?: readonly string[];
      created?: boolean;
    },
  ): void {
    const gvId = groupVersionId(gvk);
    const bodyTypes = facts.bodyTypes ?? ['*/*'];
    const parameters = facts.parameters.map((p) => this.#parameter(p));
    if (facts.body && this.#version === 2) parameters.unshift({ name: 'body', in: 'body', required: true, schema: facts.body });
    item[method] = {
      tags: [gvId.replace(/V\d.*$/, (v) => `_${v.toLowerCase()}`).replace(/^./, (c) => c.toLowerCase())],
      operationId: facts.id,
      ...(this.#version === 2 ? { consumes: bodyTypes, produces: mediaTypes, schemes: ['https'] } : {}),
      ...(parameters.length > 0 ? { parameters } : {}),
      ...(facts.body && this.#version === 3
        ? { requestBody: { required: true, content: Object.fromEntries(bodyTypes.map((t) => [t, { schema: facts.body }])) } }
        : {}),
      responses: {
        '200': this.#response(facts.answer, mediaTypes),
        ...(facts.created ? { '201': { ...this.#response(facts.answer, mediaTypes), description: 'Created' } } : {}),
        '401': { description: 'Unauthorized' },
      },
      'x-kubernetes-action': facts.action,
      'x-kubernetes-group-version-kind': { group: gvk.group, version: gvk.version, kind: gvk.kind },
    };
  }

  /** Get, replace, patch (and delete, create) of one object or subresource. */
  single(
    path: string,
    names: readonly Parameter[],
    kind: KindName,
    verbs: readonly string[],
    id: string,
    gv: KindName,
    schema: Json,
    { strategic = true } = {},
  ): void {
    const item = this.path(path, names);
    const on = (verb: string) => verbs.includes(verb);
    const gvId = groupVersionId(gv);
    const status = this.#schemas.reference('meta.v1.Status');
    if (on('get')) this.operation(item, 'get', kind, { id: `read${gvId}${id}`, action: 'get', parameters: [], answer: schema });
    if (on('create'))
      this.operation(item, 'post', kind, {
        id: `create${gvId}${id}`,
        action: 'post',
        parameters: writeParameters,
        answer: schema,
        body: schema,
        created: true,
      });
    if (on('update'))
      this.operation(item, 'put', kind, {
        id: `replace${gvId}${id}`,
        action: 'put',
        parameters: writeParameters,
        answer: schema,
        body: schema,
        created: true,
      });
    if (on('patch'))
      this.operation(item, 'patch', kind, {
        id: `patch${gvId}${id}`,
        action: 'patch',
        parameters: [...writeParameters, force],
        answer: schema,
        body: this.#schemas.reference('meta.v1.Patch'),
        bodyTypes: strategic ? patchTypes : patchTypes.filter((type) => type !== strategicType),
        created: true,
      });
    if (on('delete'))
      this.operation(item, 'delete', kind, {
        id: `delete${gvId}${id}`,
        action: 'delete',
        parameters: deleteParameters,
        answer: status,
        body: this.#schemas.reference('meta.v1.DeleteOptions'),
      });
  }

  resource(resource: OpenApiResource): void {
    const { group, version, kind, plural, namespaced, verbs } = resource;
    const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    const namespaceName: Parameter = {
      name: 'namespace',
      in: 'path',
      type: 'string',
      description: 'object name and auth scope, such as for teams and projects',
    };
    const name: Parameter = { name: 'name', in: 'path', type: 'string', description: `name of the ${kind}` };
    const scope = namespaced ? 'Namespaced' : '';
    const inNamespace = namespaced ? [namespaceName] : [];
    const collection = `${base}${namespaced ? '/namespaces/{namespace}' : ''}/${plural}`;
    const schema = resource.custom
      ? this.#schemas.add(customDefinitionName(resource), customDefinition(resource.custom.schema, resource, this.#version, this.#schemas))
      : this.#schemas.kind(resource);
    // Of custom resources there is no type to merge by: kubectl asks here which patches a kind takes.
    const patches = { strategic: resource.custom === undefined };
    const gvId = groupVersionId(resource);
    const canList = verbs.includes('list');
    const listSchema = () =>
      resource.custom
        ? this.#schemas.add(`${customDefinitionName(resource)}List`, this.#customList(resource, schema))
        : this.#schemas.kind(resource, true);
    const list = (item: Json, id: string) =>
      this.operation(item, 'get', resource, { id, action: 'list', parameters: listParameters, answer: listSchema() });
    const item = this.path(collection, inNamespace);
    if (canList) list(item, `list${gvId}${scope}${kind}`);
    if (verbs.includes('create'))
      this.operation(item, 'post', resource, {
        id: `create${gvId}${scope}${kind}`,
        action: 'post',
        parameters: writeParameters,
        answer: schema,
        body: schema,
        created: true,
      });
    if (verbs.includes('deletecollection'))
      this.operation(item, 'delete', resource, {
        id: `delete${gvId}Collection${scope}${kind}`,
        action: 'deletecollection',
        parameters: [...deleteParameters, ...listParameters],
        answer: this.#schemas.reference('meta.v1.Status'),
        body: this.#schemas.reference('meta.v1.DeleteOptions'),
      });
    const onOne = verbs.filter((v) => v !== 'create');
    if (onOne.some((v) => ['get', 'update', 'patch', 'delete'].includes(v)))
      this.single(`${collection}/{name}`, [name, ...inNamespace], resource, onOne, `${scope}${kind}`, resource, schema, patches);
    if (namespaced && canList) list(this.path(`${base}/${plural}`, []), `list${gvId}${kind}ForAllNamespaces`);
    for (const sub of resource.subresources ?? []) {
      const own = sub.kind.group === group && sub.kind.version === version && sub.kind.kind === kind;
      const subSchema = own ? schema : this.#schemas.subresourceKind(sub.kind);
      this.single(
        `${collection}/{name}/${sub.name}`,
        [name, ...inNamespace],
        sub.kind,
        sub.verbs,
        `${scope}${kind}${capital(sub.name)}`,
        resource,
        subSchema,
        patches,
      );
    }
  }

  #customList(resource: OpenApiResource, item: Json): Json {
    return {
      type: 'object',
      required: ['items'],
      properties: {
        apiVersion: { type: 'string' },
        items: { type: 'array', items: item },
        kind: { type: 'string' },
        metadata: this.#schemas.reference('meta.v1.ListMeta'),
      },
      'x-kubernetes-group-version-kind': [{ group: resource.group, version: resource.version, kind: `${resource.kind}List` }],
    };
  }
}

/** All paths of some resources; the schemas they use are collected in `schemas`. */
export function buildPaths(resources: readonly OpenApiResource[], version: Version, schemas: SchemaBuilder): Record<string, Json> {
  const writer = new PathWriter(version, schemas);
  for (const resource of resources) writer.resource(resource);
  return Object.fromEntries(Object.entries(writer.paths).sort(([a], [b]) => (a < b ? -1 : 1)));
}
