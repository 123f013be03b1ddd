import type { Logger } from 'pino';
import type { Pod } from '../../api/index.ts';
import type { Client, EventRecorder, SharedInformerFactory } from '../../client/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import type { SchedulerCache } from '../cache/cache.ts';
import type { NodeInfo } from '../cache/node-info.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import type { Nominator } from '../queue/nominator.ts';
import type { CycleState } from './cycle-state.ts';
import type { Plugin } from './plugin.ts';
import type { Status } from './status.ts';

/** What the scheduler offers its plugins. */
export interface Handle {
  readonly client: Client;
  readonly informers: SharedInformerFactory;
  readonly clock: Clock;
  readonly random: Random;
  readonly cache: SchedulerCache;
  readonly nominator: Nominator;
  readonly recorder: EventRecorder;
  readonly logger: Logger | undefined;
  readonly schedulerName: string;
  /** The profile's Filter plugins over one node, nominated pods counted in. */
  filter(state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined;
  /** The profile's Filter plugins over one node as it is given. */
  filterAlone(state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined;
  addPod(state: CycleState, pod: PodInfo, other: PodInfo, node: NodeInfo): void;
  removePod(state: CycleState, pod: PodInfo, other: PodInfo, node: NodeInfo): void;
  /** Runs something beside the scheduling of the next pods; the scheduler waits for it before it ends. */
  background(what: string, work: (signal: AbortSignal) => Promise<void>): void;
  /** Tries a pod again that a PreEnqueue plugin has held back. */
  release(pod: Pod): void;
  /** Ends the wait of a pod that Permit holds; answers whether there was one. */
  rejectWaitingPod(uid: string, plugin: string, message: string): boolean;
  /** Lets a pod that the plugin holds go on. */
  allowWaitingPod(uid: string, plugin: string): void;
  /** Counts a preemption. */
  preempted(victims: number): void;
}

/** Makes a plugin; `args` are its pluginConfig's, absent fields included. */
export type PluginFactory = (args: Readonly<Record<string, unknown>>, handle: Handle) => Plugin;

export type Registry = Readonly<Record<string, PluginFactory>>;
