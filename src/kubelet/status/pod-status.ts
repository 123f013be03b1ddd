/** The whole of a pod's status, as the API shows it. */
import type { Pod, PodStatus } from '../../api/index.ts';
import { isHostNetwork } from '../pod/identity.ts';
import { qosClass } from '../pod/qos-class.ts';
import { containersToReset, isRestartingAll, mayRestartAll, saysRestartingAll } from '../pod/restart-all.ts';
import type { ResizeCondition } from '../resize/pod-resize.ts';
import { podConditions } from './conditions.ts';
import { type ContainerStatusSources, containerStatus } from './container-statuses.ts';
import { podPhase } from './phase.ts';

export interface PodStatusInput extends Omit<ContainerStatusSources, 'restartsAll'> {
  pod: Pod;
  /** The last status made or seen: what the runtime no longer knows, and when conditions changed. */
  previous: PodStatus | undefined;
  nodeIPs: readonly string[];
  now: string;
  /** The pod is ending: nothing of it starts any more. */
  terminal: boolean;
  /** Overrides what containers say: the node evicted or refused the pod, or its deadline passed. */
  verdict?: { reason: string; message: string } | undefined;
  /** The node ends the pod for its own sake. */
  disrupts?: boolean;
  /** What there is to say of a resize. */
  resize?: readonly ResizeCondition[];
}

/** The status of a pod that this node did not take: of its containers there is nothing to tell. */
export function rejectedStatus({ pod, previous, now, verdict }: Pick<PodStatusInput, 'pod' | 'previous' | 'now' | 'verdict'>): PodStatus {
  return {
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase: 'Failed',
    ...verdict,
    startTime: previous?.startTime ?? pod.status?.startTime ?? now,
    qosClass: qosClass(pod),
  };
}

export function podStatus(input: PodStatusInput): PodStatus {
  const { pod, previous, observed, now, nodeIPs } = input;
  // What is over stays over.
  const over = previous?.phase === 'Failed' || previous?.phase === 'Succeeded' ? previous.phase : undefined;
  // Its containers are gone from the runtime: there is nothing to learn that the API does not know.
  if (over && previous && !observed?.containers.length) return previous;
  const restartsAll = !over && !input.terminal && isRestartingAll(pod, observed, previous);
  const sources: ContainerStatusSources = { ...input, restartsAll };
  const one = (statuses: PodStatus['containerStatuses'], name: string) => statuses?.find((s) => s.name === name);
  const init = (pod.spec.initContainers ?? []).map((c) =>
    containerStatus(pod, c, 'init', one(previous?.initContainerStatuses, c.name), sources),
  );
  const regular = pod.spec.containers.map((c) => containerStatus(pod, c, 'regular', one(previous?.containerStatuses, c.name), sources));
  const ephemeral = (pod.spec.ephemeralContainers ?? []).map((c) =>
    containerStatus(pod, c, 'ephemeral', one(previous?.ephemeralContainerStatuses, c.name), sources),
  );
  const sandbox = observed?.sandboxes[0];
  const reached = podPhase(pod, init, regular, input.terminal);
  // The ends of those that are killed to start again are not the pod's.
  const goesOn = restartsAll && saysRestartingAll(previous) && (reached === 'Failed' || reached === 'Succeeded');
  const phase = over ?? (input.verdict ? 'Failed' : goesOn ? 'Running' : reached);
  // Done when nothing is left of the containers; they start in the next breath.
  const left = restartsAll ? containersToReset(pod, observed) : undefined;
  const conditions = podConditions({
    pod,
    init,
    regular,
    phase,
    sandboxReady: sandbox?.ready === true && (isHostNetwork(pod) || sandbox.ips.length > 0),
    // Readiness gates are others' business: read them where they write them.
    previous: [...(previous?.conditions ?? []), ...(pod.status?.conditions ?? [])],
    passing: [
      ...(input.resize ?? []),
      ...(input.disrupts
        ? [{ type: 'DisruptionTarget', status: 'True' as const, reason: 'TerminationByKubelet', message: input.verdict?.message ?? '' }]
        : []),
    ],
    restartsAll: mayRestartAll(pod) ? left !== undefined && left.sources.length + left.targets.length > 0 : undefined,
    now,
  });
  const sandboxIPs = isHostNetwork(pod) ? nodeIPs : (sandbox?.ips ?? []);
  // An ended pod keeps the address that it had.
  const podIPs = sandboxIPs.length > 0 ? sandboxIPs.map((ip) => ({ ip })) : (previous?.podIPs ?? []);
  return {
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    conditions,
    ...(input.verdict ??
      (over
        ? { ...(previous?.reason ? { reason: previous.reason } : {}), ...(previous?.message ? { message: previous.message } : {}) }
        : {})),
    ...(nodeIPs[0] ? { hostIP: nodeIPs[0], hostIPs: nodeIPs.map((ip) => ({ ip })) } : {}),
    ...(podIPs[0] ? { podIP: podIPs[0].ip, podIPs } : {}),
    startTime: previous?.startTime ?? pod.status?.startTime ?? now,
    ...(init.length > 0 ? { initContainerStatuses: init } : {}),
    containerStatuses: regular,
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
    qosClass: qosClass(pod),
  };
}
