/** One kubelet's answers: who asks and whether they may, then plain requests and upgrades. On which port they come, it does not know. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { type Client, createDelegation } from '../../client/index.ts';
import type { Runtime } from '../../runtime/index.ts';
import type { Clock } from '../../time/index.ts';
import type { MachineInfo } from '../node/machine.ts';
import { authentication } from './authentication.ts';
import { authorization } from './authorization.ts';
import { containerExits } from './container-exits.ts';
import { answer, type ServedKubelet, sendText } from './endpoints.ts';
import { LogRequestError } from './logs/log-request.ts';
import { failureOf, joinStreams, parseCommandPath, refuse, streamingUrl } from './remote-command.ts';

/** --authentication-token-webhook-cache-ttl's default; what is refused is asked again sooner. */
const tokenTtl = { yesMs: 120_000, noMs: 10_000 };
/** --authorization-webhook-cache-authorized-ttl and -unauthorized-ttl's defaults. */
const accessTtl = { yesMs: 300_000, noMs: 30_000 };

export interface KubeletRequestsOptions {
  kubelet: ServedKubelet;
  runtime: Runtime;
  /** Asks the API server who may do what (TokenReview, SubjectAccessReview). */
  client: Client;
  machine: MachineInfo;
  metrics: Registry;
  clock: Clock;
  logger: Logger;
  /** --anonymous-auth, default false: who shows nothing is refused. */
  anonymous?: boolean;
}

export interface KubeletRequests {
  serve(request: IncomingMessage, response: ServerResponse): Promise<void>;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
  /** Breaks off what goes on. */
  close(): void;
}

export function kubeletRequests(options: KubeletRequestsOptions): KubeletRequests {
  const { kubelet, runtime, client, machine, metrics, clock } = options;
  const { nodeName } = kubelet;
  const logger = options.logger.child({ component: 'kubelet-server', node: nodeName });
  const lifetime = new AbortController();
  const delegation = createDelegation({ client, clock, tokens: tokenTtl, access: accessTtl });
  const authenticate = authentication({ delegation, anonymous: options.anonymous ?? false });
  const authorize = authorization({ delegation, nodeName });
  const exits = containerExits({ runtime, clock, logger });
  const endpoints = { kubelet, runtime, machine, metrics, clock, exits };

  /** Why the request may not be, with its HTTP status; undefined where it may. */
  const objection = async (request: IncomingMessage, path: string): Promise<{ status: number; message: string } | undefined> => {
    try {
      const user = await authenticate(request);
      if (user === undefined) return { status: 401, message: 'Unauthorized' };
      const verdict = await authorize(user, request.method ?? 'GET', path);
      return verdict.allowed ? undefined : { status: 403, message: verdict.message };
    } catch (error) {
      logger.error({ err: error, path }, 'Unable to authorize a request');
      return { status: 500, message: `Authorization error: ${error instanceof Error ? error.message : String(error)}` };
    }
  };

  return {
    async serve(request, response) {
      const gone = new AbortController();
      response.on('close', () => gone.abort(new Error('the client has gone')));
      const signal = AbortSignal.any([gone.signal, lifetime.signal]);
      const { path, query } = splitUrl(request.url);
      try {
        const refused = await objection(request, path);
        if (refused) return sendText(response, refused.status, refused.message);
        await answer(endpoints, { method: request.method ?? 'GET', path, query, response, signal });
      } catch (error) {
        if (signal.aborted) return void response.destroy();
        const { status, message } = error instanceof LogRequestError ? error : failureOf(error);
        if (status >= 500) logger.warn({ err: error, path }, 'could not answer a request');
        // A stream that has begun breaks off, so that nobody takes it for whole.
        if (response.headersSent) response.destroy();
        else sendText(response, status, message);
      }
    },
    async upgrade(request, socket, head) {
      const { path, query } = splitUrl(request.url);
      const refused = await objection(request, path);
      if (refused) return refuse(socket, refused.status, refused.message);
      const [kind, ...rest] = path.slice(1).replace(/\/+$/, '').split('/').map(decodeURIComponent);
      if (kind !== 'exec' && kind !== 'attach' && kind !== 'portForward') return refuse(socket, 404, '404 page not found\n');
      const target = parseCommandPath(rest, kind !== 'portForward');
      if (target === undefined) return refuse(socket, 404, '404 page not found\n');
      try {
        const url = await streamingUrl(kind, target, query, { source: kubelet, runtime });
        await joinStreams(url, request, socket, head, lifetime.signal);
      } catch (error) {
        const { status, message } = failureOf(error);
        if (!socket.destroyed) refuse(socket, status, message);
      }
    },
    close() {
      lifetime.abort(new Error('the kubelet is shutting down'));
      exits.close();
    },
  };
}

export function splitUrl(url = '/'): { path: string; query: URLSearchParams } {
  const at = url.indexOf('?');
  return at < 0 ? { path: url, query: new URLSearchParams() } : { path: url.slice(0, at), query: new URLSearchParams(url.slice(at + 1)) };
}
