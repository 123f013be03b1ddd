/** kube-proxy's metrics, under upstream's names. */
import { exponentialBuckets, type Registry } from 'prom-client';
import { counters, gauges, histograms } from '../../observability/index.ts';
import type { Clock } from '../../time/index.ts';
import type { ProxyHealth } from './proxy-health.ts';

export type ProxyChange = 'service' | 'endpoint';

/** Is told what the proxy does. */
export interface ProxyObserver {
  queued(what: ProxyChange): void;
  /** `startedMs` on the monotonic clock; `full`: all rules were written, not only what changed. */
  synced(startedMs: number, full: boolean): void;
  failed(): void;
  /** Whether the proxy keeps up. */
  isHealthy(): boolean;
}

const family = { ip_family: 'IPv4' };

export function createProxyMetrics(registry: Registry, clock: Clock, health: ProxyHealth): ProxyObserver {
  const buckets = exponentialBuckets(0.001, 2, 15);
  const duration = histograms(registry, {
    name: 'kubeproxy_sync_proxy_rules_duration_seconds',
    help: 'SyncProxyRules latency in seconds',
    buckets,
  }).with(family);
  const fullDuration = histograms(registry, {
    name: 'kubeproxy_sync_full_proxy_rules_duration_seconds',
    help: 'SyncProxyRules latency in seconds for full resyncs',
    buckets,
  }).with(family);
  const partialDuration = histograms(registry, {
    name: 'kubeproxy_sync_partial_proxy_rules_duration_seconds',
    help: 'SyncProxyRules latency in seconds for partial resyncs',
    buckets,
  }).with(family);
  const lastSync = gauges(registry, {
    name: 'kubeproxy_sync_proxy_rules_last_timestamp_seconds',
    help: 'The last time proxy rules were successfully synced',
  }).with(family);
  const lastQueued = gauges(registry, {
    name: 'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds',
    help: 'The last time a sync of proxy rules was queued',
  }).with(family);
  const changes = (name: ProxyChange) => ({
    pending: gauges(registry, {
      name: `kubeproxy_sync_proxy_rules_${name}_changes_pending`,
      help: `Pending proxy rules ${name === 'service' ? 'Service' : 'Endpoint'} changes`,
    }).with({}),
    total: counters(registry, {
      name: `kubeproxy_sync_proxy_rules_${name}_changes_total`,
      help: `Cumulative proxy rules ${name === 'service' ? 'Service' : 'Endpoint'} changes`,
    }).with({}),
  });
  const of = { service: changes('service'), endpoint: changes('endpoint') };
  const failures = counters(registry, {
    name: 'kubeproxy_sync_proxy_rules_iptables_restore_failures_total',
    help: 'Cumulative proxy iptables restore failures',
  }).with(family);
  return {
    isHealthy: () => health.isHealthy(),
    queued(what) {
      health.queued();
      of[what].pending.inc();
      of[what].total.inc();
      lastQueued.value = clock.now() / 1000;
    },
    synced(startedMs, full) {
      health.updated();
      const seconds = (clock.monotonic() - startedMs) / 1000;
      duration.observe(seconds);
      (full ? fullDuration : partialDuration).observe(seconds);
      lastSync.value = clock.now() / 1000;
      for (const { pending } of Object.values(of)) pending.value = 0;
    },
    failed: () => failures.inc(),
  };
}
