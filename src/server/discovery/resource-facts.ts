/** What discovery and OpenAPI tell of a resource: its verbs, subresources and names. */
import { isRemoved, type KindDefinition, type Resource } from '../../api/index.ts';
import { genericVerbs } from '../registry/dispatch.ts';
import type { SubresourceHandler } from '../registry/resource-handler.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import { isScale, subresourceStrategy } from '../registry/strategy.ts';

/** A subresource as discovery shows it. */
export interface Subresource {
  name: string;
  verbs: string[];
  kind: { group: string; version: string; kind: string };
}

export const kindOf = (r: Resource) => ({ group: r.group, version: r.version, kind: r.kind });
const scaleKind = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

/** In the order of their names. */
export function subresourcesOf(served: ServedResource, handlers: readonly SubresourceHandler[]): Subresource[] {
  const found = new Map<string, Subresource>();
  for (const [name, value] of Object.entries(served.kind.subresources ?? {})) {
    if (!value) continue;
    const verbs = (!isScale(value) && subresourceStrategy(served.kind, name)?.verbs) || ['get', 'patch', 'update'];
    found.set(name, { name, verbs: [...verbs], kind: isScale(value) ? scaleKind : kindOf(served.resource) });
  }
  for (const handler of handlersOf(served, handlers)) {
    if (handler.subresource === '' || handler.subresource.includes('/')) continue;
    const known = found.get(handler.subresource);
    const kind = handler.kind ?? known?.kind ?? kindOf(served.resource);
    found.set(handler.subresource, { name: handler.subresource, verbs: union(known?.verbs ?? [], handler.verbs), kind });
  }
  // Of custom resources, in the order of their definition's type.
  const all = [...found.values()];
  return served.custom === undefined ? all.sort((a, b) => (a.name < b.name ? -1 : 1)) : all;
}

function handlersOf({ resource }: ServedResource, handlers: readonly SubresourceHandler[]): SubresourceHandler[] {
  return handlers.filter(
    (h) => h.group === resource.group && h.resource === resource.plural && (h.version === undefined || h.version === resource.version),
  );
}

const union = (a: readonly string[], b: readonly string[]) => [...new Set([...a, ...b])].sort();

/** In the order in which upstream tells them. */
const customVerbs = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'];

/** In the order of their names, but those of custom resources. */
export function verbsOf(served: ServedResource, handlers: readonly SubresourceHandler[]): string[] {
  if (served.custom !== undefined) return [...customVerbs];
  const own = handlersOf(served, handlers)
    .filter((h) => h.subresource === '')
    .flatMap((h) => h.verbs);
  return union(served.kind.verbs ?? (served.storage === undefined ? [] : genericVerbs), own);
}

export const singularOf = (kind: KindDefinition) => kind.singular ?? kind.resource.kind.toLowerCase();

/** A removed group's version of a kind has no short names or categories: `kubectl get all` shows an object once. */
export function nicknamesOf({ kind, resource }: ServedResource): { shortNames?: string[]; categories?: string[] } {
  if (resource.group !== kind.resource.group && isRemoved(resource)) return {};
  return {
    ...(kind.shortNames?.length ? { shortNames: [...kind.shortNames] } : {}),
    ...(kind.categories?.length ? { categories: [...kind.categories] } : {}),
  };
}
