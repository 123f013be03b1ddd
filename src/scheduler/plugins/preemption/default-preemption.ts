/** Makes room for a pod that fits nowhere by evicting pods of lower priority from one node, which is then nominated for it. */
import { hasReason, Pod, PodDisruptionBudget } from '../../../api/index.ts';
import { timestamp } from '../../../time/index.ts';
import type { PodInfo } from '../../cache/pod-info.ts';
import { describeUnfit, emptyDiagnosis } from '../../fit-error.ts';
import type { DefaultPreemptionArgs } from '../../framework/config.ts';
import type { CycleState } from '../../framework/cycle-state.ts';
import type { Handle, PluginFactory } from '../../framework/handle.ts';
import type { NodeStatuses } from '../../framework/plugin.ts';
import { type Status, status } from '../../framework/status.ts';
import { type Candidate, pickCandidate, preemptionName, selectVictims } from './victims.ts';

const notHelpful = status(preemptionName, 'UnschedulableAndUnresolvable', 'Preemption is not helpful for scheduling');
const preempting = status(preemptionName, 'UnschedulableAndUnresolvable', 'waiting for the preemption for this pod to be finished');

export const defaultPreemption: PluginFactory = (args, handle) => {
  const { minCandidateNodesPercentage = 10, minCandidateNodesAbsolute = 100 } = args as DefaultPreemptionArgs;
  const budgets = handle.informers.for(PodDisruptionBudget).lister;
  /** By uid: pods whose victims are being deleted. They must not be tried, and preempt more, before that is done. */
  const underWay = new Set<string>();

  const search = (
    state: CycleState,
    pod: PodInfo,
    statuses: NodeStatuses,
  ): { best: Candidate | undefined; failures: Map<string, Status> } => {
    const { nodes } = handle.cache;
    const failures = new Map<string, Status>();
    const potential = nodes.filter((node) => (statuses.byNode.get(node.name) ?? statuses.absent).code === 'Unschedulable');
    const wanted = Math.max(minCandidateNodesAbsolute, Math.trunc((potential.length * minCandidateNodesPercentage) / 100));
    const offset = Math.trunc(handle.random.next() * potential.length);
    const candidates: Candidate[] = [];
    let withoutViolation = 0;
    for (let i = 0; i < potential.length && !(candidates.length >= wanted && withoutViolation > 0); i++) {
      const node = potential[(offset + i) % potential.length];
      if (!node) break;
      const found = selectVictims(handle, state, pod, node, budgets.list());
      if ('code' in found) failures.set(node.name, found);
      else {
        candidates.push(found);
        if (found.violations === 0) withoutViolation++;
      }
    }
    return { best: pickCandidate(candidates), failures };
  };

  return {
    name: preemptionName,
    preEnqueue: (pod) => (underWay.has(pod.metadata.uid) ? preempting : undefined),
    postFilter(state, pod, statuses) {
      const ineligible = whyIneligible(handle, pod, statuses);
      if (ineligible) return { status: status(preemptionName, 'Unschedulable', `preemption: ${ineligible}`) };
      const { best, failures } = search(state, pod, statuses);
      if (!best) {
        const text = describeUnfit(handle.cache.nodes.length, { ...emptyDiagnosis(), byNode: failures, absent: notHelpful });
        return { nominatedNodeName: '', status: status(preemptionName, 'Unschedulable', `preemption: ${text}`) };
      }
      const { uid } = pod.pod.metadata;
      underWay.add(uid);
      handle.preempted(best.victims.length);
      handle.background(`preempting pods for ${pod.key}`, async (signal) => {
        try {
          await Promise.all(best.victims.map((victim) => evict(handle, pod, victim, best.nodeName, signal)));
          await denominate(handle, pod, best.nodeName, signal);
        } finally {
          underWay.delete(uid);
          handle.release(pod.pod);
        }
      });
      return { nominatedNodeName: best.nodeName };
    },
  };
};

/** Why the pod may not preempt; undefined when it may. */
function whyIneligible({ cache }: Handle, { pod, priority }: PodInfo, statuses: NodeStatuses): string | undefined {
  if (pod.spec.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
  const nominated = pod.status?.nominatedNodeName;
  if (!nominated || statuses.byNode.get(nominated)?.code === 'UnschedulableAndUnresolvable') return undefined;
  for (const other of cache.node(nominated)?.pods.values() ?? []) {
    if (other.priority < priority && isBeingPreempted(other.pod)) return 'not eligible due to a terminating pod on the nominated node.';
  }
  return undefined;
}

const isBeingPreempted = ({ metadata, status: { conditions } = {} }: Pod) =>
  !!metadata.deletionTimestamp &&
  (conditions ?? []).some((c) => c.type === 'DisruptionTarget' && c.status === 'True' && c.reason === 'PreemptionByScheduler');

async function evict(handle: Handle, preemptor: PodInfo, victim: PodInfo, nodeName: string, signal: AbortSignal): Promise<void> {
  const { client, clock, recorder, schedulerName, logger } = handle;
  const { name, namespace, uid, deletionTimestamp, generation } = victim.pod.metadata;
  if (!handle.rejectWaitingPod(uid, preemptionName, 'preempted') && !deletionTimestamp) {
    const condition = {
      type: 'DisruptionTarget',
      ...(generation ? { observedGeneration: generation } : {}),
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: `${schedulerName}: preempting to accommodate a higher priority pod`,
      lastTransitionTime: timestamp(clock),
    };
    try {
      const patch = { metadata: { uid }, status: { conditions: [condition] } };
      await client.patch(Pod, name, 'strategic', patch, { namespace, subresource: 'status', signal });
      await client.delete(Pod, name, { namespace, preconditions: { uid }, signal });
    } catch (error) {
      // Gone by itself: as good.
      if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
    }
  }
  logger?.debug({ victim: victim.key, preemptor: preemptor.key, node: nodeName }, 'preempted pod');
  const by = `Preempted by pod ${preemptor.pod.metadata.uid} on node ${nodeName}`;
  recorder.event(victim.pod, 'Normal', 'Preempted', by, { action: 'Preempting' });
}

/** Pods of lower priority that hoped for the node may fit elsewhere: their nomination goes. */
async function denominate({ nominator, client }: Handle, { priority }: PodInfo, nodeName: string, signal: AbortSignal): Promise<void> {
  for (const other of [...nominator.on(nodeName)].filter((o) => o.priority < priority)) {
    nominator.delete(other.key);
    if (!other.pod.status?.nominatedNodeName) continue;
    const { name, namespace, uid } = other.pod.metadata;
    try {
      const patch = { metadata: { uid }, status: { nominatedNodeName: null } };
      await client.patch(Pod, name, 'strategic', patch, { namespace, subresource: 'status', signal });
    } catch (error) {
      if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
    }
  }
}
