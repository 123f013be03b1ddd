/** One HTTPS server for the kubelets of many simulated nodes: each is called by its node's name, in TLS and in HTTP's `Host`. */
import type { IncomingMessage } from 'node:http';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Logger } from 'pino';
import { sendText } from './endpoints.ts';
import { type KubeletRequests, type KubeletRequestsOptions, kubeletRequests } from './kubelet-requests.ts';
import type { KubeletServer } from './kubelet-server.ts';
import { refuse } from './remote-command.ts';
import { secureServer } from './secure-server.ts';

export interface SharedKubeletServerOptions {
  /** What is needed to answer for a node; undefined for one that is not here. Asked once, when somebody calls it. */
  node(name: string): KubeletRequestsOptions | undefined;
  /** A serving certificate for the node, PEM. */
  certificateFor(name: string): Promise<{ certificate: string; key: string }>;
  /** Signs client certificates, PEM. */
  clientCa: string;
  address: string;
  /** 0: any that is free. */
  port: number;
  logger: Logger;
}

export function createSharedKubeletServer(options: SharedKubeletServerOptions): KubeletServer {
  const logger = options.logger.child({ component: 'kubelet-server' });
  const answering = new Map<string, KubeletRequests>();
  const contexts = new Map<string, Promise<SecureContext>>();

  function requestsOf({ headers }: IncomingMessage): KubeletRequests | undefined {
    const name = (headers.host ?? '').replace(/:\d*$/, '');
    const known = answering.get(name);
    if (known) return known;
    const node = options.node(name);
    if (!node) return undefined;
    const requests = kubeletRequests(node);
    answering.set(name, requests);
    return requests;
  }

  function contextOf(name: string): Promise<SecureContext> {
    const known = contexts.get(name);
    if (known) return known;
    const made = options
      .certificateFor(name)
      .then(({ certificate, key }) => createSecureContext({ cert: certificate, key, ca: options.clientCa }));
    contexts.set(name, made);
    made.catch(() => contexts.delete(name));
    return made;
  }

  const unknown = ({ headers }: IncomingMessage) => `no node ${JSON.stringify(headers.host ?? '')} is simulated here\n`;
  const server = secureServer({
    tls: {
      ca: options.clientCa,
      SNICallback(name, done) {
        if (!answering.has(name) && !options.node(name)) return done(new Error(`no node ${JSON.stringify(name)} is simulated here`));
        contextOf(name).then((context) => done(null, context), done);
      },
    },
    logger,
    async serve(request, response) {
      const requests = requestsOf(request);
      if (requests) await requests.serve(request, response);
      else sendText(response, 404, unknown(request));
    },
    async upgrade(request, socket, head) {
      const requests = requestsOf(request);
      if (requests) await requests.upgrade(request, socket, head);
      else refuse(socket, 404, unknown(request));
    },
  });

  return {
    listen: () => server.listen(options.port, options.address),
    async close() {
      for (const requests of answering.values()) requests.close();
      await server.close();
    },
  };
}
