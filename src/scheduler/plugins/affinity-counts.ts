import type { Labels } from '../../api/index.ts';
import type { SchedulerCache } from '../cache/cache.ts';
import type { NodeInfo } from '../cache/node-info.ts';
import type { AffinityTerm, PodInfo } from '../cache/pod-info.ts';
import { selectorKey } from './selector-key.ts';

/** Numbers by topology key and value. */
export class TopologyCounts {
  readonly #byKey = new Map<string, Map<string, number>>();

  get isEmpty(): boolean {
    return this.#byKey.size === 0;
  }

  get keys(): Iterable<string> {
    return this.#byKey.keys();
  }

  get(key: string, value: string): number {
    return this.#byKey.get(key)?.get(value) ?? 0;
  }

  /** Adds to the node's domain; a node without the label is in none. */
  add(node: NodeInfo, key: string, by: number): void {
    const value = node.labels[key];
    if (value === undefined || by === 0) return;
    let values = this.#byKey.get(key);
    if (!values) {
      values = new Map();
      this.#byKey.set(key, values);
    }
    const count = (values.get(value) ?? 0) + by;
    if (count !== 0) values.set(value, count);
    else values.delete(value);
    if (values.size === 0) this.#byKey.delete(key);
  }

  clone(): TopologyCounts {
    const copy = new TopologyCounts();
    for (const [key, values] of this.#byKey) copy.#byKey.set(key, new Map(values));
    return copy;
  }
}

/** A term of a pod that is being scheduled, with its namespace selector resolved. */
export type ResolvedTerm = AffinityTerm & { readonly key: string };

export function resolveTerm(term: AffinityTerm, namespaces: Iterable<{ name: string; labels: Labels | undefined }>): ResolvedTerm {
  const all = new Set(term.namespaces);
  if (term.namespaceSelector.everything || term.namespaceSelector.requirements.length > 0) {
    for (const { name, labels } of namespaces) if (term.namespaceSelector.matches(labels)) all.add(name);
  }
  return { ...term, namespaces: all, key: `${[...all].sort().join()}/${selectorKey(term.selector)}` };
}

export const matchesResolved = (term: ResolvedTerm, { pod: { metadata } }: PodInfo) =>
  term.namespaces.has(metadata.namespace ?? '') && term.selector.matches(metadata.labels);

/** How many pods that all the terms mean each node has. */
export function countMatching(cache: SchedulerCache, terms: readonly ResolvedTerm[]): ReadonlyMap<string, number> {
  const key = `affinity/${terms.map((t) => t.key).join('&')}`;
  return cache.count(key, (info) => terms.every((t) => matchesResolved(t, info)));
}
