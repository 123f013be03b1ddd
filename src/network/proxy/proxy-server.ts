/** kube-proxy's two plain HTTP servers: health for load balancers (/healthz, /livez), and metrics. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { counters, exposition, expositionType, registerProcessMetrics } from '../../observability/index.ts';
import type { Clock } from '../../time/index.ts';
import type { ProxyHealth } from './proxy-health.ts';

export interface ProxyServerOptions {
  health: ProxyHealth;
  metrics: Registry;
  clock: Clock;
  logger: Logger;
  /** Where health and metrics are served; undefined: they are not. */
  healthz?: ListenAddress | undefined;
  metricsAt?: ListenAddress | undefined;
  /** What /configz answers. */
  configz(): object;
}

export interface ListenAddress {
  host: string;
  port: number;
}

export interface ProxyServer {
  close(): Promise<void>;
}

/** Go's time.Time in text: `2026-11-21 15:48:39.123 +0000 UTC`. */
function goTime(ms: number | undefined): string {
  if (ms === undefined) return '0001-01-01 00:00:00 +0000 UTC';
  return `${new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.?0*Z$/, '')} +0000 UTC`;
}

/** A body in upstream's words. The node is eligible for load balancers as long as nobody is about to delete it, which a node can't know. */
function healthBody(health: ProxyHealth, now: number, withNode: boolean): string {
  const updated = goTime(health.isHealthy() ? now : health.lastUpdatedMs);
  return `{"lastUpdated": ${JSON.stringify(updated)},"currentTime": ${JSON.stringify(goTime(now))}${withNode ? ', "nodeEligible": true' : ''}}`;
}

function answerText(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' });
  response.end(body);
}

const pathOf = ({ url = '/' }: IncomingMessage) => url.split('?', 1)[0] ?? '/';
const plain = 'text/plain; charset=utf-8';

export async function openProxyServer(options: ProxyServerOptions): Promise<ProxyServer> {
  const { health, metrics, clock, logger } = options;
  registerProcessMetrics(metrics);
  const asked = {
    '/healthz': counters(metrics, { name: 'kubeproxy_proxy_healthz_total', help: 'Cumulative proxy healthz HTTP status' }),
    '/livez': counters(metrics, { name: 'kubeproxy_proxy_livez_total', help: 'Cumulative proxy livez HTTP status' }),
  };
  const healthServer = () =>
    createServer((request, response) => {
      const path = pathOf(request);
      if (path !== '/healthz' && path !== '/livez') return answerText(response, 404, plain, '404 page not found\n');
      const status = health.isHealthy() ? 200 : 503;
      asked[path].with({ code: String(status) }).inc();
      answerText(response, status, 'application/json', healthBody(health, clock.now(), path === '/healthz'));
    });
  const metricsServer = () =>
    createServer(async (request, response) => {
      const path = pathOf(request);
      if (path === '/metrics') return answerText(response, 200, expositionType, await exposition(metrics));
      if (path === '/healthz') return answerText(response, 200, plain, 'ok');
      if (path === '/proxyMode') return answerText(response, 200, plain, 'iptables');
      if (path === '/configz') return answerText(response, 200, 'application/json', `${JSON.stringify(options.configz())}\n`);
      answerText(response, 404, plain, '404 page not found\n');
    });
  const servers = await Promise.all([
    ...(options.healthz ? [listen(healthServer(), options.healthz)] : []),
    ...(options.metricsAt ? [listen(metricsServer(), options.metricsAt)] : []),
  ]);
  for (const server of servers) server.on('error', (error) => logger.error({ err: error }, "kube-proxy's server failed"));
  return {
    async close() {
      await Promise.all(
        servers.map(
          (server) =>
            new Promise<void>((resolve) => {
              server.close(() => resolve());
              server.closeAllConnections();
            }),
        ),
      );
    },
  };
}

function listen(server: Server, { host, port }: ListenAddress): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}
