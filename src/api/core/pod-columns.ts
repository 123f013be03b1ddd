/** What `kubectl get pods` shows (upstream: pkg/printers/internalversion, printPod). */
import type { ContainerStatus, Pod } from '../generated/core.v1.ts';
import type { TableRowCondition } from '../generated/meta.v1.ts';
import type { Column } from '../kind.ts';
import { ageColumn, fieldDoc, nameColumn, translateTimestampSince } from '../printing.ts';
import { isSidecar } from './pod-resources.ts';

export interface PodSummary {
  ready: string;
  status: string;
  restarts: string;
}

interface Tally {
  ready: number;
  restarts: number;
  /** When a container last stopped, in milliseconds; 0: never. */
  lastStop: number;
}

const hasCondition = (pod: Pod, type: string) =>
  (pod.status?.conditions ?? []).some((condition) => condition.type === type && condition.status === 'True');

function countRestarts(tally: Tally, status: ContainerStatus): void {
  tally.restarts += status.restartCount ?? 0;
  const stopped = status.lastState?.terminated?.finishedAt;
  if (stopped) tally.lastStop = Math.max(tally.lastStop, Date.parse(stopped));
}

/** Why a container ended, in a word. */
function endReason({ reason, signal, exitCode }: { reason?: string; signal?: number; exitCode: number }): string {
  if (reason) return reason;
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode}`;
}

/** The first init container that keeps the pod from going on, as `Init:0/2` and the like. Counts restarts on the way. */
function initStatus(pod: Pod, tally: Tally, ofSidecars: Tally): string | undefined {
  const containers = pod.spec.initContainers ?? [];
  const sidecars = new Set(containers.filter(isSidecar).map((container) => container.name));
  for (const [i, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const { terminated, waiting } = status.state ?? {};
    const sidecar = sidecars.has(status.name);
    countRestarts(tally, status);
    if (sidecar) countRestarts(ofSidecars, status);
    if (terminated && terminated.exitCode === 0) continue;
    if (sidecar && status.started) {
      if (status.ready) tally.ready++;
      continue;
    }
    if (terminated) return `Init:${endReason(terminated)}`;
    if (waiting?.reason && waiting.reason !== 'PodInitializing') return `Init:${waiting.reason}`;
    return `Init:${i}/${containers.length}`;
  }
  return undefined;
}

/** The READY, STATUS and RESTARTS cells. */
export function summarizePod(pod: Pod, nowMs: number): PodSummary {
  const { spec, status = {} } = pod;
  const sidecars = (spec.initContainers ?? []).filter(isSidecar);
  const total = (spec.containers ?? []).length + sidecars.length;
  let reason = status.reason || status.phase || '';
  for (const condition of status.conditions ?? [])
    if (condition.type === 'PodScheduled' && condition.reason === 'SchedulingGated') reason = 'SchedulingGated';

  let tally: Tally = { ready: 0, restarts: 0, lastStop: 0 };
  const ofSidecars: Tally = { ready: 0, restarts: 0, lastStop: 0 };
  const initializing = initStatus(pod, tally, ofSidecars);
  if (initializing !== undefined) reason = initializing;
  if (initializing === undefined || hasCondition(pod, 'Initialized')) {
    // Init containers' restarts are over and done with; sidecars' still count.
    tally = { ...ofSidecars, ready: tally.ready };
    let hasRunning = false;
    let failure = '';
    for (const container of (status.containerStatuses ?? []).toReversed()) {
      countRestarts(tally, container);
      const { running, terminated, waiting } = container.state ?? {};
      if (waiting?.reason) reason = waiting.reason;
      else if (terminated) {
        reason = endReason(terminated);
        if (terminated.exitCode !== 0) failure = reason;
      } else if (container.ready && running) {
        hasRunning = true;
        tally.ready++;
      }
    }
    // Some containers are done, others are at work or have failed.
    if (reason === 'Completed') {
      if (hasRunning && hasCondition(pod, 'Ready')) reason = 'Running';
      else if (failure) reason = failure;
      else if (hasRunning) reason = 'NotReady';
    }
  }
  if (pod.metadata.deletionTimestamp) {
    if (status.reason === 'NodeLost') reason = 'Unknown';
    else if (status.phase !== 'Failed' && status.phase !== 'Succeeded') reason = 'Terminating';
  }
  const ago =
    tally.restarts > 0 && tally.lastStop > 0 ? ` (${translateTimestampSince(new Date(tally.lastStop).toISOString(), nowMs)} ago)` : '';
  return { ready: `${tally.ready}/${total}`, status: reason, restarts: `${tally.restarts}${ago}` };
}

/** How many of the pod's readiness gates are open. */
function readinessGates(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  return `${gates.filter((gate) => hasCondition(pod, gate.conditionType)).length}/${gates.length}`;
}

const ends: Record<string, string> = { Succeeded: 'The pod has completed successfully.', Failed: 'The pod failed.' };

/** What a table's row says of a pod that is done. */
export function podRowConditions({ status }: Pod): TableRowCondition[] | undefined {
  const reason = status?.phase ?? '';
  const message = ends[reason];
  return message === undefined ? undefined : [{ type: 'Completed', status: 'True', reason, message }];
}

export const podColumns: Column<Pod>[] = [
  nameColumn,
  {
    name: 'Ready',
    description: 'The aggregate readiness state of this pod for accepting traffic.',
    value: (pod, nowMs) => summarizePod(pod, nowMs).ready,
  },
  {
    name: 'Status',
    description: 'The aggregate status of the containers in this pod.',
    value: (pod, nowMs) => summarizePod(pod, nowMs).status,
  },
  {
    name: 'Restarts',
    description:
      'The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.',
    value: (pod, nowMs) => summarizePod(pod, nowMs).restarts,
  },
  ageColumn,
  {
    name: 'IP',
    priority: 1,
    description: fieldDoc('core.v1.PodStatus.podIP'),
    value: ({ status }) => status?.podIPs?.[0]?.ip || status?.podIP || '<none>',
  },
  { name: 'Node', priority: 1, description: fieldDoc('core.v1.PodSpec.nodeName'), value: ({ spec }) => spec.nodeName || '<none>' },
  {
    name: 'Nominated Node',
    priority: 1,
    description: fieldDoc('core.v1.PodStatus.nominatedNodeName'),
    value: ({ status }) => status?.nominatedNodeName || '<none>',
  },
  { name: 'Readiness Gates', priority: 1, description: fieldDoc('core.v1.PodSpec.readinessGates'), value: readinessGates },
];
