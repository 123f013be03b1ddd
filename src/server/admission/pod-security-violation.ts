/** What a check of the Pod Security Standards looks at, and how it says what it found (k8s.io/pod-security-admission's words). */
import type { Container, PodSpec, SecurityContext } from '../../api/index.ts';

/** What is not allowed: `reason (detail)`. */
export interface Violation {
  reason: string;
  detail: string;
}

export type PodSecurityCheck = (spec: PodSpec, annotations: Readonly<Record<string, string>>) => Violation | undefined;

/** What a pod and a container can both say. */
type AnySecurityContext = Pick<
  SecurityContext,
  'appArmorProfile' | 'runAsUser' | 'seLinuxOptions' | 'seccompProfile' | 'windowsOptions'
> & {
  runAsNonRoot?: boolean;
};

export const containersOf = (spec: PodSpec): Container[] => [
  ...(spec.initContainers ?? []),
  ...(spec.containers ?? []),
  // Of what is checked here, ephemeral containers have the same fields.
  ...((spec.ephemeralContainers ?? []) as Container[]),
];

export const namesOf = (spec: PodSpec, found: (container: Container) => boolean): string[] =>
  containersOf(spec)
    .filter(found)
    .map(({ name }) => name);

export const quote = (list: readonly string[]) => list.map((text) => `"${text}"`).join(', ');
export const plural = (list: readonly unknown[], one: string, many = `${one}s`) => (list.length === 1 ? one : many);
export const containersText = (names: readonly string[]) => `${plural(names, 'container')} ${quote(names)}`;
export const sorted = (list: Iterable<string>): string[] => [...new Set(list)].sort();

/** Names of the containers for which `bad` holds, as a violation. */
export function containersWhere(bad: (container: Container) => boolean, reason: string, must: string): PodSecurityCheck {
  return (spec) => {
    const names = namesOf(spec, bad);
    return names.length === 0 ? undefined : { reason, detail: `${containersText(names)} must ${must}` };
  };
}

/** Who says something bad in a security context: `pod`, `container "a"`, `containers "a", "b"`. */
export function settersOf(spec: PodSpec, bad: (context: AnySecurityContext) => boolean): string[] {
  const names = namesOf(spec, ({ securityContext }) => securityContext !== undefined && bad(securityContext));
  const pod = spec.securityContext !== undefined && bad(spec.securityContext);
  return [...(pod ? ['pod'] : []), ...(names.length > 0 ? [containersText(names)] : [])];
}

/** The security contexts of the pod and of all of its containers. */
export const contextsOf = (spec: PodSpec): AnySecurityContext[] =>
  [spec.securityContext, ...containersOf(spec).map((c) => c.securityContext)].filter((context) => context !== undefined);
