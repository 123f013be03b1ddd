import { type CustomSchema, customDefinition, customDefinitionName, customListDefinition } from './custom-schemas.ts';
import {
  deleteParameters,
  force,
  listParameters,
  namespaceName,
  objectName,
  optionParameters,
  type Parameter,
  pathRest,
  pretty,
  writeParameters,
} from './parameters.ts';
import type { RootFacts } from './roots.ts';
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
  /** Of a kind that the table does not know: that of its lists. Default: the kind with `List` behind it. */
  listKind?: string;
  namespaced: boolean;
  verbs: readonly string[];
  /** Deleting one answers it, not a Status. */
  answersDeleted?: boolean;
  subresources?: readonly OpenApiSubresource[];
  /** For a kind that the table does not know: the schema of its definition, where that has one. */
  custom?: CustomSchema;
}

const strategicType = 'application/strategic-merge-patch+json';
const patchTypes = ['application/apply-patch+yaml', 'application/json-patch+json', 'application/merge-patch+json', strategicType];
const mediaTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const watchTypes = [...mediaTypes, 'application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch'];
const proxyMethods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'];

const capital = (s: string) => s.charAt(0).toUpperCase() + s.slice(1);

/** `Apps`, `RbacAuthorization`: how operation ids name a group. */
export const groupId = (group: string) =>
  capital(group === '' ? 'core' : group.replace(/\.k8s\.io$/, '').replace(/\.(\w)/g, (_, c: string) => c.toUpperCase()));
const groupVersionId = ({ group, version }: { group: string; version: string }) => `${groupId(group)}${capital(version)}`;
const tagOf = (gv: { group: string; version: string }) => `${groupId(gv.group).replace(/^./, (c) => c.toLowerCase())}_${gv.version}`;

/** The kinds that stand for a connection to something else. */
const connectOptions = /^(Pod|Node|Service)(Exec|Attach|PortForward|Proxy)Options$/;

class PathWriter {
  readonly paths: Record<string, Json> = {};
  readonly #version: Version;
  readonly #schemas: SchemaBuilder;

  constructor(version: Version, schemas: SchemaBuilder) {
    this.#version = version;
    this.#schemas = schemas;
  }

