/** What another API server serves, in the form of aggregated discovery. */
import type { APIResource, APIResourceList, apidiscoveryV2 } from '../../api/index.ts';

type Resource = apidiscoveryV2.APIResourceDiscovery;

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
