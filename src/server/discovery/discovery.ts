/** What the server serves, as clients ask for it: /api, /apis, /apis/GROUP, /apis/GROUP/VERSION, and the same in one document. */
import { createHash } from 'node:crypto';
import {
  type APIGroup,
  type APIResource,
  type apidiscoveryV2,
  apiVersionOf,
  compareVersions,
  type KindDefinition,
} from '../../api/index.ts';
import { type Aggregation, type ExpectedVersion, type Priority, priorityOf, type RemoteVersion } from '../aggregation/index.ts';
import { type Answer, objectAnswer, type RequestContext } from '../exchange.ts';
import { notAllowed, notFound } from '../registry/dispatch.ts';
import type { SubresourceHandler } from '../registry/resource-handler.ts';
import type { ResourceTable, ServedResource } from '../registry/served-resource.ts';
import { checkProduced, type Encoding, parseAccept, producedTypes } from '../representation/accept.ts';
import { encodeAnswer } from '../representation/encode.ts';
import { joined } from '../representation/pieces.ts';
import { kindOf, nicknamesOf, singularOf, subresourcesOf, verbsOf } from './resource-facts.ts';

export interface DiscoveryOptions {
  table: ResourceTable;
  handlers: readonly SubresourceHandler[];
  /** `10.0.0.1:6443`, told to clients as serverAddressByClientCIDRs. */
  serverAddress(): string;
  /** What other servers serve in this one's name, where there are such. */
  aggregation(): Aggregation | undefined;
  /** Whether kinds are still to come, of which APIServices tell already. */
  expectsKinds?: () => boolean;
  /** Told when all that is served has been put together anew. */
  onAggregated?: () => void;
}

/** What one group version consists of: resources of this server, or another server's. */
interface GroupVersion {
  priority: Priority;
  local: ServedResource[];
  remote?: RemoteVersion;
  /** What is in it is not known yet. */
  isPending?: boolean;
}

/** Says whether what is stored has changed its form; any stable hash does (upstream hashes group/version/kind likewise). */
const storageVersionHash = ({ resource: { group, version, kind }, upstreamStorageVersion = version }: KindDefinition) =>
  createHash('sha256').update(`${group}/${upstreamStorageVersion}/${kind}`).digest().subarray(0, 8).toString('base64');

function resourceEntries(served: ServedResource, handlers: readonly SubresourceHandler[]): APIResource[] {
  const { kind, resource } = served;
  const { namespaced, plural } = resource;
  const entry: APIResource = {
    name: plural,
    singularName: singularOf(kind),
    namespaced,
    kind: resource.kind,
    verbs: verbsOf(served, handlers),
    ...nicknamesOf(served),
    ...(served.storage === undefined ? {} : { storageVersionHash: storageVersionHash(kind) }),
  };
  const subresources = subresourcesOf(served, handlers).map((sub): APIResource => {
    const foreign = sub.kind.group !== resource.group || sub.kind.version !== resource.version;
    return {
      name: `${plural}/${sub.name}`,
      singularName: '',
      namespaced,
      ...(foreign ? { group: sub.kind.group, version: sub.kind.version } : {}),
      kind: sub.kind.kind,
      verbs: sub.verbs,
    };
  });
  return [entry, ...subresources];
}

function aggregatedResource(served: ServedResource, handlers: readonly SubresourceHandler[]): apidiscoveryV2.APIResourceDiscovery {
  const { kind, resource } = served;
  const subresources = subresourcesOf(served, handlers);
  return {
    resource: resource.plural,
    responseKind: kindOf(resource),
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: singularOf(kind),
    verbs: verbsOf(served, handlers),
    ...nicknamesOf(served),
    ...(subresources.length === 0
      ? {}
      : { subresources: subresources.map(({ name, verbs, kind: of }) => ({ subresource: name, responseKind: of, verbs })) }),
  };
}

/** Group to versions (preferred first) to resources in the order of their names. */
function grouped(
  table: ResourceTable,
  remotes: Iterable<RemoteVersion>,
  expected: Iterable<ExpectedVersion>,
): Map<string, Map<string, GroupVersion>> {
  const groups = new Map<string, Map<string, GroupVersion>>();
  const versionsOf = (group: string) => {
    const versions = groups.get(group) ?? new Map<string, GroupVersion>();
    groups.set(group, versions);
    return versions;
  };
  for (const served of table.all()) {
    const { group, version } = served.resource;
    const versions = versionsOf(group);
    const known = versions.get(version);
    if (known) known.local.push(served);
    else versions.set(version, { priority: priorityOf(group, version), local: [served] });
  }
  for (const remote of remotes) versionsOf(remote.group).set(remote.version, { priority: remote.priority, local: [], remote });
  for (const { group, version, priority } of expected) {
    const versions = versionsOf(group);
    if (!versions.has(version)) versions.set(version, { priority, local: [], isPending: true });
  }
  const byName = (a: ServedResource, b: ServedResource) => (a.resource.plural < b.resource.plural ? -1 : 1);
  for (const versions of groups.values()) for (const { local } of versions.values()) local.sort(byName);
  const rank = (versions: Map<string, GroupVersion>) => Math.max(...[...versions.values()].map(({ priority }) => priority.group));
  return new Map(
    [...groups]
      .sort(([a, x], [b, y]) => rank(y) - rank(x) || (a < b ? -1 : 1))
      .map(([name, versions]) => [
        name,
        new Map([...versions].sort(([a, x], [b, y]) => y.priority.version - x.priority.version || compareVersions(a, b))),
      ]),
  );
}

