/** A pod's conditions, with upstream's reasons and messages (pkg/kubelet/status/generate.go). */
import type { ContainerStatus, Pod, PodCondition, PodPhase } from '../../api/index.ts';
import { isSidecar } from '../pod/containers.ts';
import { restartAllCondition } from '../pod/restart-all.ts';

type Verdict = Pick<PodCondition, 'type' | 'status' | 'reason' | 'message' | 'observedGeneration'>;

const names = (list: readonly string[]) => `[${list.join(' ')}]`;

function unreadyMessage(unknown: readonly string[], unready: readonly string[], unreadyWord: string): string {
  const parts: string[] = [];
  if (unknown.length > 0) parts.push(`containers with unknown status: ${names(unknown)}`);
  if (unready.length > 0) parts.push(`containers with ${unreadyWord} status: ${names(unready)}`);
  return parts.join(', ');
}

const ended = (type: string, phase: PodPhase): Verdict | undefined =>
  phase === 'Succeeded'
    ? { type, status: 'False', reason: 'PodCompleted' }
    : phase === 'Failed'
      ? { type, status: 'False', reason: 'PodFailed' }
      : undefined;

function initialized(pod: Pod, statuses: readonly ContainerStatus[], regular: readonly ContainerStatus[], phase: PodPhase): Verdict {
  const type = 'Initialized';
  const unknown: string[] = [];
  const incomplete: string[] = [];
  for (const container of pod.spec.initContainers ?? []) {
    const status = statuses.find((s) => s.name === container.name);
    if (!status) unknown.push(container.name);
    else if (isSidecar(container) ? !status.started : !status.ready) incomplete.push(container.name);
  }
  if (phase === 'Succeeded') return { type, status: 'True', reason: 'PodCompleted' };
  // Once a container of the pod has run, its initialization is behind it, whatever becomes of a sidecar later.
  const hasRun = regular.some((s) => s.state?.running || s.state?.terminated || s.lastState?.terminated);
  if (hasRun || (unknown.length === 0 && incomplete.length === 0)) return { type, status: 'True' };
  return { type, status: 'False', reason: 'ContainersNotInitialized', message: unreadyMessage(unknown, incomplete, 'incomplete') };
}

function containersReady(pod: Pod, init: readonly ContainerStatus[], regular: readonly ContainerStatus[], phase: PodPhase): Verdict {
  const type = 'ContainersReady';
  const unknown: string[] = [];
  const unready: string[] = [];
  const look = (name: string, statuses: readonly ContainerStatus[]) => {
    const status = statuses.find((s) => s.name === name);
    if (!status) unknown.push(name);
    else if (!status.ready) unready.push(name);
  };
  for (const container of pod.spec.initContainers ?? []) if (isSidecar(container)) look(container.name, init);
  for (const container of pod.spec.containers) look(container.name, regular);
  const end = ended(type, phase);
  if (end) return end;
  if (unknown.length === 0 && unready.length === 0) return { type, status: 'True' };
  return { type, status: 'False', reason: 'ContainersNotReady', message: unreadyMessage(unknown, unready, 'unready') };
}

function ready(pod: Pod, containers: Verdict, conditions: readonly PodCondition[], phase: PodPhase): Verdict {
  const type = 'Ready';
  const end = ended(type, phase);
  if (end) return end;
  if (containers.status !== 'True') return { ...containers, type };
  const messages: string[] = [];
  for (const { conditionType } of pod.spec.readinessGates ?? []) {
    const gate = conditions.find((c) => c.type === conditionType);
    if (!gate) messages.push(`corresponding condition of pod readiness gate ${JSON.stringify(conditionType)} does not exist.`);
    else if (gate.status !== 'True')
      messages.push(`the status of pod readiness gate ${JSON.stringify(conditionType)} is not "True", but ${gate.status}`);
  }
  return messages.length === 0
    ? { type, status: 'True' }
    : { type, status: 'False', reason: 'ReadinessGatesNotReady', message: messages.join(', ') };
}

function allRestarting(restarts: boolean, phase: PodPhase): Verdict {
  const type = restartAllCondition;
  const end = ended(type, phase);
  if (end || !restarts) return end ?? { type, status: 'False' };
  return { type, status: 'True', reason: 'RestartAllContainersStarted', message: 'container exited with restart policy rule' };
}

export interface ConditionInput {
  pod: Pod;
  init: readonly ContainerStatus[];
  regular: readonly ContainerStatus[];
  phase: PodPhase;
  /** The sandbox is up and has its network. */
  sandboxReady: boolean;
  /** What the pod's conditions are now: readiness gates of others, transition times. */
  previous: readonly PodCondition[];
  /** Conditions that come and go: what there is to say of a resize, or of an eviction. */
  passing?: readonly Verdict[];
  /** Whether all of its containers are being removed to start again; undefined where no rule of the pod can ask for that. */
  restartsAll?: boolean | undefined;
  now: string;
}

/** The conditions that the kubelet owns. */
export function podConditions(input: ConditionInput): PodCondition[] {
  const { pod, init, regular, phase, sandboxReady, previous, passing = [], restartsAll, now } = input;
  const containers = containersReady(pod, init, regular, phase);
  const verdicts: Verdict[] = [
    ...passing,
    { type: 'PodReadyToStartContainers', status: sandboxReady ? 'True' : 'False' },
    initialized(pod, init, regular, phase),
    ready(pod, containers, previous, phase),
    containers,
    { type: 'PodScheduled', status: 'True' },
    ...(restartsAll === undefined ? [] : [allRestarting(restartsAll, phase)]),
  ];
  return verdicts.map((verdict) => {
    const before = previous.find((c) => c.type === verdict.type);
    const observedGeneration = verdict.observedGeneration ?? pod.metadata.generation;
    return {
      type: verdict.type,
      ...(observedGeneration === undefined ? {} : { observedGeneration }),
      status: verdict.status,
      lastTransitionTime: before?.status === verdict.status && before.lastTransitionTime ? before.lastTransitionTime : now,
      ...(verdict.reason ? { reason: verdict.reason } : {}),
      ...(verdict.message ? { message: verdict.message } : {}),
    };
  });
}
