/** What /flagz tells: each flag that a component knows, as it is set or as it is by default (in Go's form of the value). */
import type { ComponentArgs } from './config.ts';

const logDefaults = { v: '0', 'logging-format': 'text' };

export const apiserverDefaults: Readonly<Record<string, string>> = {
  ...logDefaults,
  'aggregator-reject-forwarding-redirect': 'true',
  'allow-privileged': 'false',
  'anonymous-auth': 'true',
  'apiserver-count': '1',
  'audit-log-batch-buffer-size': '10000',
  'audit-log-batch-max-size': '1',
  'audit-log-compress': 'false',
  'audit-log-format': 'json',
  'audit-log-maxage': '366',
  'audit-log-maxbackup': '100',
  'audit-log-maxsize': '100',
  'audit-log-mode': 'blocking',
  'audit-log-truncate-enabled': 'false',
  'audit-webhook-mode': 'batch',
  'authentication-token-webhook-cache-ttl': '2m0s',
  'authentication-token-webhook-version': 'v1beta1',
  'authorization-mode': '[Node,RBAC]',
  'authorization-webhook-cache-authorized-ttl': '5m0s',
  'authorization-webhook-cache-unauthorized-ttl': '30s',
  'authorization-webhook-version': 'v1beta1',
  'contention-profiling': 'false',
  'default-not-ready-toleration-seconds': '300',
  'default-unreachable-toleration-seconds': '300',
  'default-watch-cache-size': '100',
  'delete-collection-workers': '1',
  'disable-http2-serving': 'false',
  'enable-aggregator-routing': 'true',
  'enable-bootstrap-token-auth': 'true',
  'enable-garbage-collector': 'true',
  'enable-priority-and-fairness': 'true',
  'encryption-provider-config-automatic-reload': 'false',
  'etcd-compaction-interval': '5m0s',
  'etcd-count-metric-poll-period': '1m0s',
  'etcd-db-metric-poll-interval': '30s',
  'etcd-healthcheck-timeout': '2s',
  'etcd-prefix': '/registry',
  'etcd-readycheck-timeout': '2s',
  'endpoint-reconciler-type': 'lease',
  'event-ttl': '1h0m0s',
  'goaway-chance': '0',
  'http2-max-streams-per-connection': '250',
  'kubelet-preferred-address-types': '[InternalIP,Hostname,InternalDNS,ExternalDNS,ExternalIP]',
  'kubelet-timeout': '5s',
  'lease-reuse-duration-seconds': '60',
  'log-flush-frequency': '5s',
  'max-connection-bytes-per-sec': '0',
  'max-mutating-requests-inflight': '200',
  'max-requests-inflight': '400',
  'livez-grace-period': '0s',
  'min-request-timeout': '1800',
  'oidc-signing-algs': '[RS256]',
  'oidc-username-claim': 'sub',
  'permit-address-sharing': 'true',
  'permit-port-sharing': 'false',
  profiling: 'false',
  'request-timeout': '1m0s',
  'requestheader-allowed-names': '[front-proxy-client]',
  'requestheader-extra-headers-prefix': '[X-Remote-Extra-]',
  'requestheader-group-headers': '[X-Remote-Group]',
  'requestheader-uid-headers': '[X-Remote-Uid]',
  'requestheader-username-headers': '[X-Remote-User]',
  'service-account-extend-token-expiration': 'true',
  'service-account-lookup': 'true',
  'service-account-max-token-expiration': '0s',
  'kubernetes-service-node-port': '0',
  'service-node-port-range': '30000-32767',
  'shutdown-delay-duration': '0s',
  'shutdown-send-retry-after': 'false',
  'shutdown-watch-termination-grace-period': '0s',
  'storage-initialization-timeout': '1m0s',
  'watch-cache': 'true',
  'storage-media-type': 'application/json',
};

export const loopDefaults: Readonly<Record<string, string>> = {
  ...logDefaults,
  'bind-address': '127.0.0.1',
  'leader-elect-lease-duration': '15s',
  'leader-elect-renew-deadline': '10s',
  'leader-elect-retry-period': '2s',
  'leader-elect-resource-lock': 'leases',
  'leader-elect-resource-namespace': 'kube-system',
};

/** What nobody is told. */
const classified = new Set(['etcd-password']);

export function flagValues(
  known: readonly string[],
  args: ComponentArgs,
  defaults: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    known.map((name) => [name, classified.has(name) && args[name] ? 'CLASSIFIED' : (args[name] ?? defaults[name] ?? '')]),
  );
}

/** When this process began, milliseconds since the epoch. */
export const processStartMs = (now: number): number => now - process.uptime() * 1000;
