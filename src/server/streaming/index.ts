/** Endpoints whose answers are streams from a node or a pod: logs, remote commands, port forwarding, proxies. */
import type { Registry } from 'prom-client';
import type { Random } from '../../time/index.ts';
import { createPodLogMetrics } from '../metrics/pod-log-metrics.ts';
import type { SubresourceHandler } from '../registry/resource-handler.ts';
import type { Authorizer } from '../request.ts';
import type { Storages } from '../storages.ts';
import { backend, type KubeletTls, kubelets } from './kubelet-connection.ts';
import { logHandler } from './log.ts';
import { proxyHandlers } from './proxy.ts';
import { remoteCommandHandlers } from './remote-command.ts';

export type { KubeletTls };

export interface StreamingDependencies {
  storageOf: Storages;
  kubeletTls: KubeletTls;
  random: Random;
  /** Asked whether who opens a WebSocket (a GET) may also `create`, as SPDY's POST must. */
  authorizer?: Authorizer;
  metrics?: Registry;
}

export interface Streaming {
  handlers: SubresourceHandler[];
  /** Shows kubelets another certificate, or trusts another authority to know them, from now on. */
  identify(changed: Pick<KubeletTls, 'ca' | 'cert' | 'key'>): void;
  /** Drops idle connections to nodes and pods. */
  close(): void;
}

export function streamingHandlers({ storageOf, kubeletTls, random, authorizer, metrics }: StreamingDependencies): Streaming {
  const nodes = kubelets(storageOf, kubeletTls);
  const workloads = backend({ rejectUnauthorized: false });
  return {
    handlers: [
      logHandler(nodes, metrics && createPodLogMetrics(metrics)),
      ...remoteCommandHandlers({ kubelets: nodes, authorizer }),
      ...proxyHandlers({ storages: storageOf, kubelets: nodes, workloads, random }),
    ],
    identify: nodes.setTls,
    close() {
      nodes.close();
      workloads.close();
    },
  };
}
