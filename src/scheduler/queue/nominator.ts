import type { PodInfo } from '../cache/pod-info.ts';

/** Pods that wait for a node to be freed for them by preemption: others of no more priority must leave them the room. */
export class Nominator {
  readonly #byNode = new Map<string, Map<string, PodInfo>>();
  readonly #nodeOf = new Map<string, string>();

  set(info: PodInfo, nodeName: string): void {
    this.delete(info.key);
    if (!nodeName) return;
    this.#nodeOf.set(info.key, nodeName);
    const pods = this.#byNode.get(nodeName) ?? new Map<string, PodInfo>();
    pods.set(info.key, info);
    this.#byNode.set(nodeName, pods);
  }

  delete(key: string): void {
    const nodeName = this.#nodeOf.get(key);
    if (nodeName === undefined) return;
    this.#nodeOf.delete(key);
    const pods = this.#byNode.get(nodeName);
    pods?.delete(key);
    if (pods?.size === 0) this.#byNode.delete(nodeName);
  }

  nodeOf(key: string): string | undefined {
    return this.#nodeOf.get(key);
  }

  on(nodeName: string): Iterable<PodInfo> {
    return this.#byNode.get(nodeName)?.values() ?? [];
  }

  get size(): number {
    return this.#nodeOf.size;
  }
}
