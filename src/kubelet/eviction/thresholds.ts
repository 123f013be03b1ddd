/** When a node is short of something, and which pod goes first (upstream's eviction manager, the hard thresholds). */
import {
  compareQuantities,
  formatQuantity,
  type Pod,
  parseQuantity,
  podRequests,
  quantityFromValue,
  quantityValue,
} from '../../api/index.ts';
import type { Pressure } from '../node/conditions.ts';
import type { Rejection } from '../pod/admission.ts';
import { isCriticalPod } from '../pod/identity.ts';
import { qosClass } from '../pod/qos-class.ts';

/** What is free and what there is, by eviction signal (`memory.available`, `nodefs.available`, `nodefs.inodesFree`). */
export type Observations = ReadonlyMap<string, { available: number; capacity: number }>;

export interface Shortage {
  signal: string;
  threshold: number;
  available: number;
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

const memoryRequest = (pod: Pod) => quantityValue(podRequests(pod.spec).get('memory') ?? quantityFromValue(0));

/** Who goes first when memory is short: those over their requests, the least important, the furthest over. */
export function rankForMemory(pods: readonly Pod[], usageBytes: (pod: Pod) => number): Pod[] {
  const over = (pod: Pod) => usageBytes(pod) - memoryRequest(pod);
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
export function evictionMessage(pod: Pod, { threshold, available }: Shortage, usageBytes: number): string {
  const text = (bytes: number) => formatQuantity(parseQuantity(`${Math.ceil(bytes / 1024)}Ki`));
  const request = memoryRequest(pod);
  const requested = compareQuantities(String(request), '0') === 0 ? '0' : text(request);
  const consumer =
    usageBytes > request
      ? `Pod ${pod.metadata.name} was using ${text(usageBytes)}, request is ${requested}, has larger consumption of memory. `
      : '';
  return `The node was low on resource: memory. Threshold quantity: ${text(threshold)}, available: ${text(available)}. ${consumer}`;
}
