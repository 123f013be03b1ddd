/**
 * Calls webhooks: posts JSON to a URL or a Service over HTTPS, and reads JSON. What a webhook does (hang, lie, redirect, send
 * garbage or too much) costs the one call and nothing else. Connections are kept and shared between calls.
 */
import { Agent, request } from 'node:https';
import { isIP } from 'node:net';
import { parseExactly } from '../../api/index.ts';
import type { Transport } from '../../client/index.ts';
import { currentSpan, spanKind, traced } from '../../observability/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import type { Storages } from '../storages.ts';
import { connectionProblem, serverProblem } from './go-words.ts';
import { serverIdentity } from './server-identity.ts';
import { resolveService } from './service-address.ts';
import type { CredentialsFor, WebhookCredentials } from './webhook-credentials.ts';

/** Where a webhook is, as `clientConfig` of every kind that has webhooks says it. */
export interface WebhookClientConfig {
  url?: string;
  service?: { namespace: string; name: string; path?: string; port?: number };
  /** PEM in base64. Default: the authorities of the system. */
  caBundle?: string;
}

export interface WebhookCall {
  /** Aborted: the call ends at once. */
  signal?: AbortSignal;
  timeoutSeconds: number;
  /** Who the server says it is. Default: nobody. */
  credentialsFor?: CredentialsFor | undefined;
  /** Whether the timeout is in the query, for the webhook to know. */
  sendTimeout?: boolean;
  /** Default 3 MiB, as the server's own requests. */
  maxAnswerBytes?: number;
}

/** An answer that is no success. */
export class WebhookStatusError extends Error {
  override readonly name = 'WebhookStatusError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface WebhookClient {
  /** The decoded answer. Throws an Error in upstream's words for whatever goes wrong. */
  post(config: WebhookClientConfig, body: object, call: WebhookCall): Promise<unknown>;
  close(): void;
}

export interface WebhookClientOptions {
  storages: Storages;
  /** The way into the server itself, which is what the Service `kubernetes` means to it: it need not have an address yet. */
  loopback?: Transport;
  clock: Clock;
  random: Random;
  /** Told of a webhook whose certificate names it by its common name only. */
  missingSan?: () => void;
}

/** Whom the server trusts, and who it says it is. */
type Tls = WebhookCredentials & { ca: string | undefined };

interface Reply {
  body: string;
  statusCode: number;
  contentType: string;
}

interface Target {
  /** As it is shown in errors. */
  shown: string;
  /** With the port, whether or not it is the usual one. */
  hostPort: string;
  path: string;
  serverName: string;
  hostHeader: string;
  /** Where it is by now; a Service's endpoint is another each time. */
  resolve(): Promise<{ host: string; port: number }>;
}

/** Whether a webhook is in the server itself, or behind it as an aggregated API (`loopbackResolver` of k8s.io/apiserver). */
const isLoopback = ({ url, service }: WebhookClientConfig): boolean =>
  url === undefined && service?.namespace === 'default' && service.name === 'kubernetes' && (service.port ?? 443) === 443;

/** Asks the server itself, in its own name. */
async function sendWithin(loopback: Transport, target: Target, body: object, signal: AbortSignal): Promise<Reply> {
  const { pathname: path, searchParams: query } = new URL(target.shown);
  const headers = { 'user-agent': userAgent };
  const contentType = 'application/json';
  const { status, body: answer } = await loopback.request({ method: 'POST', path, query, body, contentType, headers, signal });
  const text = typeof answer === 'string' ? answer : JSON.stringify(answer);
  if (status < 200 || status >= 300) throw new WebhookStatusError(status, serverProblem(status, text));
  return { body: text, statusCode: status, contentType };
}

const userAgent = 'kube-apiserver-admission';

/** More idle connections than this are closed. */
const maxIdleConnections = 64;
const defaultMaxAnswerBytes = 3 * 1024 * 1024;

function targetOf(config: WebhookClientConfig, options: WebhookClientOptions, query: string): Target {
  if (config.url !== undefined) {
    const url = new URL(config.url);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const address = { host, port: Number(url.port || 443) };
    return {
      shown: `${url.origin}${url.pathname}${query}`,
      hostPort: `${url.hostname}:${address.port}`,
      path: `${url.pathname}${query}`,
      serverName: host,
      hostHeader: url.host,
      resolve: async () => address,
    };
  }
  const { namespace, name, port = 443, path = '/' } = config.service ?? { namespace: '', name: '' };
  const serverName = `${name}.${namespace}.svc`;
  return {
    shown: `https://${serverName}:${port}${path}${query}`,
    hostPort: `${serverName}:${port}`,
    path: `${path}${query}`,
    serverName,
    hostHeader: `${serverName}:${port}`,
    resolve: () => resolveService(options.storages, options.random, { namespace, name, port }),
  };
}

