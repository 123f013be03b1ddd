/** What all parts of one kubelet share. */
import type { Logger } from 'pino';
import type { Client } from '../client/index.ts';
import type { Runtime } from '../runtime/index.ts';
import type { Clock, Random } from '../time/index.ts';
import type { EffectiveConfiguration } from './config.ts';
import type { PodEvents } from './events.ts';
import type { KubeletMetrics } from './metrics/kubelet-metrics.ts';
import type { MachineInfo } from './node/machine.ts';
import type { Paths } from './pod/paths.ts';

export interface KubeletContext {
  nodeName: string;
  hostname: string;
  client: Client;
  runtime: Runtime;
  clock: Clock;
  random: Random;
  logger: Logger;
  config: EffectiveConfiguration;
  paths: Paths;
  machine: MachineInfo;
  events: PodEvents;
  metrics: KubeletMetrics;
  /** The node's addresses, the preferred one first. */
  nodeIPs: readonly string[];
  /** A simulated node: nothing of this machine's disk, network or cgroups is touched. */
  hollow: boolean;
}
