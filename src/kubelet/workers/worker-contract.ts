/** What a pod's worker needs of its kubelet, and what it offers. */
import type { Pod } from '../../api/index.ts';
import type { PodCgroups } from '../cgroups/pod-cgroups.ts';
import type { ResolverConfig } from '../containers/dns.ts';
import type { KubeletContext } from '../context.ts';
import type { ImagePuller } from '../images/image-puller.ts';
import type { Rejection } from '../pod/admission.ts';
import type { ObservedPod, PodObserver } from '../pod/observed-pod.ts';
import type { ProbeManager } from '../probes/probe-manager.ts';
import type { ResizeRefusal } from '../resize/pod-resize.ts';
import type { StatusManager } from '../status/status-manager.ts';
import type { VolumeManager } from '../volumes/volume-manager.ts';
import type { BackOff } from './restart-back-off.ts';
import type { ContainerStarter } from './start-container.ts';

export interface PodWorkerDependencies {
  context: KubeletContext;
  observer: PodObserver;
  statuses: StatusManager;
  probes: ProbeManager;
  volumes: VolumeManager;
  images: ImagePuller;
  cgroups: PodCgroups;
  /** Waits between restarts, over all pods. */
  restarts: BackOff;
  startContainer: ContainerStarter;
  resolver(): Promise<ResolverConfig>;
  /** The runtime's handler for a RuntimeClass. Throws where there is no such class. */
  runtimeHandler(className: string): Promise<string>;
  /** Whether the node takes the pod, as far as is known of it. */
  admit(pod: Pod): Rejection | undefined;
  /** Asks the API what the node is like now. */
  refreshNode(signal: AbortSignal): Promise<void>;
  /** Whether the node can give a pod that it runs what it wants now. */
  admitResize(pod: Pod): ResizeRefusal | undefined;
  /** The pod has left resources to others. */
  onFreed(): void;
  /** Why no pod with a network of its own can start now; undefined: it can. */
  networkNotReady(): string | undefined;
  /** All of the pod's containers run, this long after the kubelet first saw it. */
  onStarted(seconds: number): void;
  /** A round of work on the pod is over, as it was asked for. */
  onSynced(operation: SyncOperation, seconds: number): void;
  /** The pod has left the node: everything that was kept for it can go. */
  onGone(uid: string): void;
}

/** Why a pod is worked on (upstream's SyncPodType). */
export type SyncOperation = 'create' | 'update' | 'sync' | 'kill';

export interface TerminateOptions {
  /** Default: the pod's own. */
  graceSeconds?: number;
  /** Overrides what the containers' ends say of the pod. */
  verdict?: { reason: string; message: string };
  /** The node ends the pod for its own sake: a failure policy may want to know. */
  disrupts?: boolean;
}

export interface PodWorker {
  readonly pod: Pod;
  readonly state: 'syncing' | 'terminating' | 'terminated';
  /** It wants more than the node can give it now. */
  readonly resizeDeferred: boolean;
  /** The newest look at the runtime. */
  readonly observed: ObservedPod | undefined;
  /** The pod's desired state has changed; a deletion timestamp on it begins its end. */
  update(pod: Pod): void;
  wake(): void;
  terminate(options?: TerminateOptions): void;
  /** The API (or the static folder) no longer has the pod: end it and remove every trace. */
  removed(): void;
  /** Resolves when the worker sleeps. */
  idle(): Promise<void>;
}
