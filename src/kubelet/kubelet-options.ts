/** What a kubelet takes and gives. */
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { kubeletconfigV1beta1, Pod, Service, statsV1alpha1, Taint } from '../api/index.ts';
import type { Client, Informer } from '../client/index.ts';
import type { Runtime } from '../runtime/index.ts';
import type { Clock, Random } from '../time/index.ts';
import type { PodCgroups } from './cgroups/pod-cgroups.ts';
import type { EffectiveConfiguration } from './config.ts';
import type { MachineInfo } from './node/machine.ts';
import type { SummaryOptions } from './stats/summary.ts';
import type { Mounter } from './volumes/mounter.ts';

export interface KubeletOptions {
  nodeName: string;
  client: Client;
  runtime: Runtime;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** What the machine is: `readMachine(rootDir)`, or `hollowMachine(name)`. */
  machine: MachineInfo;
  /** As /var/lib/kubelet. */
  rootDir: string;
  /** KubeletConfiguration; what is missing has upstream's defaults. */
  config?: Partial<kubeletconfigV1beta1.KubeletConfiguration>;
  /** The node's addresses, the preferred one first. */
  nodeIPs: readonly string[];
  /** Default: the node's name. */
  hostname?: string;
  labels?: Readonly<Record<string, string>>;
  /** What a newly registered node is tainted with. */
  taints?: readonly Taint[];
  /** Default: pods have no cgroups of their own. `podCgroups(...)` makes the real ones. */
  cgroups?: PodCgroups;
  mounter?: Mounter;
  /** A simulated node: nothing of this machine's disk, network or cgroups is touched. */
  hollow?: boolean;
  /** Where the kubelet's metrics go. */
  registry?: Registry;
  /** Services, where several kubelets of one process share an informer; default: one of its own. */
  services?: Pick<Informer<Service>, 'lister' | 'whenSynced'>;
}

/** A running container, as the streaming server looks for it. */
export interface FoundContainer {
  pod: Pod;
  containerId: string;
  sandboxId: string;
  running: boolean;
  /** The log file of the container's present run. */
  logPath: string;
  /** That of its previous run, where there was one. */
  previousLogPath: string | undefined;
}

export interface Kubelet {
  readonly nodeName: string;
  readonly config: EffectiveConfiguration;
  /** Its node is simulated. */
  readonly hollow: boolean;
  /** Until the signal is aborted; containers keep running. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when the Node object is there. */
  readonly registered: Promise<void>;
  /** The pods of this node, with their newest status. */
  pods(): Pod[];
  pod(namespace: string, name: string): Pod | undefined;
  /** `container`: default the pod's first, or the one its annotation `kubectl.kubernetes.io/default-container` names. */
  findContainer(namespace: string, pod: string, container?: string): Promise<FoundContainer | undefined>;
  /** The pod's ready sandbox, for port-forward. */
  findSandbox(namespace: string, pod: string): Promise<string | undefined>;
  /** Something that the node's status tells of may have changed (its network is ready, say): look now. */
  touch(): void;
  /** What /stats/summary answers. */
  summary(options?: SummaryOptions): Promise<statsV1alpha1.Summary>;
  /** What /healthz checks: undefined for `ok`, else what is wrong. */
  health(): string | undefined;
  /** Resolves when every pod worker sleeps and statuses are written (for tests). */
  idle(): Promise<void>;
}