export function createWebhookClient(options: WebhookClientOptions): WebhookClient {
  const agent = new Agent({
    keepAlive: true,
    maxFreeSockets: maxIdleConnections,
    scheduling: 'lifo',
    // Not a request's own: requests with one share no connections.
    checkServerIdentity: serverIdentity(options.missingSan),
  });

  const send = async (target: Target, tls: Tls, text: string, signal: AbortSignal, maxBytes: number): Promise<Reply> => {
    const span = currentSpan();
    const { host, port } = await target.resolve();
    signal.throwIfAborted();
    return new Promise<Reply>((resolve, reject) => {
      const sent = request(
        {
          agent,
          host,
          port,
          path: target.path,
          method: 'POST',
          // Addresses are no server names (RFC 6066); they are checked as addresses.
          servername: isIP(target.serverName) ? '' : target.serverName,
          ...(tls.ca === undefined ? {} : { ca: tls.ca }),
          ...(tls.cert === undefined ? {} : { cert: tls.cert, key: tls.key }),
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, */*',
            'content-length': Buffer.byteLength(text),
            host: target.hostHeader,
            'user-agent': userAgent,
            ...(span ? { traceparent: span.traceParent } : {}),
            ...(tls.authorization === undefined ? {} : { authorization: tls.authorization }),
          },
          signal,
        },
        (response) => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on('data', (chunk: Buffer) => {
            size += chunk.length;
            if (size > maxBytes) sent.destroy(new Error(`the webhook response is too large: limit is ${maxBytes} bytes`));
            else chunks.push(chunk);
          });
          response.on('error', reject);
          response.on('aborted', () => reject(new Error('unexpected EOF')));
          response.on('end', () => {
            const body = Buffer.concat(chunks).toString('utf8');
            const { statusCode = 0 } = response;
            if (statusCode >= 200 && statusCode < 300) resolve({ body, statusCode, contentType: response.headers['content-type'] ?? '' });
            else reject(new WebhookStatusError(statusCode, serverProblem(statusCode, body, response.headers['content-type'])));
          });
        },
      );
      sent.on('error', (error) => {
        // The webhook has closed a kept connection just when it was used again: nothing has been read of this call.
        if (sent.reusedSocket && 'code' in error && error.code === 'ECONNRESET' && !signal.aborted)
          send(target, tls, text, signal, maxBytes).then(resolve, reject);
        else reject(error);
      });
      sent.end(text);
    });
  };

  return {
    async post(config, body, { signal, timeoutSeconds, credentialsFor, sendTimeout = false, maxAnswerBytes = defaultMaxAnswerBytes }) {
      const deadline = new AbortController();
      const timer = options.clock.setTimer(timeoutSeconds * 1000, () => deadline.abort(), { background: true });
      const either = signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal;
      const target = targetOf(config, options, sendTimeout ? `?timeout=${Math.ceil(timeoutSeconds)}s` : '');
      const ca = config.caBundle ? Buffer.from(config.caBundle, 'base64').toString('utf8') : undefined;
      let reply: Reply;
      try {
        const attributes = () => ({ 'http.request.method': 'POST', 'url.full': target.shown });
        const { loopback } = options;
        const tls = { ca, ...(await credentialsFor?.(target.hostPort)) };
        const post = () =>
          loopback && isLoopback(config)
            ? sendWithin(loopback, target, body, either)
            : send(target, tls, JSON.stringify(body), either, maxAnswerBytes);
        reply = await traced('HTTP POST', attributes, post, spanKind.client);
      } catch (error) {
        // An answer's own words say enough; a connection's need where.
        if (error instanceof WebhookStatusError) throw error;
        const why = deadline.signal.aborted ? 'context deadline exceeded' : signal?.aborted ? 'context canceled' : connectionProblem(error);
        throw new Error(`Post ${JSON.stringify(target.shown)}: ${why}`, { cause: error });
      } finally {
        timer.cancel();
      }
      const { body: text, statusCode, contentType } = reply;
      if (text === '') throw new Error(`0-length response with status code: ${statusCode} and content type: ${contentType}`);
      try {
        return parseExactly(text);
      } catch {
        throw new Error(
          `couldn't get version/kind; json parse error: ${text.trim() === '' ? 'unexpected end of JSON input' : 'invalid JSON'}`,
        );
      }
    },
    close: () => agent.destroy(),
  };
}