  #parameter({ type, ...rest }: Parameter): Json {
    const common = { ...rest, ...(rest.in === 'path' ? { required: true } : {}) };
    return this.#version === 3 ? { ...common, schema: { type, uniqueItems: true } } : { ...common, type, uniqueItems: true };
  }

  #response(schema: Json, types: readonly string[]): Json {
    return this.#version === 3
      ? { description: 'OK', content: Object.fromEntries(types.map((t) => [t, { schema }])) }
      : { description: 'OK', schema };
  }

  path(path: string, parameters: readonly Parameter[]): Json {
    const item: Json = parameters.length > 0 ? { parameters: parameters.map((p) => this.#parameter(p)) } : {};
    this.paths[path] = item;
    return item;
  }

  operation(
    item: Json,
    method: string,
    facts: {
      id: string;
      description: string;
      /** `apps_v1` */
      tag: string;
      /** Not of documents that are no resource's. */
      action?: string;
      kind?: KindName;
      parameters?: readonly Parameter[];
      answer: Json;
      answerTypes?: readonly string[];
      body?: Json;
      bodyTypes?: readonly string[];
      /** What else it may answer with: 201, 202. */
      also?: readonly number[];
    },
  ): void {
    const { kind, answerTypes = mediaTypes, bodyTypes = ['*/*'] } = facts;
    const parameters = (facts.parameters ?? []).map((p) => this.#parameter(p));
    // What is to be deleted needs no options.
    const needed = method === 'delete' ? {} : { required: true };
    if (facts.body && this.#version === 2) parameters.unshift({ name: 'body', in: 'body', ...needed, schema: facts.body });
    const answer = this.#response(facts.answer, answerTypes);
    item[method] = {
      description: facts.description,
      operationId: facts.id,
      tags: [facts.tag],
      ...(this.#version === 2 ? { consumes: bodyTypes, produces: answerTypes, schemes: ['https'] } : {}),
      ...(parameters.length > 0 ? { parameters } : {}),
      ...(facts.body && this.#version === 3
        ? { requestBody: { ...needed, content: Object.fromEntries(bodyTypes.map((t) => [t, { schema: facts.body }])) } }
        : {}),
      responses: {
        '200': answer,
        ...Object.fromEntries((facts.also ?? []).map((code) => [code, { ...answer, description: code === 201 ? 'Created' : 'Accepted' }])),
        '401': { description: 'Unauthorized' },
      },
      ...(facts.action ? { 'x-kubernetes-action': facts.action } : {}),
      ...(kind ? { 'x-kubernetes-group-version-kind': { group: kind.group, version: kind.version, kind: kind.kind } } : {}),
    };
  }

  /** A document that tells of the API: which groups, versions, resources there are. */
  root({ path, id, description, tag, type, types }: RootFacts): void {
    const answer = type === 'string' ? { type: 'string' } : this.#schemas.reference(type);
    this.operation(this.path(path, []), 'get', { id, description, tag, answer, ...(types ? { answerTypes: types } : {}) });
  }

  /** Get, replace, patch (and delete, create) of one object or subresource. */
  single(
    path: string,
    names: readonly Parameter[],
    kind: KindName,
    verbs: readonly string[],
    id: string,
    owner: KindName,
    schema: Json,
    { strategic = true, subresource = '', answersDeleted = false } = {},
  ): void {
    const item = this.path(path, [...names, pretty]);
    const on = (verb: string) => verbs.includes(verb);
    const gvId = groupVersionId(owner);
    const what = `${subresource ? `${subresource} of ` : ''}the specified ${owner.kind}`;
    const common = { kind, tag: tagOf(owner), answer: schema };
    if (on('get')) this.operation(item, 'get', { ...common, id: `read${gvId}${id}`, description: `read ${what}`, action: 'get' });
    if (on('create'))
      this.operation(item, 'post', {
        ...common,
        id: `create${gvId}${id}`,
        description: `create ${subresource ? `${subresource} of ` : ''}a ${owner.kind}`,
        action: 'post',
        parameters: writeParameters,
        body: schema,
        also: [201, 202],
      });
    if (on('update'))
      this.operation(item, 'put', {
        ...common,
        id: `replace${gvId}${id}`,
        description: `replace ${what}`,
        action: 'put',
        parameters: writeParameters,
        body: schema,
        also: [201],
      });
    if (on('patch'))
      this.operation(item, 'patch', {
        ...common,
        id: `patch${gvId}${id}`,
        description: `partially update ${what}`,
        action: 'patch',
        parameters: [...writeParameters, force],
        body: this.#schemas.reference('meta.v1.Patch'),
        bodyTypes: strategic ? patchTypes : patchTypes.filter((type) => type !== strategicType),
        also: [201],
      });
    if (on('delete'))
      this.operation(item, 'delete', {
        ...common,
        id: `delete${gvId}${id}`,
        description: `delete a ${owner.kind}`,
        action: 'delete',
        parameters: deleteParameters,
        answer: answersDeleted ? schema : this.#schemas.reference('meta.v1.Status'),
        body: this.#schemas.reference('meta.v1.DeleteOptions'),
        also: [202],
      });
  }

  /** exec, attach, portforward and proxy, which speak what they connect to. */
  connect(path: string, names: readonly Parameter[], sub: OpenApiSubresource, owner: KindName, id: string): void {
    const isProxy = sub.name === 'proxy';
    const parameters = optionParameters(`core.v1.${sub.kind.kind}`, this.#schemas.descriptions);
    const methods = isProxy ? proxyMethods : ['get', 'post'];
    const add = (at: string, extra: readonly Parameter[], suffix: string) => {
      const item = this.path(at, [...names, ...extra, ...parameters]);
      for (const method of methods)
        this.operation(item, method, {
          id: `connect${groupVersionId(owner)}${capital(method)}${id}${capital(sub.name)}${suffix}`,
          description: `connect ${method.toUpperCase()} requests to ${sub.name} of ${owner.kind}`,
          tag: tagOf(owner),
          action: 'connect',
          kind: sub.kind,
          answer: { type: 'string' },
          answerTypes: ['*/*'],
        });
    };
    add(path, [], '');
    if (isProxy) add(`${path}/{path}`, [pathRest], 'WithPath');
  }

  /** The paths that watch by themselves, from before `watch=true`. */
  watches(resource: OpenApiResource, base: string, collection: string, names: readonly Parameter[]): void {
    const { kind, plural, namespaced } = resource;
    const scope = namespaced ? 'Namespaced' : '';
    const gvId = groupVersionId(resource);
    const answer = this.#schemas.reference('meta.v1.WatchEvent');
    const add = (path: string, parameters: readonly Parameter[], id: string, action: 'watch' | 'watchlist') =>
      this.operation(this.path(path, [...listParameters, ...parameters, pretty]), 'get', {
        id: `watch${gvId}${id}`,
        description:
          action === 'watch'
            ? `watch changes to an object of kind ${kind}. deprecated: use the 'watch' parameter with a list operation instead, filtered to a single item with the 'fieldSelector' parameter.`
            : `watch individual changes to a list of ${kind}. deprecated: use the 'watch' parameter with a list operation instead.`,
        tag: tagOf(resource),
        action,
        kind: resource,
        answer,
        answerTypes: watchTypes,
      });
    const watched = `${base}/watch${collection.slice(base.length)}`;
    add(watched, names, `${scope}${kind}List`, 'watchlist');
    if (resource.verbs.includes('get')) add(`${watched}/{name}`, [objectName(kind), ...names], `${scope}${kind}`, 'watch');
    if (namespaced) add(`${base}/watch/${plural}`, [], `${kind}ListForAllNamespaces`, 'watchlist');
  }

  resource(resource: OpenApiResource): void {
    const { group, version, kind, plural, namespaced, verbs } = resource;
    const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    const scope = namespaced ? 'Namespaced' : '';
    const inNamespace = namespaced ? [namespaceName] : [];
    const collection = `${base}${namespaced ? '/namespaces/{namespace}' : ''}/${plural}`;
    const schema = resource.custom
      ? this.#schemas.add(customDefinitionName(resource), customDefinition(resource.custom, resource, this.#version, this.#schemas))
      : this.#schemas.kind(resource);
    // Of custom resources there is no type to merge by: kubectl asks here which patches a kind takes.
    const patches = { strategic: resource.custom === undefined };
    const gvId = groupVersionId(resource);
    const tag = tagOf(resource);
    const canList = verbs.includes('list');
    const listSchema = () => (resource.custom ? this.#customList(resource, schema) : this.#schemas.kind(resource, true));
    const listTypes = verbs.includes('watch') ? watchTypes : mediaTypes;
    const list = (id: string) => ({
      id,
      description: `list or watch objects of kind ${kind}`,
      tag,
      action: 'list',
      kind: resource,
      answer: listSchema(),
      answerTypes: listTypes,
    });
    const item = this.path(collection, [...inNamespace, pretty]);
    if (canList) this.operation(item, 'get', { ...list(`list${gvId}${scope}${kind}`), parameters: listParameters });
    if (verbs.includes('create'))
      this.operation(item, 'post', {
        id: `create${gvId}${scope}${kind}`,
        description: `create a ${kind}`,
        tag,
        action: 'post',
        kind: resource,
        parameters: writeParameters,
        answer: schema,
        body: schema,
        also: [201, 202],
      });
    if (verbs.includes('deletecollection'))
      this.operation(item, 'delete', {
        id: `delete${gvId}Collection${scope}${kind}`,
        description: `delete collection of ${kind}`,
        tag,
        action: 'deletecollection',
        kind: resource,
        // `watch` and its bookmarks are no selection.
        parameters: [...deleteParameters, ...listParameters.filter(({ name }) => name !== 'watch' && name !== 'allowWatchBookmarks')],
        answer: this.#schemas.reference('meta.v1.Status'),
        body: this.#schemas.reference('meta.v1.DeleteOptions'),
      });
    const onOne = verbs.filter((v) => v !== 'create');
    const names = [objectName(kind), ...inNamespace];
    if (onOne.some((v) => ['get', 'update', 'patch', 'delete'].includes(v)))
      this.single(`${collection}/{name}`, names, resource, onOne, `${scope}${kind}`, resource, schema, {
        ...patches,
        answersDeleted: resource.answersDeleted ?? false,
      });
    if (namespaced && canList)
      this.operation(this.path(`${base}/${plural}`, [...listParameters, pretty]), 'get', list(`list${gvId}${kind}ForAllNamespaces`));
    if (verbs.includes('watch') && !resource.custom) this.watches(resource, base, collection, inNamespace);
    for (const sub of resource.subresources ?? [])
      this.#subresource(resource, sub, `${collection}/{name}/${sub.name}`, names, schema, patches);
  }

  #subresource(
    resource: OpenApiResource,
    sub: OpenApiSubresource,
    path: string,
    names: readonly Parameter[],
    schema: Json,
    patches: { strategic: boolean },
  ): void {
    const { group, version, kind, namespaced } = resource;
    const id = `${namespaced ? 'Namespaced' : ''}${kind}`;
    if (connectOptions.test(sub.kind.kind)) {
      this.connect(path, names, sub, resource, id);
      return;
    }
    if (group === '' && resource.plural === 'pods' && sub.name === 'log') {
      const item = this.path(path, [...names, ...optionParameters('core.v1.PodLogOptions', this.#schemas.descriptions), pretty]);
      this.operation(item, 'get', {
        id: `read${groupVersionId(resource)}${id}Log`,
        description: `read log of the specified ${kind}`,
        tag: tagOf(resource),
        action: 'get',
        kind: resource,
        answer: { type: 'string' },
        answerTypes: ['text/plain', ...mediaTypes],
      });
      return;
    }
    const own = sub.kind.group === group && sub.kind.version === version && sub.kind.kind === kind;
    const subSchema = own ? schema : this.#schemas.subresourceKind(sub.kind);
    const options = { ...patches, subresource: sub.name };
    this.single(path, names, sub.kind, sub.verbs, `${id}${capital(sub.name)}`, resource, subSchema, options);
  }

  #customList(resource: OpenApiResource, item: Json): Json {
    const listKind = resource.listKind ?? `${resource.kind}List`;
    const list = customListDefinition({ ...resource, listKind }, item, this.#version, this.#schemas);
    return this.#schemas.add(customDefinitionName({ ...resource, kind: listKind }), list);
  }
}

/**
 * All paths of some resources and of documents about them; the schemas they use are collected in `schemas`. `turn`: called after
 * each resource; resolves once others have had their turn, where it is theirs.
 */
export async function buildPaths(
  resources: readonly OpenApiResource[],
  roots: readonly RootFacts[],
  version: Version,
  schemas: SchemaBuilder,
  turn: () => Promise<void> | undefined = () => undefined,
): Promise<Record<string, Json>> {
  const writer = new PathWriter(version, schemas);
  for (const root of roots) writer.root(root);
  for (const resource of resources) {
    writer.resource(resource);
    const pause = turn();
    if (pause) await pause;
  }
  return Object.fromEntries(Object.entries(writer.paths).sort(([a], [b]) => (a < b ? -1 : 1)));
}
