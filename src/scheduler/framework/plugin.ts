/**
 * The scheduling framework's extension points (KEP-624). A plugin is one object that implements those it is about. What looks
 * at the cluster (PreFilter to NormalizeScore) is synchronous: nothing changes underneath it, so it reads the live cache.
 */
import type { Pod } from '../../api/index.ts';
import type { NodeInfo } from '../cache/node-info.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import type { EventRegistration } from './cluster-event.ts';
import type { CycleState } from './cycle-state.ts';
import type { Status } from './status.ts';

export interface PreFilterResult {
  readonly status?: Status | undefined;
  /** The only nodes worth looking at; all when absent. */
  readonly nodeNames?: ReadonlySet<string> | undefined;
}

export interface PostFilterResult {
  /** The node to nominate; empty to clear the nomination; absent to leave it as it is. */
  readonly nominatedNodeName?: string;
  readonly status?: Status;
}

/** A pod in the queue as QueueSort sees it. */
export interface Queued {
  readonly info: PodInfo;
  /** When the pod entered the queue this time, in ms of the monotonic clock. */
  readonly timestampMs: number;
}

export interface Plugin {
  readonly name: string;
  /** Which events may make a pod schedulable that this plugin rejected; without it, none does but time. */
  events?(): readonly EventRegistration[];

  preEnqueue?(pod: Pod): Status | undefined;
  /** Negative when `a` goes first. */
  compare?(a: Queued, b: Queued): number;

  preFilter?(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): PreFilterResult | undefined;
  filter?(state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined;
  /** Keeps the PreFilter state true when `other` is imagined on the node. */
  addPod?(state: CycleState, pod: PodInfo, other: PodInfo, node: NodeInfo): void;
  /** Keeps the PreFilter state true when `other` is imagined gone from the node. */
  removePod?(state: CycleState, pod: PodInfo, other: PodInfo, node: NodeInfo): void;
  /** Called when no node fits. `statuses` says why, for the nodes that were looked at; `absent` for the others. */
  postFilter?(state: CycleState, pod: PodInfo, statuses: NodeStatuses): PostFilterResult;

  preScore?(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): Status | undefined;
  score?(state: CycleState, pod: PodInfo, node: NodeInfo): number;
  /** Brings the scores into 0..100. */
  normalizeScores?(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[], scores: Float64Array): void;

  reserve?(state: CycleState, pod: PodInfo, nodeName: string): Status | undefined;
  unreserve?(state: CycleState, pod: PodInfo, nodeName: string): void;
  /** `Wait` holds the pod for at most `timeoutMs`. */
  permit?(state: CycleState, pod: PodInfo, nodeName: string): { status: Status | undefined; timeoutMs?: number } | undefined;
  preBind?(state: CycleState, pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<Status | undefined> | undefined;
  bind?(state: CycleState, pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<Status | undefined>;
  postBind?(state: CycleState, pod: PodInfo, nodeName: string): void;
}

/** Why each node was turned down. */
export interface NodeStatuses {
  readonly byNode: ReadonlyMap<string, Status>;
  /** What holds for nodes that were not looked at. */
  readonly absent: Status;
}

export const maxNodeScore = 100;

/** Scales scores so that the greatest becomes 100 (or 0, reversed). */
export function normalizeByMaximum(scores: Float64Array, reverse: boolean): void {
  let max = 0;
  for (const score of scores) if (score > max) max = score;
  if (max === 0) {
    if (reverse) scores.fill(maxNodeScore);
    return;
  }
  for (let i = 0; i < scores.length; i++) {
    const scaled = Math.trunc((maxNodeScore * (scores[i] ?? 0)) / max);
    scores[i] = reverse ? maxNodeScore - scaled : scaled;
  }
}
