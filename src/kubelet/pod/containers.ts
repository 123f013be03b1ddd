import type { Container, EphemeralContainer, Pod } from '../../api/index.ts';

/** Any of a pod's three sorts of containers; what they share is all that starting one needs. */
export type AnyContainer = Container | EphemeralContainer;

export type ContainerSort = 'init' | 'regular' | 'ephemeral';

/** An init container that keeps running beside the pod's containers (KEP-753). */
export function isSidecar(container: AnyContainer): boolean {
  return container.restartPolicy === 'Always';
}

export function* allContainers(pod: Pod): Generator<{ container: AnyContainer; sort: ContainerSort }> {
  for (const container of pod.spec.initContainers ?? []) yield { container, sort: 'init' };
  for (const container of pod.spec.containers) yield { container, sort: 'regular' };
  for (const container of pod.spec.ephemeralContainers ?? []) yield { container, sort: 'ephemeral' };
}

export function findContainer(pod: Pod, name: string): { container: AnyContainer; sort: ContainerSort } | undefined {
  for (const found of allContainers(pod)) if (found.container.name === name) return found;
  return undefined;
}

const fieldPathOf: Record<ContainerSort, string> = { init: 'initContainers', regular: 'containers', ephemeral: 'ephemeralContainers' };

/** What an event about a container carries: `spec.containers{web}`. */
export function containerFieldPath(pod: Pod, name: string): string | undefined {
  const found = findContainer(pod, name);
  return found ? `spec.${fieldPathOf[found.sort]}{${name}}` : undefined;
}

/** What the first of a container's rules that fits this end asks for. */
function ruledAction({ restartPolicyRules = [] }: AnyContainer, exitCode: number): string | undefined {
  const rule = restartPolicyRules.find(({ exitCodes }) => {
    const listed = exitCodes?.values?.includes(exitCode) ?? false;
    return exitCodes?.operator === 'NotIn' ? !listed : listed;
  });
  return rule?.action;
}

/** Whether a container that ended with `exitCode` has all containers of its pod start again (KEP-5532). */
export function restartsAllAfter(container: AnyContainer, exitCode: number): boolean {
  return ruledAction(container, exitCode) === 'RestartAllContainers';
}

/** Whether a container that ended with `exitCode` runs again (its own restart rules before its policy before the pod's; KEP-5307). */
export function restartsAfter(pod: Pod, container: AnyContainer, sort: ContainerSort, exitCode: number): boolean {
  if (sort === 'ephemeral') return false;
  const action = ruledAction(container, exitCode);
  if (action === 'Restart' || action === 'RestartAllContainers') return true;
  const policy = container.restartPolicy ?? (sort === 'init' && pod.spec.restartPolicy === 'Always' ? 'OnFailure' : pod.spec.restartPolicy);
  return policy === 'OnFailure' ? exitCode !== 0 : policy !== 'Never';
}
