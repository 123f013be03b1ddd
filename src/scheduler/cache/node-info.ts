import type { Labels, Node, Taint } from '../../api/index.ts';
import type { HostPort, PodInfo } from './pod-info.ts';
import { Resources, resourcesOf } from './resources.ts';

const noLabels: Labels = {};

/** A node with what its pods take of it, kept up to date pod by pod. */
export class NodeInfo {
  readonly name: string;
  node: Node;
  labels: Labels = noLabels;
  /** Those that keep pods off. */
  hardTaints: readonly Taint[] = [];
  /** Those that make the node a second choice. */
  softTaints: readonly Taint[] = [];
  allocatable = new Resources();
  /** Sizes in bytes by image name. */
  images: ReadonlyMap<string, number> = new Map();

  readonly pods = new Map<string, PodInfo>();
  readonly podsWithAffinity = new Set<PodInfo>();
  readonly podsWithRequiredAntiAffinity = new Set<PodInfo>();
  requested = new Resources();
  /** Requests with small amounts for containers that have none: for scoring. */
  assumedMilliCpu = 0;
  assumedMemory = 0;
  /** How many pods use each claim. */
  readonly claims = new Map<string, number>();
  readonly #hostPorts = new Map<string, HostPort & { count: number }>();

  constructor(node: Node) {
    this.name = node.metadata.name;
    this.node = node;
    this.setNode(node);
  }

  setNode(node: Node): void {
    const taints = node.spec.taints ?? [];
    this.node = node;
    this.labels = node.metadata.labels ?? noLabels;
    this.hardTaints = taints.filter((t) => t.effect === 'NoSchedule' || t.effect === 'NoExecute');
    this.softTaints = taints.filter((t) => t.effect === 'PreferNoSchedule');
    this.allocatable = resourcesOf(node.status?.allocatable);
    this.images = new Map(node.status?.images?.flatMap((i) => (i.names ?? []).map((name) => [name, i.sizeBytes ?? 0] as const)));
  }

  addPod(info: PodInfo): void {
    this.pods.set(info.key, info);
    if (info.hasAffinity) this.podsWithAffinity.add(info);
    if (info.antiAffinity.length > 0) this.podsWithRequiredAntiAffinity.add(info);
    this.#account(info, 1);
  }

  removePod(key: string): PodInfo | undefined {
    const info = this.pods.get(key);
    if (!info) return undefined;
    this.pods.delete(key);
    this.podsWithAffinity.delete(info);
    this.podsWithRequiredAntiAffinity.delete(info);
    this.#account(info, -1);
    return info;
  }

  #account(info: PodInfo, sign: 1 | -1): void {
    this.requested.add(info.requests, sign);
    this.assumedMilliCpu += sign * info.assumedMilliCpu;
    this.assumedMemory += sign * info.assumedMemory;
    for (const claim of info.claims) {
      const count = (this.claims.get(claim) ?? 0) + sign;
      if (count > 0) this.claims.set(claim, count);
      else this.claims.delete(claim);
    }
    for (const hostPort of info.hostPorts) {
      const key = `${hostPort.protocol}/${hostPort.ip}/${hostPort.port}`;
      const count = (this.#hostPorts.get(key)?.count ?? 0) + sign;
      if (count > 0) this.#hostPorts.set(key, { ...hostPort, count });
      else this.#hostPorts.delete(key);
    }
  }

  /** Whether a pod of this node has the port: the same one on the same address, all addresses being the same as any. */
  isPortTaken(wanted: HostPort): boolean {
    for (const used of this.#hostPorts.values()) {
      if (used.port !== wanted.port || used.protocol !== wanted.protocol) continue;
      if (used.ip === wanted.ip || used.ip === '0.0.0.0' || wanted.ip === '0.0.0.0') return true;
    }
    return false;
  }

  /** A copy to imagine changes on. */
  clone(): NodeInfo {
    const copy = new NodeInfo(this.node);
    for (const info of this.pods.values()) copy.addPod(info);
    return copy;
  }
}
