import type { Clock } from '../../time/index.ts';

/** What kube-controller-manager's flags say, with upstream's defaults. */
export interface ControllerConfig {
  /** --cluster-cidr: what nodes' pod ranges are cut from, one block an IP family; none: no node gets one. */
  clusterCidrs: readonly string[];
  /** --service-cluster-ip-range: never given to a node. */
  serviceCidrs: readonly string[];
  /** --node-cidr-mask-size-ipv4 and -ipv6. */
  nodeCidrMaskSizeIpv4: number;
  nodeCidrMaskSizeIpv6: number;
  /** --root-ca-file, PEM: what kube-root-ca.crt holds. */
  rootCa: string | undefined;
  /** --service-account-private-key-file, PEM: what signs tokens of Secrets; none: they get none. */
  serviceAccountKey: string | undefined;
  /** --cluster-signing-cert-file and -key-file, PEM. */
  clusterSigning: { certificate: string; key: string } | undefined;
  /** --cluster-signing-duration. */
  clusterSigningDurationMs: number;
  /** --node-monitor-period. */
  nodeMonitorPeriodMs: number;
  /** --node-monitor-grace-period: silence after which a node's state is unknown. */
  nodeMonitorGracePeriodMs: number;
  /** --node-startup-grace-period: the same for a node that has never reported. */
  nodeStartupGracePeriodMs: number;
  /** --node-eviction-rate: nodes a second that get a NoExecute taint, a zone. */
  nodeEvictionRate: number;
  /** --secondary-node-eviction-rate: the same in an unhealthy zone; 0 in small clusters. */
  secondaryNodeEvictionRate: number;
  /** --large-cluster-size-threshold. */
  largeClusterSizeThreshold: number;
  /** --unhealthy-zone-threshold: the share of nodes not ready that makes a zone unhealthy. */
  unhealthyZoneThreshold: number;
  /** --terminated-pod-gc-threshold: finished pods that may stay; 0: all may. */
  terminatedPodGcThreshold: number;
  /** Whether pods may say what it costs to delete them (the gate PodDeletionCost). */
  podDeletionCost: boolean;
  /** --max-endpoints-per-slice. */
  maxEndpointsPerSlice: number;
  /** --mirroring-max-endpoints-per-subset. */
  mirroringMaxEndpointsPerSubset: number;
  /** How long a deleted namespace is left alone, so that every API server knows of it before it is emptied; upstream waits 5 s always. */
  namespaceDeletionDelayMs: number;
  /** --resource-quota-sync-period. */
  resourceQuotaSyncPeriodMs: number;
  /** --legacy-service-account-token-clean-up-period: how long a generated token is not used before it is marked, and again before it goes. */
  legacyTokenCleanUpPeriodMs: number;
  /** --concurrent-NAME-syncs, by controller name, where it differs from the controller's default. */
  concurrentSyncs: Readonly<Record<string, number>>;
}

export const defaultConfig: ControllerConfig = {
  clusterCidrs: [],
  serviceCidrs: [],
  nodeCidrMaskSizeIpv4: 24,
  nodeCidrMaskSizeIpv6: 64,
  rootCa: undefined,
  serviceAccountKey: undefined,
  clusterSigning: undefined,
  clusterSigningDurationMs: 365 * 24 * 3_600_000,
  nodeMonitorPeriodMs: 5_000,
  nodeMonitorGracePeriodMs: 50_000,
  nodeStartupGracePeriodMs: 60_000,
  nodeEvictionRate: 0.1,
  secondaryNodeEvictionRate: 0.01,
  largeClusterSizeThreshold: 50,
  unhealthyZoneThreshold: 0.55,
  terminatedPodGcThreshold: 12_500,
  podDeletionCost: true,
  maxEndpointsPerSlice: 100,
  mirroringMaxEndpointsPerSubset: 1000,
  namespaceDeletionDelayMs: 0,
  resourceQuotaSyncPeriodMs: 5 * 60_000,
  legacyTokenCleanUpPeriodMs: 365 * 24 * 3_600_000,
  concurrentSyncs: {},
};

/** Calls `act` every `periodMs` until the signal is aborted, the next time only after the last call has ended. */
export async function every(clock: Clock, periodMs: number, signal: AbortSignal, act: () => Promise<void> | void): Promise<void> {
  while (!signal.aborted) {
    await act();
    await clock.sleep(periodMs, signal).catch(() => undefined);
  }
}