function apiGroup(name: string, versions: Iterable<string>): APIGroup {
  const list = [...versions].map((version) => ({ groupVersion: apiVersionOf({ group: name, version }), version }));
  const [preferredVersion] = list;
  return { name, versions: list, ...(preferredVersion === undefined ? {} : { preferredVersion }) };
}

const aggregatedKind = 'APIGroupDiscoveryList';

/** What aggregated discovery is sent as. */
const mediaTypes: Record<string, Encoding> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  'application/vnd.kubernetes.protobuf': 'protobuf',
  'application/*': 'json',
  '*/*': 'json',
};

interface AggregatedForm {
  version: 'v2' | 'v2beta1';
  encoding: Encoding;
}

/** The form of aggregated discovery that the client takes, whatever else it would take; undefined where it takes none. */
function aggregatedForm(accept: string): AggregatedForm | undefined {
  for (const { type, parameters } of parseAccept(accept)) {
    const encoding = mediaTypes[type];
    const version = parameters.get('v');
    if (
      encoding !== undefined &&
      parameters.get('g') === 'apidiscovery.k8s.io' &&
      parameters.get('as') === aggregatedKind &&
      (version === 'v2' || version === 'v2beta1')
    )
      return { version, encoding };
  }
  return undefined;
}

/** Answers the discovery paths; undefined for any other path. */
export function createDiscovery(options: DiscoveryOptions): (context: RequestContext) => Answer | undefined {
  const { table, handlers, serverAddress, aggregation, expectsKinds = () => false } = options;
  let generation = '';
  let groups = new Map<string, Map<string, GroupVersion>>();

  const aggregated = ({ version, encoding }: AggregatedForm, names: string[], context: RequestContext): Answer => {
    const items = names.map((name) => ({
      metadata: name === '' ? {} : { name },
      versions: [...(groups.get(name) ?? [])].map(([v, { local, remote, isPending }]) => {
        const resources = remote?.resources ?? local.map((served) => aggregatedResource(served, handlers));
        const freshness = remote?.isFresh === false || isPending ? 'Stale' : 'Current';
        return { version: v, ...(resources.length > 0 ? { resources } : {}), freshness };
      }),
    }));
    const document = { kind: aggregatedKind, apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items };
    const json = JSON.stringify(document);
    // Of what is said, however it is said.
    const etag = `"${createHash('sha512').update(json).digest('hex').toUpperCase()}"`;
    const headers = { etag, vary: 'Accept', 'cache-control': 'public' };
    const [type = ''] = Object.entries(mediaTypes).find(([, e]) => e === encoding) ?? [];
    const contentType = `${type};g=apidiscovery.k8s.io;v=${version};as=${aggregatedKind}`;
    if (context.header('if-none-match') === etag) return { type: 'raw', status: 304, contentType, body: '', headers };
    const body =
      encoding === 'json' ? json : joined(encodeAnswer({ type: 'object', status: 200, item: { object: document } }, encoding, false));
    return { type: 'raw', status: 200, contentType, body, headers };
  };

  return (context) => {
    const parts = context.path.replace(/^\/+|\/+$/g, '').split('/');
    const [root, first, second] = parts;
    if ((root !== 'api' && root !== 'apis') || parts.length > 3 || (root === 'api' && parts.length > 2)) return undefined;
    // Upstream's aggregator answers for groups, which has no routes: whatever the method is.
    const isRouted = root === 'api' || parts.length > 2;
    if (isRouted && context.method !== 'GET') throw notAllowed();
    if (isRouted && !context.local) checkProduced(context.accept, producedTypes({ cbor: context.cbor === true }, false));
    const isEarly = expectsKinds();
    const present = `${table.generation} ${aggregation()?.generation ?? ''} ${isEarly}`;
    if (generation !== present) {
      groups = grouped(table, aggregation()?.remotes() ?? [], (isEarly && aggregation()?.own()) || []);
      options.onAggregated?.();
      generation = present;
    }
    if (parts.length === 1) {
      const form = aggregatedForm(context.accept);
      const named = [...groups.keys()].filter((name) => name !== '');
      if (form !== undefined) return aggregated(form, root === 'api' ? [''] : named, context);
      if (root === 'apis')
        return objectAnswer({
          kind: 'APIGroupList',
          apiVersion: 'v1',
          groups: named.map((name) => apiGroup(name, groups.get(name)?.keys() ?? [])),
        });
      return objectAnswer({
        kind: 'APIVersions',
        versions: [...(groups.get('')?.keys() ?? [])],
        serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: serverAddress() }],
      });
    }
    const group = root === 'api' ? '' : (first ?? '');
    const versions = root === 'apis' && group === '' ? undefined : groups.get(group);
    const version = root === 'api' ? first : second;
    context.isRouted = root === 'api' || table.isBuiltIn(group);
    if (versions === undefined) throw notFound();
    if (version === undefined) return objectAnswer({ kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(group, versions.keys()) });
    const known = versions.get(version);
    if (known === undefined || known.isPending) throw notFound();
    return objectAnswer({
      kind: 'APIResourceList',
      // The groups of the first days leave it out, as upstream's do.
      ...(group === '' || group === 'extensions' ? {} : { apiVersion: 'v1' }),
      groupVersion: apiVersionOf({ group, version }),
      resources: known.local.flatMap((served) => resourceEntries(served, handlers)),
    });
  };
}
