import type { Logger } from 'pino';
import type { NodeInfo } from '../cache/node-info.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import { type Diagnosis, emptyDiagnosis, FitError, NoNodesError } from '../fit-error.ts';
import type { CycleState } from '../framework/cycle-state.ts';
import { maxNodeScore } from '../framework/plugin.ts';
import type { Profile } from '../framework/profile.ts';
import { status } from '../framework/status.ts';
import { type Algorithm, findFeasible, type Placement, prioritize, selectHost } from '../schedule-pod.ts';
import { type Extender, maxExtenderScore } from './extender.ts';

/** What nodes that an extender refuses are filed under: any event may change its mind. */
export const extenderName = 'Extender';

/**
 * As `schedulePod`, with extenders. The cluster goes on while they are asked, so that what is chosen may no longer be so good.
 * @throws FitError when no node fits, NoNodesError when there is none, and what an extender that must not be ignored throws.
 */
export async function schedulePodWithExtenders(
  algorithm: Algorithm,
  extenders: readonly Extender[],
  profile: Profile,
  state: CycleState,
  pod: PodInfo,
  { signal, logger }: { signal: AbortSignal; logger: Logger | undefined },
): Promise<Placement> {
  const { cache } = algorithm;
  if (cache.nodes.length === 0) throw new NoNodesError();
  const interested = extenders.filter((extender) => extender.isInterested(pod.pod));
  let diagnosis = emptyDiagnosis();
  let feasible = await passing(interested, pod, findFeasible(algorithm, profile, state, pod, diagnosis), diagnosis, { signal, logger });
  const nominated = pod.pod.status?.nominatedNodeName;
  if (feasible.length === 0 && nominated && diagnosis.byNode.size <= 1) {
    // Only the node that was freed for the pod has been looked at.
    diagnosis = emptyDiagnosis();
    const all = findFeasible(algorithm, profile, state, pod, diagnosis, { ignoreNomination: true });
    feasible = await passing(interested, pod, all, diagnosis, { signal, logger });
  }
  const evaluatedNodes = feasible.length + diagnosis.byNode.size;
  const [only] = feasible;
  if (!only) throw new FitError(cache.nodes.length, diagnosis);
  if (feasible.length === 1) return { nodeName: only.name, feasibleNodes: 1, evaluatedNodes };
  const scores = prioritize(algorithm, profile, state, pod, feasible);
  await Promise.all(
    interested.map(async (extender) => {
      try {
        const own = await extender.prioritize(pod.pod, feasible, signal);
        for (const [i, node] of feasible.entries())
          scores[i] = (scores[i] ?? 0) + (own.get(node.name) ?? 0) * (maxNodeScore / maxExtenderScore);
      } catch (error) {
        if (signal.aborted) throw error;
        logger?.debug({ err: error, extender: extender.name, pod: pod.key }, "failed to run extender's priority function");
      }
    }),
  );
  return { nodeName: selectHost(feasible, scores, algorithm.random), feasibleNodes: feasible.length, evaluatedNodes };
}

async function passing(
  extenders: readonly Extender[],
  { pod, key }: PodInfo,
  nodes: readonly NodeInfo[],
  diagnosis: Diagnosis,
  { signal, logger }: { signal: AbortSignal; logger: Logger | undefined },
): Promise<readonly NodeInfo[]> {
  let feasible = nodes;
  for (const extender of extenders) {
    if (feasible.length === 0) break;
    try {
      const answer = await extender.filter(pod, feasible, signal);
      for (const [name, why] of answer.hopeless) diagnosis.byNode.set(name, status(extenderName, 'UnschedulableAndUnresolvable', why));
      for (const [name, why] of answer.failed)
        if (!answer.hopeless.has(name)) diagnosis.byNode.set(name, status(extenderName, 'Unschedulable', why));
      if (answer.feasible.length < feasible.length) diagnosis.plugins.add(extenderName);
      feasible = answer.feasible;
    } catch (error) {
      if (signal.aborted || !extender.ignorable) throw error;
      logger?.warn({ err: error, extender: extender.name, pod: key }, 'skipping extender as it returned error and has ignorable flag set');
    }
  }
  return feasible;
}
