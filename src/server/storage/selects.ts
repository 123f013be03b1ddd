import type { KubeObject } from '../../api/index.ts';
import type { CachedObject } from './cached-object.ts';
import type { StorageListOptions } from './storage.ts';

/** What a selection accepts, asked of labels first, which need no decoded object; undefined where it accepts all. */
export function selects<T extends KubeObject>({
  matches,
  matchesLabels,
}: Pick<StorageListOptions<T>, 'matches' | 'matchesLabels'>): ((object: CachedObject<T>) => boolean) | undefined {
  if (matchesLabels === undefined) return matches && ((object) => matches(object.object));
  if (matches === undefined) return (object) => matchesLabels(object.labels);
  return (object) => matchesLabels(object.labels) && matches(object.object);
}
