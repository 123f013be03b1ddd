import type { Node, Pod } from '../../api/index.ts';
import type { NodeInfo } from '../cache/node-info.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import { podRequests, resourcesOf } from '../cache/resources.ts';
import type { NodeResourcesFitArgs } from '../framework/config.ts';
import type { PluginFactory } from '../framework/handle.ts';
import { type Status, status } from '../framework/status.ts';
import { resourceScorer } from './resource-scorer.ts';

const name = 'NodeResourcesFit';

/** The combinations of reasons are few; their statuses are made once. */
const statuses = new Map<string, Status>();

function refusal(reasons: readonly string[], hopeless: boolean): Status {
  const key = `${hopeless}${reasons.join()}`;
  let known = statuses.get(key);
  if (!known) {
    known = status(name, hopeless ? 'UnschedulableAndUnresolvable' : 'Unschedulable', ...reasons);
    statuses.set(key, known);
  }
  return known;
}

/** Whether the node has left what the pod requests; scores by how much (or how little) it would have left. */
export const nodeResourcesFit: PluginFactory = (args) => {
  const { ignoredResources = [], ignoredResourceGroups = [], scoringStrategy } = args as NodeResourcesFitArgs;
  const isIgnored = (resource: string) =>
    ignoredResources.includes(resource) ||
    (resource.includes('/') && ignoredResourceGroups.includes(resource.slice(0, resource.indexOf('/'))));
  const score = resourceScorer(scoringStrategy);

  return {
    name,
    events: () => [
      { resource: 'AssignedPod', actions: ['Delete', 'UpdatePodScaleDown'] },
      { resource: 'TargetPod', actions: ['UpdatePodScaleDown'] },
      {
        resource: 'Node',
        actions: ['Add', 'UpdateNodeAllocatable'],
        hint: (pod, _previous, node) => !node || couldEverFit(pod, node as Node),
      },
    ],
    filter: (_state, pod, node) => missing(pod, node, isIgnored),
    score: (_state, pod, node) => score(pod, node),
  };
};

function couldEverFit(pod: Pod, node: Node): boolean {
  const offered = resourcesOf(node.status?.allocatable);
  const wanted = podRequests(pod);
  if (wanted.milliCpu > offered.milliCpu || wanted.memory > offered.memory || wanted.ephemeralStorage > offered.ephemeralStorage)
    return false;
  for (const [resource, amount] of wanted.scalars ?? []) if (amount > offered.get(resource)) return false;
  return true;
}

function missing(pod: PodInfo, node: NodeInfo, isIgnored: (resource: string) => boolean): Status | undefined {
  const { requests } = pod;
  const { requested, allocatable } = node;
  let reasons: string[] | undefined;
  let hopeless = false;
  const insufficient = (reason: string, wanted: number, offered: number) => {
    reasons ??= [];
    reasons.push(reason);
    if (wanted > offered) hopeless = true;
  };
  if (node.pods.size + 1 > allocatable.pods) insufficient('Too many pods', 1, allocatable.pods);
  if (requests.milliCpu > 0 && requests.milliCpu > allocatable.milliCpu - requested.milliCpu)
    insufficient('Insufficient cpu', requests.milliCpu, allocatable.milliCpu);
  if (requests.memory > 0 && requests.memory > allocatable.memory - requested.memory)
    insufficient('Insufficient memory', requests.memory, allocatable.memory);
  if (requests.ephemeralStorage > 0 && requests.ephemeralStorage > allocatable.ephemeralStorage - requested.ephemeralStorage)
    insufficient('Insufficient ephemeral-storage', requests.ephemeralStorage, allocatable.ephemeralStorage);
  if (requests.scalars) {
    for (const [resource, amount] of requests.scalars) {
      if (amount === 0 || isIgnored(resource)) continue;
      const offered = allocatable.get(resource);
      if (amount > offered - requested.get(resource)) insufficient(`Insufficient ${resource}`, amount, offered);
    }
  }
  return reasons && refusal(reasons, hopeless);
}
