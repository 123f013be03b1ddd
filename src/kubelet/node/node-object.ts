/** The Node that the kubelet registers, and the status that it keeps (pure). */
import {
  type ContainerImage,
  compareQuantities,
  type Draft,
  formatQuantity,
  type Node,
  type NodeAddress,
  type NodeStatus,
  quantityFromValue,
  type ResourceList,
  subtractQuantities,
  type Taint,
  tryParseQuantity,
  zeroQuantity,
} from '../../api/index.ts';
import type { cri } from '../../runtime/index.ts';
import type { EffectiveConfiguration } from '../config.ts';
import { kubeletVersion } from '../version.ts';
import type { MachineInfo } from './machine.ts';

export interface NodeIdentity {
  nodeName: string;
  hostname: string;
  nodeIPs: readonly string[];
  labels: Readonly<Record<string, string>>;
  taints: readonly Taint[];
  machine: MachineInfo;
  config: EffectiveConfiguration;
}

const kibibytes = (bytes: number) => `${Math.floor(bytes / 1024)}Ki`;

export function nodeCapacity(machine: MachineInfo, maxPods: number): ResourceList {
  return {
    cpu: String(machine.cpus),
    'ephemeral-storage': kibibytes(machine.diskBytes),
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    memory: kibibytes(machine.memoryBytes),
    pods: String(maxPods),
  };
}

/** A hard eviction threshold, in the unit of what it is of. */
function threshold(config: EffectiveConfiguration, signal: string, capacity: string): string {
  const text = config.evictionHard[signal];
  if (text === undefined) return '0';
  if (!text.endsWith('%')) return text;
  const total = tryParseQuantity(capacity) ?? zeroQuantity;
  return formatQuantity({ nano: (total.nano * BigInt(Math.round(Number.parseFloat(text) * 100))) / 10_000n, format: total.format });
}

/** What pods may use: the capacity without what is reserved and what evictions keep free. */
export function nodeAllocatable(capacity: ResourceList, config: EffectiveConfiguration): ResourceList {
  const kept: Record<string, string> = {
    memory: threshold(config, 'memory.available', capacity.memory ?? '0'),
    'ephemeral-storage': threshold(config, 'nodefs.available', capacity['ephemeral-storage'] ?? '0'),
  };
  return Object.fromEntries(
    Object.entries(capacity).map(([name, amount]) => {
      let left = tryParseQuantity(amount) ?? zeroQuantity;
      for (const taken of [config.systemReserved[name], config.kubeReserved[name], kept[name]])
        if (taken) left = subtractQuantities(left, taken);
      if (compareQuantities(left, zeroQuantity) < 0) left = { ...left, nano: 0n };
      // Allocatable storage is in bytes, as upstream gives it.
      return [name, name === 'ephemeral-storage' ? formatQuantity(quantityFromValue(left.nano / 1_000_000_000n)) : formatQuantity(left)];
    }),
  );
}

export function nodeAddresses({ hostname, nodeIPs }: NodeIdentity): NodeAddress[] {
  return [...nodeIPs.map((address) => ({ type: 'InternalIP', address })), { type: 'Hostname', address: hostname }];
}

export function nodeImages(images: readonly cri.Image[], most: number): ContainerImage[] {
  const sorted = [...images].sort((a, b) => Number(b.size ?? 0) - Number(a.size ?? 0));
  return (most < 0 ? sorted : sorted.slice(0, most)).map((image) => ({
    names: [...(image.repoDigests ?? []), ...(image.repoTags ?? [])].slice(0, 5),
    sizeBytes: Number(image.size ?? 0),
  }));
}

/** What this kubelet can that others of its time may not (KEP-5328), sorted; only what is being developed is declared. */
function declaredFeatures({ cpuManagerPolicy = 'none', featureGates = {} }: NodeIdentity['config']): string[] {
  const isOn = (gate: string) => featureGates[gate] ?? true;
  if (!isOn('NodeDeclaredFeatures')) return [];
  return [
    // Exclusive processors can't be resized.
    ...(cpuManagerPolicy === 'none' ? ['GuaranteedQoSPodCPUResize'] : []),
    ...(isOn('RestartAllContainersOnContainerExits') ? ['RestartAllContainersOnContainerExits'] : []),
  ];
}

/** All of the status but conditions and images. */
export function staticStatus(identity: NodeIdentity, runtime: cri.VersionResponse, runtimeStatus: cri.StatusResponse): NodeStatus {
  const { machine, config } = identity;
  const capacity = nodeCapacity(machine, config.maxPods);
  const features = declaredFeatures(config);
  return {
    capacity,
    allocatable: nodeAllocatable(capacity, config),
    addresses: nodeAddresses(identity),
    daemonEndpoints: { kubeletEndpoint: { Port: config.port } },
    nodeInfo: {
      machineID: machine.machineID,
      systemUUID: machine.systemUUID,
      bootID: machine.bootID,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion: `${runtime.runtimeName ?? ''}://${(runtime.runtimeVersion ?? '').replace(/^v/, '')}`,
      kubeletVersion,
      kubeProxyVersion: '',
      operatingSystem: machine.operatingSystem,
      architecture: machine.architecture,
      ...(machine.swapBytes > 0 ? { swap: { capacity: machine.swapBytes } } : {}),
    },
    ...(runtimeStatus.runtimeHandlers?.length
      ? {
          runtimeHandlers: runtimeStatus.runtimeHandlers.map(({ name = '', features }) => ({
            name,
            features: {
              recursiveReadOnlyMounts: features?.recursiveReadOnlyMounts ?? false,
              // Whatever the runtime can: this kubelet gives out no ranges of ids.
              userNamespaces: false,
            },
          })),
        }
      : {}),
    ...(features.length > 0 ? { declaredFeatures: features } : {}),
    ...(runtimeStatus.features ? { features: { supplementalGroupsPolicy: runtimeStatus.features.supplementalGroupsPolicy ?? false } } : {}),
  };
}

export function defaultLabels({ hostname, machine }: Pick<NodeIdentity, 'hostname' | 'machine'>): Record<string, string> {
  return {
    'beta.kubernetes.io/arch': machine.architecture,
    'beta.kubernetes.io/os': machine.operatingSystem,
    'kubernetes.io/arch': machine.architecture,
    'kubernetes.io/hostname': hostname,
    'kubernetes.io/os': machine.operatingSystem,
  };
}

/** The Node to create. It begins tainted where it is not ready, so that nothing is scheduled to it before it is. */
export function initialNode(identity: NodeIdentity, status: NodeStatus): Draft<Node> {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: identity.nodeName,
      labels: { ...defaultLabels(identity), ...identity.labels },
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
    },
    spec: {
      ...(identity.taints.length > 0 ? { taints: [...identity.taints] } : {}),
    },
    status,
  };
}
