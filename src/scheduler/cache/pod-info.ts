import type { LabelSelector, Pod, PodAffinityTerm } from '../../api/index.ts';
import { type Labels, nothing, type Selector, selectorFromObject } from '../../api/index.ts';
import { podRequests, type Resources } from './resources.ts';

/** A port that a pod takes on its node's address. */
export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/** A term of pod affinity, read once. */
export interface AffinityTerm {
  readonly topologyKey: string;
  readonly namespaces: ReadonlySet<string>;
  readonly namespaceSelector: Selector;
  readonly selector: Selector;
  readonly weight: number;
}

/** A pod with what scheduling needs to know of it, computed once for each of its versions. */
export interface PodInfo {
  readonly pod: Pod;
  /** `namespace/name`. */
  readonly key: string;
  readonly priority: number;
  readonly requests: Resources;
  /** As `requests`, with small amounts in place of absent ones: for scoring. */
  readonly assumedMilliCpu: number;
  readonly assumedMemory: number;
  readonly hostPorts: readonly HostPort[];
  readonly affinity: readonly AffinityTerm[];
  readonly antiAffinity: readonly AffinityTerm[];
  readonly preferredAffinity: readonly AffinityTerm[];
  readonly preferredAntiAffinity: readonly AffinityTerm[];
  readonly hasAffinity: boolean;
  /** Keys (`namespace/name`) of the persistent volume claims it uses. */
  readonly claims: readonly string[];
}

/** The terms of pod affinity and anti-affinity that must hold. */
export function requiredTermsOf(pod: Pod): Pick<PodInfo, 'affinity' | 'antiAffinity'> {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  return {
    affinity: termsOf(pod, podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    antiAffinity: termsOf(pod, podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
  };
}

export function podInfoOf(pod: Pod): PodInfo {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  const assumed = podRequests(pod, true);
  const { affinity, antiAffinity } = requiredTermsOf(pod);
  const preferredAffinity = weightedTermsOf(pod, podAffinity?.preferredDuringSchedulingIgnoredDuringExecution);
  const preferredAntiAffinity = weightedTermsOf(pod, podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution);
  return {
    pod,
    key: podKey(pod),
    priority: pod.spec.priority ?? 0,
    requests: podRequests(pod),
    assumedMilliCpu: assumed.milliCpu,
    assumedMemory: assumed.memory,
    hostPorts: hostPortsOf(pod),
    affinity,
    antiAffinity,
    preferredAffinity,
    preferredAntiAffinity,
    hasAffinity: affinity.length + antiAffinity.length + preferredAffinity.length + preferredAntiAffinity.length > 0,
    claims: claimsOf(pod),
  };
}

export function podKey(pod: Pod): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}

/** Whether a term means this pod. `namespaceLabels` are those of the pod's namespace. */
export function termMatches(term: AffinityTerm, pod: Pod, namespaceLabels: Labels | undefined): boolean {
  const namespace = pod.metadata.namespace ?? '';
  if (!term.namespaces.has(namespace) && !term.namespaceSelector.matches(namespaceLabels)) return false;
  return term.selector.matches(pod.metadata.labels);
}

function hostPortsOf(pod: Pod): HostPort[] {
  const ports: HostPort[] = [];
  const sidecars = pod.spec.initContainers?.filter((c) => c.restartPolicy === 'Always') ?? [];
  for (const container of [...pod.spec.containers, ...sidecars]) {
    for (const { hostPort, hostIP, protocol } of container.ports ?? []) {
      if (hostPort) ports.push({ ip: hostIP || '0.0.0.0', protocol: protocol || 'TCP', port: hostPort });
    }
  }
  return ports;
}

function claimsOf(pod: Pod): string[] {
  const claims: string[] = [];
  for (const { name, persistentVolumeClaim, ephemeral } of pod.spec.volumes ?? []) {
    // A generic ephemeral volume's claim is named after the pod and the volume (KEP-1698).
    if (persistentVolumeClaim) claims.push(`${pod.metadata.namespace}/${persistentVolumeClaim.claimName}`);
    else if (ephemeral) claims.push(`${pod.metadata.namespace}/${pod.metadata.name}-${name}`);
  }
  return claims;
}

const weightedTermsOf = (pod: Pod, terms: { weight: number; podAffinityTerm: PodAffinityTerm }[] | undefined): AffinityTerm[] =>
  (terms ?? []).filter((t) => t.weight !== 0).map((t) => termOf(pod, t.podAffinityTerm, t.weight));

const termsOf = (pod: Pod, terms: PodAffinityTerm[] | undefined): AffinityTerm[] => (terms ?? []).map((t) => termOf(pod, t, 0));

function termOf(pod: Pod, term: PodAffinityTerm, weight: number): AffinityTerm {
  const { namespaces = [], namespaceSelector, topologyKey } = term;
  return {
    topologyKey,
    weight,
    // Neither names nor a selector: the pod's own namespace.
    namespaces: new Set(namespaces.length === 0 && !namespaceSelector ? [pod.metadata.namespace ?? ''] : namespaces),
    namespaceSelector: namespaceSelector ? selectorFromObject(namespaceSelector) : nothing,
    selector: selectorWithLabelKeys(term.labelSelector, pod, term.matchLabelKeys, term.mismatchLabelKeys),
  };
}

/** A selector narrowed to pods that share (or do not share) the pod's values of some labels, as matchLabelKeys says (KEP-3243, KEP-3633). */
export function selectorWithLabelKeys(
  selector: LabelSelector | undefined,
  pod: Pod,
  matchLabelKeys: readonly string[] | undefined,
  mismatchLabelKeys?: readonly string[],
): Selector {
  const labels = pod.metadata.labels ?? {};
  const extra = (keys: readonly string[] | undefined, operator: 'In' | 'NotIn') =>
    (keys ?? []).flatMap((key) => (labels[key] === undefined ? [] : [{ key, operator, values: [labels[key]] }]));
  const added = [...extra(matchLabelKeys, 'In'), ...extra(mismatchLabelKeys, 'NotIn')];
  if (!selector || added.length === 0) return selectorFromObject(selector);
  return selectorFromObject({ ...selector, matchExpressions: [...(selector.matchExpressions ?? []), ...added] });
}
