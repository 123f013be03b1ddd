/**
 * Answers load balancers' question at a Service's healthCheckNodePort: whether this node has endpoints of it (externalTrafficPolicy
 * Local). A port a service, opened and closed as services come and go.
 */
import { createServer, type Server } from 'node:http';
import type { Logger } from 'pino';
import type { ServicePort } from './service-map.ts';

export interface HealthCheckNodes {
  /** These are all service ports now. */
  sync(ports: Iterable<ServicePort>): void;
  close(): Promise<void>;
}

interface Checked {
  namespace: string;
  name: string;
  port: number;
  localEndpoints: number;
}

/** The services that have such a port, by `namespace/name`, with how many addresses of theirs are here. */
export function healthChecked(ports: Iterable<ServicePort>): Map<string, Checked> {
  const addresses = new Map<string, Set<string>>();
  const found = new Map<string, Checked>();
  for (const port of ports) {
    if (port.healthCheckNodePort === 0) continue;
    const [key = ''] = port.name.split(':');
    const [namespace = '', name = ''] = key.split('/');
    const own = addresses.get(key) ?? new Set<string>();
    addresses.set(key, own);
    for (const { ip, isLocal, ready } of port.endpoints) if (isLocal && ready) own.add(ip);
    found.set(key, { namespace, name, port: port.healthCheckNodePort, localEndpoints: own.size });
  }
  return found;
}

export function healthCheckNodes({ logger, isHealthy }: { logger: Logger; isHealthy(): boolean }): HealthCheckNodes {
  let checked = new Map<string, Checked>();
  const servers = new Map<string, { port: number; server: Server }>();

  function serve(key: string, port: number): Server {
    const server = createServer((_request, response) => {
      const { namespace, name, localEndpoints } = checked.get(key) ?? { namespace: '', name: '', localEndpoints: 0 };
      const serviceProxyHealthy = isHealthy();
      response.writeHead(localEndpoints > 0 && serviceProxyHealthy ? 200 : 503, {
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        'x-load-balancing-endpoint-weight': String(localEndpoints),
      });
      response.end(JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy }));
    });
    // Somebody else's port: the service's traffic goes on, only nobody can ask for it here.
    server.on('error', (error) => logger.error({ err: error, service: key, port }, 'Failed to start healthcheck'));
    server.listen(port);
    return server;
  }

  function stop(key: string): void {
    const entry = servers.get(key);
    servers.delete(key);
    entry?.server.close();
    entry?.server.closeAllConnections();
  }

  return {
    sync(ports) {
      checked = healthChecked(ports);
      for (const [key, { port }] of servers) if (checked.get(key)?.port !== port) stop(key);
      for (const [key, { port }] of checked) if (!servers.has(key)) servers.set(key, { port, server: serve(key, port) });
    },
    async close() {
      const closing = [...servers.values()].map(({ server }) => new Promise((resolve) => server.close(resolve)));
      for (const key of [...servers.keys()]) stop(key);
      await Promise.all(closing);
    },
  };
}
