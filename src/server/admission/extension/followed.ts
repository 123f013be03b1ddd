/** The objects of a configuration kind, as they are by now, and what is compiled of them. */
import type { KubeObject, Resource } from '../../../api/index.ts';
import { follow } from '../../storages.ts';
import type { ExtensionContext } from './context.ts';

export interface Followed<C> {
  /** In the order of names, as upstream calls them. Empty costs nothing. */
  readonly items: readonly C[];
}

/** Follows a kind; `compile` is called once for each state of an object. */
export function followed<T extends KubeObject, C>(
  context: ExtensionContext,
  resource: Resource<T>,
  compile: (object: T) => C,
): Followed<C> {
  const known = new Map<string, C>();
  const state: { items: readonly C[] } = { items: [] };
  const publish = () => {
    state.items = [...known].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, item]) => item);
  };
  if (context.serves(resource))
    void follow(
      context.storages(resource),
      {
        reset() {
          known.clear();
          publish();
        },
        set(object) {
          known.set(object.metadata.name, compile(object));
          publish();
        },
        remove({ metadata }) {
          known.delete(metadata.name);
          publish();
        },
      },
      { signal: context.signal, onError: context.onError },
    );
  return state;
}
