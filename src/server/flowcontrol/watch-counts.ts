/** How many watches a change may have to be told to (k8s.io/apiserver/pkg/util/flowcontrol's watch tracker). */
import { parseFieldSelector } from '../../api/index.ts';
import type { RequestInfo } from '../request.ts';

/** Whose watches are found by what they select: a change is told to few of those that select another value. */
const indexed: Readonly<Record<string, string>> = { pods: 'spec.nodeName' };

const keyOf = ({ apiGroup, resource }: RequestInfo, namespace: string, name: string) => `${apiGroup}/${resource} ${namespace} ${name}`;

/** Whether a watch is for some value of an index only. */
function isIndexed({ resource }: RequestInfo, query: URLSearchParams): boolean {
  const field = indexed[resource];
  const selector = field === undefined ? null : query.get('fieldSelector');
  if (field === undefined || selector === null) return false;
  try {
    return Boolean(parseFieldSelector(selector).exactly(field));
  } catch {
    return false; // it will be refused, by others
  }
}

export class WatchCounts {
  readonly #counts = new Map<string, number>();

  /** Counts a watch until the result is called. */
  add(info: RequestInfo, query: URLSearchParams): () => void {
    if (isIndexed(info, query)) return () => {};
    const key = keyOf(info, info.namespace, info.name);
    this.#counts.set(key, this.#of(key) + 1);
    let isForgotten = false;
    return () => {
      if (isForgotten) return;
      isForgotten = true;
      const left = this.#of(key) - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    };
  }

  /** Of all objects of the request's resource, of those in its namespace, and of its very object. */
  interestedIn(info: RequestInfo): number {
    const { namespace, name } = info;
    const inNamespace = namespace === '' ? 0 : this.#of(keyOf(info, namespace, ''));
    return this.#of(keyOf(info, '', '')) + inNamespace + (name === '' ? 0 : this.#of(keyOf(info, namespace, name)));
  }

  #of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }
}
