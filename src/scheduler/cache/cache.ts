import type { Node, Pod } from '../../api/index.ts';
import { NodeInfo } from './node-info.ts';
import { PodCounts } from './pod-counts.ts';
import { type PodInfo, podInfoOf, podKey } from './pod-info.ts';

interface Placed {
  info: PodInfo;
  nodeName: string;
  /** Placed by this scheduler, and not yet seen to be so through the API. */
  assumed: boolean;
}

/**
 * The nodes and the pods on them, those that this scheduler has just placed included. Scheduling reads it as it stands: a cycle is
 * synchronous, so the live cache is its snapshot, and nothing has to be copied for it.
 */
export class SchedulerCache {
  readonly #nodes = new Map<string, NodeInfo>();
  readonly #pods = new Map<string, Placed>();
  /** Pods on nodes that are not known (yet, or any more), by node. */
  readonly #homeless = new Map<string, Map<string, PodInfo>>();
  readonly #counts = new PodCounts();
  readonly #imageNodes = new Map<string, number>();
  #list: readonly NodeInfo[] | undefined;
  readonly nodesWithAffinity = new Set<NodeInfo>();
  readonly nodesWithRequiredAntiAffinity = new Set<NodeInfo>();

  /** All nodes, one zone after the other in turn, so that a search that stops early has seen all zones. */
  get nodes(): readonly NodeInfo[] {
    this.#list ??= interleaveZones(this.#nodes.values());
    return this.#list;
  }

  get assumedCount(): number {
    let count = 0;
    for (const placed of this.#pods.values()) if (placed.assumed) count++;
    return count;
  }

  get podCount(): number {
    return this.#pods.size;
  }

  node(name: string): NodeInfo | undefined {
    return this.#nodes.get(name);
  }

  /** How many nodes have an image. */
  imageNodeCount(image: string): number {
    return this.#imageNodes.get(image) ?? 0;
  }

  /** How many pods that match each node has, by node name; `key` must determine `matches`. */
  count(key: string, matches: (info: PodInfo) => boolean): ReadonlyMap<string, number> {
    return this.#counts.count(key, matches, this.#nodes.values());
  }

  addNode(node: Node): NodeInfo {
    const known = this.#nodes.get(node.metadata.name);
    if (known) return this.updateNode(node);
    const info = new NodeInfo(node);
    this.#nodes.set(info.name, info);
    this.#list = undefined;
    this.#countImages(info, 1);
    const waiting = this.#homeless.get(info.name);
    this.#homeless.delete(info.name);
    for (const pod of waiting?.values() ?? []) this.#settle(info, pod);
    return info;
  }

  updateNode(node: Node): NodeInfo {
    const info = this.#nodes.get(node.metadata.name);
    if (!info) return this.addNode(node);
    if (zoneOf(info.node) !== zoneOf(node)) this.#list = undefined;
    this.#countImages(info, -1);
    info.setNode(node);
    this.#countImages(info, 1);
    return info;
  }

  removeNode(name: string): void {
    const info = this.#nodes.get(name);
    if (!info) return;
    this.#nodes.delete(name);
    this.#list = undefined;
    this.#countImages(info, -1);
    this.#counts.nodeRemoved(name);
    this.nodesWithAffinity.delete(info);
    this.nodesWithRequiredAntiAffinity.delete(info);
    if (info.pods.size > 0) this.#homeless.set(name, new Map(info.pods));
  }

  isAssumed(pod: Pod): boolean {
    return this.#pods.get(podKey(pod))?.assumed ?? false;
  }

  /** Takes a pod for placed before the API has said so. */
  assume(info: PodInfo, nodeName: string): void {
    if (this.#pods.has(info.key)) throw new Error(`pod ${info.key} is in the cache, so can't be assumed`);
    this.#place(info, nodeName, true);
  }

  /** Takes an assumed pod back; a namesake that came since stays. */
  forget(info: PodInfo): void {
    const known = this.#pods.get(info.key);
    if (known?.assumed && known.info.pod.metadata.uid === info.pod.metadata.uid) this.removePod(info.key);
  }

  /** Adds, or brings up to date, a pod that has a node. Confirms an assumed one. */
  setPod(pod: Pod): void {
    const known = this.#pods.get(podKey(pod));
    if (known) this.#remove(known);
    this.#place(podInfoOf(pod), pod.spec.nodeName ?? '', false);
  }

  removePod(key: string): void {
    const known = this.#pods.get(key);
    if (!known) return;
    this.#remove(known);
    this.#pods.delete(key);
  }

  #place(info: PodInfo, nodeName: string, assumed: boolean): void {
    this.#pods.set(info.key, { info, nodeName, assumed });
    const node = this.#nodes.get(nodeName);
    if (node) {
      this.#settle(node, info);
      return;
    }
    const waiting = this.#homeless.get(nodeName) ?? new Map<string, PodInfo>();
    waiting.set(info.key, info);
    this.#homeless.set(nodeName, waiting);
  }

  #settle(node: NodeInfo, info: PodInfo): void {
    node.addPod(info);
    this.#counts.podAdded(info, node.name);
    if (info.hasAffinity) this.nodesWithAffinity.add(node);
    if (info.antiAffinity.length > 0) this.nodesWithRequiredAntiAffinity.add(node);
  }

  #remove({ info, nodeName }: Placed): void {
    const node = this.#nodes.get(nodeName);
    if (!node) {
      const waiting = this.#homeless.get(nodeName);
      waiting?.delete(info.key);
      if (waiting?.size === 0) this.#homeless.delete(nodeName);
      return;
    }
    node.removePod(info.key);
    this.#counts.podRemoved(info, nodeName);
    if (node.podsWithAffinity.size === 0) this.nodesWithAffinity.delete(node);
    if (node.podsWithRequiredAntiAffinity.size === 0) this.nodesWithRequiredAntiAffinity.delete(node);
  }

  #countImages(info: NodeInfo, by: 1 | -1): void {
    for (const image of info.images.keys()) {
      const count = (this.#imageNodes.get(image) ?? 0) + by;
      if (count > 0) this.#imageNodes.set(image, count);
      else this.#imageNodes.delete(image);
    }
  }
}

/** Region and zone as one, as upstream's GetZoneKey. */
function zoneOf(node: Node): string {
  const labels = node.metadata.labels ?? {};
  const region = labels['topology.kubernetes.io/region'] ?? labels['failure-domain.beta.kubernetes.io/region'] ?? '';
  const zone = labels['topology.kubernetes.io/zone'] ?? labels['failure-domain.beta.kubernetes.io/zone'] ?? '';
  return region === '' && zone === '' ? '' : `${region}:\0:${zone}`;
}

function interleaveZones(nodes: Iterable<NodeInfo>): NodeInfo[] {
  const zones = [...Map.groupBy(nodes, (info) => zoneOf(info.node)).values()];
  if (zones.length === 1) return zones[0] ?? [];
  const list: NodeInfo[] = [];
  for (let round = 0; ; round++) {
    const before = list.length;
    for (const zone of zones) {
      const node = zone[round];
      if (node) list.push(node);
    }
    if (list.length === before) return list;
  }
}
