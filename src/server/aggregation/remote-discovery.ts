/** What another API server serves, in the form of aggregated discovery. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { APIResource, APIResourceList, apidiscoveryV2 } from '../../api/index.ts';
import { fetchDocument, hrefOf, readDocument } from './answers.ts';
import type { RemoteServer } from './remote-server.ts';

type Resource = apidiscoveryV2.APIResourceDiscovery;

const aggregated = ['v2', 'v2beta1']
  .map((version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
  .join(',');

/**
 * What a server says that it serves of a group version: in aggregated discovery, or in the group version's own list where it has no
 * such thing. Rejects where it can't be asked.
 */
export async function readDiscovery(
  remote: RemoteServer,
  { group, version }: { group: string; version: string },
  headers: OutgoingHttpHeaders,
  signal: AbortSignal,
): Promise<Resource[]> {
  const { url, statusCode, contentType, body } = await fetchDocument(remote, '/apis', { ...headers, accept: aggregated }, signal);
  if (statusCode === 503) throw new Error(`bad status from ${hrefOf(url)}: ${statusCode}`);
  if (statusCode === 200 && /;\s*as=APIGroupDiscoveryList\b/.test(contentType)) {
    // Another server's answer: whatever it is, only these fields are looked at.
    const { items = [] } = JSON.parse(body.toString('utf8')) as Partial<apidiscoveryV2.APIGroupDiscoveryList>;
    const resources = items.find(({ metadata }) => metadata?.name === group)?.versions?.find((v) => v.version === version)?.resources;
    return (resources ?? []).map(withResponseKinds);
  }
  const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const list = (await readDocument(remote, path, headers, signal)) as Partial<APIResourceList> | undefined;
  if (list === undefined) throw new Error(`bad status from ${hrefOf(new URL(path, url))}: 404`);
  return toDiscovery(list, { group, version });
}

const noKind = { group: '', version: '', kind: '' };

/** Clients of v1.26 take it for granted that kinds are said. */
const withResponseKinds = (resource: Resource): Resource => ({
  ...resource,
  responseKind: resource.responseKind ?? noKind,
  ...(resource.subresources ? { subresources: resource.subresources.map((s) => ({ ...s, responseKind: s.responseKind ?? noKind })) } : {}),
});

/** Resources and their subresources from the plain list of a group version. */
export function toDiscovery({ resources }: Partial<APIResourceList>, gv: { group: string; version: string }): Resource[] {
  const found = new Map<string, Resource>();
  const kindOf = ({ group, version, kind }: APIResource) => ({ group: group || gv.group, version: version || gv.version, kind });
  for (const entry of resources ?? []) {
    const [name = '', subresource] = entry.name.split('/', 2);
    const scope = entry.namespaced ? 'Namespaced' : 'Cluster';
    if (subresource === undefined) {
      const known = found.get(name);
      found.set(name, {
        resource: name,
        responseKind: kindOf(entry),
        scope,
        singularResource: entry.singularName,
        verbs: entry.verbs ?? [],
        ...(entry.shortNames?.length ? { shortNames: entry.shortNames } : {}),
        ...(entry.categories?.length ? { categories: entry.categories } : {}),
        ...(known?.subresources ? { subresources: known.subresources } : {}),
      });
      continue;
    }
    // A subresource may be listed without its resource, or before it.
    const parent = found.get(name) ?? { resource: name, scope, singularResource: '', verbs: [] };
    const subresources = [...(parent.subresources ?? []), { subresource, responseKind: kindOf(entry), verbs: entry.verbs ?? [] }];
    found.set(name, { ...parent, subresources });
  }
  return [...found.values()];
}
