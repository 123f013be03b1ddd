/** Flags of the control plane's components, which processes of nodes have no need to know. */
import type { LeaderElectionOptions } from '../client/index.ts';
import { auditFlags } from '../server/index.ts';
import { signingFlags } from './authority-flags.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { controllerFlags } from './controller-manager-flags.ts';
import { durationMs, flag } from './flags.ts';
import { keyFlags } from './key-flags.ts';
import { logFlags } from './log-flags.ts';
import { metricFlags } from './metric-flags.ts';
import { oidcFlags } from './oidc-flags.ts';
import { takenFlags, takenLoopFlags } from './taken-flags.ts';
import { tlsFlags } from './tls-flags.ts';

/** kube-apiserver's, and two for etcd's own users, for whom upstream has none. */
export const etcdFlags = [
  'etcd-servers',
  'etcd-servers-overrides',
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
  'livez-grace-period',
  'cors-allowed-origins',
  'strict-transport-security-directives',
  'permit-address-sharing',
  'permit-port-sharing',
  'delete-collection-workers',
  'disable-http2-serving',
  'external-hostname',
  'http2-max-streams-per-connection',
  'kubelet-preferred-address-types',
  'shutdown-watch-termination-grace-period',
] as const;
/** kube-apiserver's flags of who is let in. */
export const authenticationFlags = [
  'anonymous-auth',
  'api-audiences',
  'authentication-config',
  'authentication-token-webhook-cache-ttl',
  'authentication-token-webhook-config-file',
  'authentication-token-webhook-version',
  'authorization-config',
  'authorization-policy-file',
  'authorization-webhook-cache-authorized-ttl',
  'authorization-webhook-cache-unauthorized-ttl',
  'authorization-webhook-config-file',
  'authorization-webhook-version',
  'client-ca-file',
  'enable-bootstrap-token-auth',
  ...oidcFlags,
  'requestheader-allowed-names',
  'requestheader-username-headers',
  'requestheader-uid-headers',
  'requestheader-group-headers',
  'requestheader-extra-headers-prefix',
  'service-account-extend-token-expiration',
  'service-account-issuer',
  'service-account-jwks-uri',
  'service-account-lookup',
  'service-account-max-token-expiration',
  'token-auth-file',
] as const;
export const apiserverFlags = [
  'allow-privileged',
  'enable-admission-plugins',
  'admission-control-config-file',
  'disable-admission-plugins',
  'authorization-mode',
  ...authenticationFlags,
  ...keyFlags,
  'service-cluster-ip-range',
  'service-node-port-range',
  'default-not-ready-toleration-seconds',
  'default-unreachable-toleration-seconds',
  'runtime-config',
  'feature-gates',
  ...auditFlags,
  'tracing-config-file',
  'egress-selector-config-file',
  ...metricFlags,
  'kubernetes-service-node-port',
  'endpoint-reconciler-type',
  'enable-aggregator-routing',
  'encryption-provider-config',
  'encryption-provider-config-automatic-reload',
  'history',
  'event-ttl',
  ...servingFlags,
  ...tlsFlags,
  ...etcdFlags,
  'version',
  ...logFlags,
  ...takenFlags,
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
/** Of the HTTPS of the scheduler and the controller manager, and of what they tell. */
const loopFlags = [
  'bind-address',
  'secure-port',
  'feature-gates',
  'version',
  ...logFlags,
  ...leaderElectionFlags,
  ...takenLoopFlags,
] as const;
export const controllerManagerFlags = ['allocate-node-cidrs', 'controllers', ...controllerFlags, ...signingFlags, ...loopFlags] as const;
export const schedulerFlags = ['config', ...loopFlags] as const;

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
