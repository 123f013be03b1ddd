/** Who a pod is and where it came from. */
import type { Pod } from '../../api/index.ts';

export const configSource = 'kubernetes.io/config.source';
export const configHash = 'kubernetes.io/config.hash';
export const configSeen = 'kubernetes.io/config.seen';
export const configMirror = 'kubernetes.io/config.mirror';

export const podKey = (pod: { metadata: { namespace?: string; name?: string } }) => `${pod.metadata.namespace}/${pod.metadata.name}`;

export const uidOf = (pod: Pod): string => pod.metadata.uid ?? '';

/** How messages name a pod: `name_namespace(uid)`. */
export function formatPod(pod: Pod): string {
  return `${pod.metadata.name}_${pod.metadata.namespace}(${uidOf(pod)})`;
}

/** A pod from a file or URL rather than from the API. */
export function isStaticPod(pod: Pod): boolean {
  const source = pod.metadata.annotations?.[configSource];
  return source !== undefined && source !== 'api';
}

/** The API's picture of a static pod. */
export function isMirrorPod(pod: Pod): boolean {
  return pod.metadata.annotations?.[configMirror] !== undefined;
}

export function isHostNetwork(pod: Pod): boolean {
  return pod.spec.hostNetwork === true;
}

/** system-node-critical and above, static pods: pods that a node keeps whatever happens. */
export function isCriticalPod(pod: Pod): boolean {
  return isStaticPod(pod) || (pod.spec.priority ?? 0) >= 2_000_000_000;
}
