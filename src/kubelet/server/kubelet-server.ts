/** The kubelet's HTTPS server, which the API server, metrics-server and Prometheus ask, and its health check on loopback. */
import { createServer as createHttpServer } from 'node:http';
import { sendHealth, sendText } from './endpoints.ts';
import { type KubeletRequestsOptions, kubeletRequests, splitUrl } from './kubelet-requests.ts';
import { closeServer, listenOn, secureServer } from './secure-server.ts';

export interface KubeletServerOptions extends KubeletRequestsOptions {
  tls: {
    cert: string;
    key: string;
    /** Signs client certificates, PEM (--client-ca-file). */
    clientCa: string;
  };
  /** Default 0.0.0.0. */
  address?: string;
  /** Default 10250; 0: any that is free. */
  port?: number;
  /** Plain HTTP on loopback for /healthz; default 10248, 0: none. */
  healthzPort?: number;
  /** --healthz-bind-address; default 127.0.0.1. */
  healthzAddress?: string | undefined;
}

export interface KubeletServer {
  listen(): Promise<{ address: string; port: number }>;
  close(): Promise<void>;
}

export function createKubeletServer(options: KubeletServerOptions): KubeletServer {
  const { kubelet, tls } = options;
  const logger = options.logger.child({ component: 'kubelet-server', node: kubelet.nodeName });
  const requests = kubeletRequests(options);
  const server = secureServer({ tls: { cert: tls.cert, key: tls.key, ca: tls.clientCa }, logger, ...requests });
  const health = createHttpServer((request, response) => {
    if (splitUrl(request.url).path === '/healthz') sendHealth(response, kubelet);
    else sendText(response, 404, '404 page not found\n');
  });

  return {
    async listen() {
      const healthzPort = options.healthzPort ?? 10248;
      const { address, port } = await server.listen(options.port ?? 10250, options.address ?? '0.0.0.0');
      if (healthzPort !== 0) await listenOn(health, healthzPort, options.healthzAddress ?? '127.0.0.1');
      health.on('error', (error) => logger.error({ err: error }, "the kubelet's health check failed"));
      return { address, port };
    },
    async close() {
      requests.close();
      await Promise.all([server.close(), closeServer(health)]);
    },
  };
}
