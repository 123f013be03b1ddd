/** A node's conditions, with upstream's reasons and messages (pkg/kubelet/nodestatus/setters.go). */
import { aggregateMessage, type NodeCondition } from '../../api/index.ts';
import type { cri } from '../../runtime/index.ts';

type Verdict = Pick<NodeCondition, 'type' | 'status' | 'reason' | 'message'>;

export interface Pressure {
  memory: boolean;
  disk: boolean;
  pid: boolean;
}

/** What keeps the node from being ready: the runtime's own conditions, or that it does not answer. */
export function runtimeErrors(
  status: cri.RuntimeStatus | undefined,
  failure: string | undefined,
): { runtime: string | undefined; network: string | undefined } {
  if (failure !== undefined || !status)
    return {
      runtime: `container runtime is down: ${failure ?? 'container runtime status check may not have completed yet'}`,
      network: undefined,
    };
  const find = (type: string) => status.conditions?.find((c) => c.type === type);
  const say = (name: string, c: cri.RuntimeCondition | undefined) => `${name}=false reason:${c?.reason ?? ''} message:${c?.message ?? ''}`;
  const runtime = find('RuntimeReady');
  const network = find('NetworkReady');
  return {
    runtime: runtime?.status ? undefined : `container runtime not ready: ${say('RuntimeReady', runtime)}`,
    network: network?.status ? undefined : `container runtime network not ready: ${say('NetworkReady', network)}`,
  };
}

function ready(errors: readonly string[]): Verdict {
  if (errors.length === 0) return { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' };
  return { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: aggregateMessage(errors) };
}

const pressure = (type: string, under: boolean, bad: [string, string], good: [string, string]): Verdict => {
  const [reason, message] = under ? bad : good;
  return { type, status: under ? 'True' : 'False', reason, message };
};

/** What events call a condition that is false, and one that is true. */
const eventReasons: Readonly<Record<string, readonly [string, string]>> = {
  MemoryPressure: ['NodeHasSufficientMemory', 'NodeHasInsufficientMemory'],
  DiskPressure: ['NodeHasNoDiskPressure', 'NodeHasDiskPressure'],
  PIDPressure: ['NodeHasSufficientPID', 'NodeHasInsufficientPID'],
  Ready: ['NodeNotReady', 'NodeReady'],
};

/** Reasons of the events that tell of changed conditions. That a new node is ready or not is none; that it is not under pressure is. */
export function conditionEvents(previous: readonly NodeCondition[], next: readonly NodeCondition[]): string[] {
  return next.flatMap(({ type, status }) => {
    const before = previous.find((c) => c.type === type)?.status;
    if (before === status || (type === 'Ready' && before === undefined)) return [];
    return eventReasons[type]?.[status === 'True' ? 1 : 0] ?? [];
  });
}

export function nodeConditions(
  errors: readonly string[],
  under: Pressure,
  previous: readonly NodeCondition[],
  now: string,
): NodeCondition[] {
  const verdicts = [
    pressure(
      'MemoryPressure',
      under.memory,
      ['KubeletHasInsufficientMemory', 'kubelet has insufficient memory available'],
      ['KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
    ),
    pressure(
      'DiskPressure',
      under.disk,
      ['KubeletHasDiskPressure', 'kubelet has disk pressure'],
      ['KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
    ),
    pressure(
      'PIDPressure',
      under.pid,
      ['KubeletHasInsufficientPID', 'kubelet has insufficient PID available'],
      ['KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
    ),
    ready(errors),
  ];
  return verdicts.map((verdict) => {
    const before = previous.find((c) => c.type === verdict.type);
    const kept = before?.status === verdict.status ? before.lastTransitionTime : undefined;
    return { ...verdict, lastHeartbeatTime: now, lastTransitionTime: kept ?? now };
  });
}
