/** Where kube-proxy answers: upstream's ports where they are free, others where a flag asks for them. */

import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import { createProxyHealth, createProxyMetrics, type ListenAddress, openProxyServer } from '../network/index.ts';
import { systemClock as clock } from '../time/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ClusterConfig, ComponentArgs } from './config.ts';
import { portNear } from './ports.ts';

const defaultMetricsPort = 10249;
const defaultHealthzPort = 10256;

/** `IP:PORT`, `[IP]:PORT` or an IP with the default port; an empty text turns it off. */
async function listenAddress(args: ComponentArgs, flag: string, host: string, port: number): Promise<ListenAddress | undefined> {
  const text = args[flag];
  if (text === undefined) return { host, port: await portNear(port) };
  if (text === '') return undefined;
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = bracketed ?? plain;
  if (address === undefined)
    throw new ClusterError(`invalid argument ${JSON.stringify(text)} for "--${flag}" flag: failed to parse IP:port`);
  return { host: address, port: digits === undefined ? port : Number(digits) };
}

/** Serves health and metrics; what it gives, the proxy is to tell. */
export async function serveProxy(config: ClusterConfig, logger: Logger, metrics: MetricsRegistry, syncMs: number | undefined) {
  const args = config.args.proxy;
  const health = createProxyHealth(clock, syncMs);
  const observer = createProxyMetrics(metrics, clock, health);
  const [healthz, metricsAt] = await Promise.all([
    listenAddress(args, 'healthz-bind-address', '0.0.0.0', defaultHealthzPort),
    listenAddress(args, 'metrics-bind-address', '127.0.0.1', defaultMetricsPort),
  ]);
  const configz = () => ({ 'kubeproxy.config.k8s.io': { Mode: 'iptables', ClusterCIDR: config.podCidr } });
  const server = await openProxyServer({ health, metrics, clock, logger, healthz, metricsAt, configz });
  return { observer, close: server.close };
}
