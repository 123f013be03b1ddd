import type { NodeInfo } from './node-info.ts';
import type { PodInfo } from './pod-info.ts';

type Counts = Map<string, number>;

interface Counter {
  readonly matches: (info: PodInfo) => boolean;
  /** By node name; nodes without such a pod are absent. */
  readonly counts: Counts;
}

/** As many as there are workloads being scheduled at the same time, roughly. */
const maxCounters = 256;

/**
 * How many pods of each kind every node has. Spreading and affinity ask the same question for every replica of a workload: how
 * many pods that match are where. Counting them anew costs a walk over all pods for each pod scheduled; here the first asker
 * pays that walk, and from then on each pod that comes or goes moves the counts. The least recently asked are forgotten.
 */
export class PodCounts {
  readonly #counters = new Map<string, Counter>();

  /** Counts by node name; `key` must determine `matches`. */
  count(key: string, matches: (info: PodInfo) => boolean, nodes: Iterable<NodeInfo>): ReadonlyMap<string, number> {
    const known = this.#counters.get(key);
    if (known) {
      this.#counters.delete(key);
      this.#counters.set(key, known);
      return known.counts;
    }
    const counter: Counter = { matches, counts: new Map() };
    for (const node of nodes) {
      let count = 0;
      for (const info of node.pods.values()) if (matches(info)) count++;
      if (count > 0) counter.counts.set(node.name, count);
    }
    this.#counters.set(key, counter);
    const oldest = this.#counters.keys().next();
    if (this.#counters.size > maxCounters && !oldest.done) this.#counters.delete(oldest.value);
    return counter.counts;
  }

  podAdded(info: PodInfo, nodeName: string): void {
    this.#move(info, nodeName, 1);
  }

  podRemoved(info: PodInfo, nodeName: string): void {
    this.#move(info, nodeName, -1);
  }

  nodeRemoved(nodeName: string): void {
    for (const { counts } of this.#counters.values()) counts.delete(nodeName);
  }

  #move(info: PodInfo, nodeName: string, by: 1 | -1): void {
    for (const { matches, counts } of this.#counters.values()) {
      if (!matches(info)) continue;
      const count = (counts.get(nodeName) ?? 0) + by;
      if (count > 0) counts.set(nodeName, count);
      else counts.delete(nodeName);
    }
  }
}
