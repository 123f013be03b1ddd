import type { Pod } from '../../api/index.ts';
import type { Informer } from '../../client/index.ts';

const index = 'node';

/** Files an informer's pods under the name of their node. */
export function indexByNode(pods: Informer<Pod>): void {
  pods.addIndex(index, ({ spec }) => (spec.nodeName ? [spec.nodeName] : []));
}

export function podsOnNode(pods: Informer<Pod>, node: string): readonly Pod[] {
  return pods.lister.byIndex(index, node);
}
