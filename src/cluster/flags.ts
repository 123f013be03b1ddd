/** Flags that `k8ts up` hands through to components, read as upstream's components read them. */
import { type kubeletconfigV1beta1, parseGoDuration } from '../api/index.ts';
import type { LeaderElectionOptions } from '../client/index.ts';
import { auditFlags } from '../server/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';

/** Fails on a flag that the component does not know, in upstream's words. */
export function checkFlags(args: ComponentArgs, known: readonly string[]): void {
  for (const flag of Object.keys(args)) if (!known.includes(flag)) throw new ClusterError(`unknown flag: --${flag}`);
}

export const list = (text: string | undefined): string[] => (text ?? '').split(',').filter((item) => item !== '');
export const flag = (text: string | undefined, otherwise: boolean): boolean =>
  text === undefined ? otherwise : text === 'true' || text === '';

export const kubeletFlags = [
  'max-pods',
  'register-with-taints',
  'node-labels',
  'resolv-conf',
  'pod-manifest-path',
  'serialize-image-pulls',
  'node-status-update-frequency',
  'seccomp-default',
] as const;
export const proxyFlags = ['masquerade-all', 'iptables-min-sync-period', 'iptables-sync-period'] as const;
/** kube-apiserver's, and two for etcd's own users, for whom upstream has none. */
export const etcdFlags = [
  'etcd-servers',
  'etcd-cafile',
  'etcd-certfile',
  'etcd-keyfile',
  'etcd-prefix',
  'etcd-username',
  'etcd-password',
  'etcd-compaction-interval',
  'etcd-healthcheck-timeout',
  'etcd-readycheck-timeout',
  'storage-backend',
  'storage-media-type',
] as const;
/** kube-apiserver's flags of how it serves. */
export const servingFlags = [
  'enable-priority-and-fairness',
  'profiling',
  'max-requests-inflight',
  'max-mutating-requests-inflight',
  'request-timeout',
  'min-request-timeout',
  'goaway-chance',
  'shutdown-delay-duration',
  'shutdown-send-retry-after',
] as const;
export const apiserverFlags = [
  'enable-admission-plugins',
  'disable-admission-plugins',
  'authorization-mode',
  'anonymous-auth',
  'token-auth-file',
  'service-node-port-range',
  'default-not-ready-toleration-seconds',
  'default-unreachable-toleration-seconds',
  'api-audiences',
  'runtime-config',
  'feature-gates',
  ...auditFlags,
  'enable-aggregator-routing',
  'history',
  ...servingFlags,
  ...etcdFlags,
] as const;
export const leaderElectionFlags = [
  'leader-elect',
  'leader-elect-lease-duration',
  'leader-elect-renew-deadline',
  'leader-elect-retry-period',
  'leader-elect-resource-lock',
  'leader-elect-resource-name',
  'leader-elect-resource-namespace',
] as const;
export const controllerManagerFlags = ['controllers', 'node-monitor-grace-period', 'node-cidr-mask-size', ...leaderElectionFlags] as const;
export const schedulerFlags = leaderElectionFlags;

/** The kubelet's flags as the configuration they stand for. */
export function kubeletConfiguration(args: ComponentArgs): Partial<kubeletconfigV1beta1.KubeletConfiguration> {
  checkFlags(args, kubeletFlags);
  return {
    ...(args['max-pods'] ? { maxPods: Number(args['max-pods']) } : {}),
    ...(args['resolv-conf'] ? { resolvConf: args['resolv-conf'] } : {}),
    ...(args['pod-manifest-path'] ? { staticPodPath: args['pod-manifest-path'] } : {}),
    ...(args['serialize-image-pulls'] ? { serializeImagePulls: flag(args['serialize-image-pulls'], true) } : {}),
    ...(args['node-status-update-frequency'] ? { nodeStatusUpdateFrequency: args['node-status-update-frequency'] } : {}),
    ...(args['seccomp-default'] ? { seccompDefault: flag(args['seccomp-default'], false) } : {}),
  };
}

/** Milliseconds in a flag's Go duration such as `1m30s`. */
export function durationMs(text: string): number {
  const nanos = parseGoDuration(text);
  if (nanos === undefined) throw new ClusterError(`time: invalid duration ${JSON.stringify(text)}`);
  return Number(nanos) / 1e6;
}

export function proxyOptions(args: ComponentArgs): { masqueradeAll?: boolean; minSyncMs?: number; syncMs?: number } {
  checkFlags(args, proxyFlags);
  return {
    masqueradeAll: flag(args['masquerade-all'], false),
    ...(args['iptables-min-sync-period'] ? { minSyncMs: durationMs(args['iptables-min-sync-period']) } : {}),
    ...(args['iptables-sync-period'] ? { syncMs: durationMs(args['iptables-sync-period']) } : {}),
  };
}

type LeaderElection = Pick<LeaderElectionOptions, 'leaseDurationMs' | 'renewDeadlineMs' | 'retryPeriodMs'> &
  Partial<Pick<LeaderElectionOptions, 'name' | 'namespace'>>;

/** --leader-elect and its fellows, checked as k8s.io/component-base checks them; `otherwise`: where --leader-elect is not given. */
export function leaderElection(args: ComponentArgs, otherwise: boolean): false | LeaderElection {
  if (!flag(args['leader-elect'], otherwise)) return false;
  const leaseDurationMs = durationMs(args['leader-elect-lease-duration'] ?? '15s');
  const renewDeadlineMs = durationMs(args['leader-elect-renew-deadline'] ?? '10s');
  const retryPeriodMs = durationMs(args['leader-elect-retry-period'] ?? '2s');
  const lock = args['leader-elect-resource-lock'] ?? 'leases';
  const invalid = (field: string, value: string, why: string) =>
    new ClusterError(`leaderElection.${field}: Invalid value: ${value}: ${why}`);
  if (leaseDurationMs <= 0) throw invalid('leaseDuration', String(leaseDurationMs / 1000), 'must be greater than zero');
  if (renewDeadlineMs <= 0) throw invalid('renewDeadline', String(renewDeadlineMs / 1000), 'must be greater than zero');
  if (retryPeriodMs <= 0) throw invalid('retryPeriod', String(retryPeriodMs / 1000), 'must be greater than zero');
  if (leaseDurationMs < renewDeadlineMs)
    throw invalid('leaseDuration', String(renewDeadlineMs / 1000), 'LeaseDuration must be greater than RenewDeadline');
  if (renewDeadlineMs <= 1.2 * retryPeriodMs) throw new ClusterError('renewDeadline must be greater than retryPeriod*JitterFactor');
  if (lock !== 'leases') throw invalid('resourceLock', JSON.stringify(lock), 'resourceLock value must be "leases"');
  const name = args['leader-elect-resource-name'];
  const namespace = args['leader-elect-resource-namespace'];
  return { leaseDurationMs, renewDeadlineMs, retryPeriodMs, ...(name ? { name } : {}), ...(namespace ? { namespace } : {}) };
}
