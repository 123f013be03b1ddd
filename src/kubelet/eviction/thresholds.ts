/** When a node is short of something, and which pod goes first (upstream's eviction manager, the hard thresholds). */
import { formatQuantity, type Pod, parseQuantity, podRequests, quantityFromValue, quantityValue } from '../../api/index.ts';
import type { Pressure } from '../node/conditions.ts';
import type { Rejection } from '../pod/admission.ts';
import { isCriticalPod } from '../pod/identity.ts';
import { qosClass } from '../pod/qos-class.ts';

/** What is free and what there is, by eviction signal (`memory.available`, `nodefs.available`, `nodefs.inodesFree`, ...). */
export type Observations = ReadonlyMap<string, { available: number; capacity: number }>;

export interface Shortage {
  signal: string;
  threshold: number;
  available: number;
  /** Of a soft threshold: pods have time to end. */
  isSoft?: boolean;
}

/** The signals that are below their threshold: an amount, or a percentage of the capacity. */
export function shortages(thresholds: Readonly<Record<string, string>>, observed: Observations): Shortage[] {
  const found: Shortage[] = [];
  for (const [signal, text] of Object.entries(thresholds)) {
    const seen = observed.get(signal);
    if (!seen) continue;
    const threshold = text.endsWith('%') ? (seen.capacity * Number.parseFloat(text)) / 100 : quantityValue(text);
    if (seen.available < threshold) found.push({ signal, threshold, available: seen.available });
  }
  return found;
}

export function pressureOf(list: readonly Shortage[]): Pressure {
  const short = (...prefixes: string[]) => list.some(({ signal }) => prefixes.some((p) => signal.startsWith(p)));
  return { memory: short('memory.'), disk: short('nodefs.', 'imagefs.'), pid: short('pid.') };
}

/** The resource that a signal is about, as messages name it. */
export function resourceOf(signal: string): string {
  if (signal === 'memory.available') return 'memory';
  if (signal === 'pid.available') return 'pids';
  return signal.endsWith('inodesFree') ? 'inodes' : 'ephemeral-storage';
}

/** What a pod uses of a resource: in all, and by container where that is known. */
export interface PodUsage {
  bytes: number;
  containers: ReadonlyMap<string, number>;
}

const requestOf = (pod: Pod, resource: string) => quantityValue(podRequests(pod.spec).get(resource) ?? quantityFromValue(0));

/** Who goes first when a resource is short: those over their requests, the least important, the furthest over. */
export function rankPods(pods: readonly Pod[], resource: string, usage: (pod: Pod) => number): Pod[] {
  const over = (pod: Pod) => usage(pod) - requestOf(pod, resource);
  return pods
    .filter((pod) => !isCriticalPod(pod))
    .sort((a, b) => Number(over(b) > 0) - Number(over(a) > 0) || (a.spec.priority ?? 0) - (b.spec.priority ?? 0) || over(b) - over(a));
}

/** Why a node under pressure does not take a pod. */
export function refusedUnderPressure(pod: Pod, { memory, disk, pid }: Pressure): Rejection | undefined {
  if (isCriticalPod(pod)) return undefined;
  const conditions = [memory && 'MemoryPressure', disk && 'DiskPressure', pid && 'PIDPressure'].filter((c) => c !== false);
  // What asks for memory has been promised it.
  if (conditions.length === 0 || (!disk && !pid && qosClass(pod) !== 'BestEffort')) return undefined;
  return { reason: 'Evicted', message: `Pod was rejected: The node had condition: [${conditions.join(' ')}]. ` };
}

/** What an evicted pod's status says. */
export function evictionMessage(pod: Pod, { signal, threshold, available }: Shortage, usage: PodUsage): string {
  const resource = resourceOf(signal);
  const text = (amount: number) =>
    resource === 'memory' || resource === 'ephemeral-storage'
      ? formatQuantity(parseQuantity(`${Math.ceil(amount / 1024)}Ki`))
      : String(Math.floor(amount));
  const consumers = pod.spec.containers.flatMap(({ name, resources }) => {
    const used = usage.containers.get(name);
    const request = resources?.requests?.[resource];
    if (used === undefined || used <= quantityValue(request ?? '0')) return [];
    return [`Container ${name} was using ${text(used)}, request is ${request ?? '0'}, has larger consumption of ${resource}. `];
  });
  return `The node was low on resource: ${resource}. Threshold quantity: ${text(threshold)}, available: ${text(available)}. ${consumers.join('')}`;
}
