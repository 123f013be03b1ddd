/** The labels and annotations by which a kubelet finds its pods again in the runtime (upstream's names; crictl reads them too). */
import type { Pod } from '../../api/index.ts';
import type { AnyContainer } from '../pod/containers.ts';
import { configSeen, configSource, uidOf } from '../pod/identity.ts';

export const podNameLabel = 'io.kubernetes.pod.name';
export const podNamespaceLabel = 'io.kubernetes.pod.namespace';
export const podUidLabel = 'io.kubernetes.pod.uid';
export const containerNameLabel = 'io.kubernetes.container.name';

export const containerHashAnnotation = 'io.kubernetes.container.hash';
export const restartCountAnnotation = 'io.kubernetes.container.restartCount';
export const terminationMessagePathAnnotation = 'io.kubernetes.container.terminationMessagePath';
export const terminationMessagePolicyAnnotation = 'io.kubernetes.container.terminationMessagePolicy';
const preStopHandlerAnnotation = 'io.kubernetes.container.preStopHandler';
const portsAnnotation = 'io.kubernetes.container.ports';
export const terminationGracePeriodAnnotation = 'io.kubernetes.pod.terminationGracePeriod';

/** Changes when a running container must be replaced: its name or image (FNV-1a, 32 bits). */
export function containerHash(container: AnyContainer): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(JSON.stringify({ name: container.name, image: container.image ?? '' }))) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return (hash >>> 0).toString(16);
}

function identityLabels(pod: Pod): Record<string, string> {
  return {
    [podNameLabel]: pod.metadata.name ?? '',
    [podNamespaceLabel]: pod.metadata.namespace ?? '',
    [podUidLabel]: uidOf(pod),
  };
}

export function sandboxLabels(pod: Pod): Record<string, string> {
  return { ...pod.metadata.labels, ...identityLabels(pod) };
}

export function sandboxAnnotations(pod: Pod, seen: string): Record<string, string> {
  return { [configSeen]: seen, [configSource]: 'api', ...pod.metadata.annotations };
}

export function containerLabels(pod: Pod, container: AnyContainer): Record<string, string> {
  return { ...identityLabels(pod), [containerNameLabel]: container.name };
}

export function containerAnnotations(pod: Pod, container: AnyContainer, restartCount: number): Record<string, string> {
  return {
    [containerHashAnnotation]: containerHash(container),
    [restartCountAnnotation]: String(restartCount),
    [terminationMessagePathAnnotation]: container.terminationMessagePath ?? '/dev/termination-log',
    [terminationMessagePolicyAnnotation]: container.terminationMessagePolicy ?? 'File',
    ...(pod.spec.terminationGracePeriodSeconds === undefined
      ? {}
      : { [terminationGracePeriodAnnotation]: String(pod.spec.terminationGracePeriodSeconds) }),
    ...(container.lifecycle?.preStop ? { [preStopHandlerAnnotation]: JSON.stringify(container.lifecycle.preStop) } : {}),
    ...(container.ports?.length ? { [portsAnnotation]: JSON.stringify(container.ports) } : {}),
  };
}
