/** kube-apiserver's flags of which resources have a watch cache. */
import type { Resource } from '../api/index.ts';
import { groupResourceOf } from '../api/index.ts';
import type { ComponentArgs } from './config.ts';
import { flag } from './flags.ts';

/** Upstream's DefaultWatchCacheSizes: Events have none unless they are given one. */
const unlessGiven = new Map([
  ['events', 0],
  ['events.events.k8s.io', 0],
]);

/**
 * Which resources are to be read as if there were no watch cache: all with --watch-cache=false, otherwise those whose size, or the
 * default, is zero. No other size means anything.
 */
export function readsAnew(args: ComponentArgs): (resource: Resource) => boolean {
  if (!flag(args['watch-cache'], true)) return () => true;
  const sizes = new Map(unlessGiven);
  for (const each of (args['watch-cache-sizes'] ?? '').split(',')) {
    const [resource, size] = each.split('#');
    if (resource && size) sizes.set(resource, Number(size));
  }
  const otherwise = Number(args['default-watch-cache-size'] ?? 100);
  return (resource) => (sizes.get(groupResourceOf(resource)) ?? otherwise) === 0;
}
