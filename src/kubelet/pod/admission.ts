/** Whether this node takes a pod that was bound to it (the scheduler may have seen an older state, or not been asked). */
import {
  compareQuantities,
  matchesRequiredNodeAffinity,
  type Node,
  type Pod,
  podRequests,
  type ResourceList,
  tryParseQuantity,
  zeroQuantity,
} from '../../api/index.ts';
import type { ResizeRefusal } from '../resize/pod-resize.ts';
import { isStaticPod } from './identity.ts';

export interface Rejection {
  reason: string;
  message: string;
}

/** `others`: pods that this node runs already. Undefined: the pod is welcome. */
export function admitPod(pod: Pod, others: readonly Pod[], node: Pick<Node, 'metadata'>, allocatable: ResourceList): Rejection | undefined {
  const os = pod.metadata.labels?.[osLabel];
  if (os !== undefined && os !== 'linux')
    return rejected('PodOSSelectorNodeLabelDoesNotMatch', `Failed to admit pod as the \`${osLabel}\` label doesn't match node label`);
  if (pod.spec.os && pod.spec.os.name !== 'linux')
    return rejected('PodOSNotSupported', "Failed to admit pod as the OS field doesn't match node OS");
  if (!matchesRequiredNodeAffinity(pod.spec, node.metadata.name, node.metadata.labels ?? {}))
    return failed('NodeAffinity', "node(s) didn't match Pod's node affinity/selector");
  const wanted = hostPortsOf(pod);
  if (wanted.length > 0 && others.some((other) => hostPortsOf(other).some((taken) => wanted.some((port) => collide(port, taken)))))
    return failed('NodePorts', "node(s) didn't have free ports for the requested pod ports");
  const limit = Number(allocatable.pods ?? Number.POSITIVE_INFINITY);
  if (others.length + 1 > limit) return outOf('pods', 1, others.length, limit);
  return refusedResources(pod, others, allocatable);
}

const osLabel = 'kubernetes.io/os';

const rejected = (reason: string, why: string): Rejection => ({ reason, message: `Pod was rejected: ${why}` });
const failed = (predicate: string, why: string) => rejected(predicate, `Predicate ${predicate} failed: ${why}`);

interface HostPort {
  ip: string;
  protocol: string;
  port: number;
}

function hostPortsOf({ spec }: Pod): HostPort[] {
  const sidecars = spec.initContainers?.filter((c) => c.restartPolicy === 'Always') ?? [];
  return [...spec.containers, ...sidecars].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostIP, protocol, hostPort }) =>
      hostPort ? [{ ip: hostIP || '0.0.0.0', protocol: protocol || 'TCP', port: hostPort }] : [],
    ),
  );
}

/** An address for all meets each. */
const collide = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0');

const unitOf = (resource: string) => (resource === 'cpu' ? 1_000_000n : 1_000_000_000n);
const capacityOf = (allocatable: ResourceList, resource: string) => tryParseQuantity(allocatable[resource] ?? '0') ?? zeroQuantity;

/** A resource that this node knows nothing of is the cluster's to count, or of whoever has put it into the node's status. */
const isForeign = (resource: string, allocatable: ResourceList) =>
  resource.includes('/') && !/^([^/]+\.)?kubernetes\.io\//.test(resource) && allocatable[resource] === undefined;

function refusedResources(pod: Pod, others: readonly Pod[], allocatable: ResourceList): Rejection | undefined {
  for (const [name, amount] of podRequests(pod.spec)) {
    if (amount.nano === 0n || isForeign(name, allocatable)) continue;
    const capacity = capacityOf(allocatable, name);
    const used = others.reduce((sum, other) => sum + (podRequests(other.spec).get(name)?.nano ?? 0n), 0n);
    if (compareQuantities({ nano: used + amount.nano, format: 'DecimalSI' }, capacity) <= 0) continue;
    const unit = unitOf(name);
    return outOf(name, Number(amount.nano / unit), Number(used / unit), Number(capacity.nano / unit));
  }
  return undefined;
}

/** Whether a pod that this node runs can have what its spec asks for now (upstream's canResizePod). */
export function judgeResize(pod: Pod, others: readonly Pod[], allocatable: ResourceList): ResizeRefusal | undefined {
  if (isStaticPod(pod)) return { reason: 'Infeasible', message: 'In-place resize of static-pods is not supported' };
  const requested = podRequests(pod.spec);
  for (const name of ['cpu', 'memory']) {
    const amount = requested.get(name) ?? zeroQuantity;
    const capacity = capacityOf(allocatable, name);
    if (compareQuantities(amount, capacity) <= 0) continue;
    const [wanted, has] = [amount.nano / unitOf(name), capacity.nano / unitOf(name)];
    return { reason: 'Infeasible', message: `Node didn't have enough capacity: ${name}, requested: ${wanted}, capacity: ${has}` };
  }
  const refused = refusedResources(pod, others, allocatable);
  return refused && { reason: 'Deferred', message: refused.message.replace(/^Pod was rejected: /, '') };
}

function outOf(resource: string, requested: number, used: number, capacity: number): Rejection {
  return {
    reason: `OutOf${resource}`,
    message: `Pod was rejected: Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  };
}
