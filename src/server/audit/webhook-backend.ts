import { type RequestOptions as HttpRequestOptions, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Logger } from 'pino';
import { connectionOf, loadKubeconfig } from '../../client/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import type { AuditBackend } from './backend.ts';
import type { AuditMetrics } from './metrics.ts';

export interface WebhookOptions {
  /** --audit-webhook-config-file: a kubeconfig whose cluster is the receiver. */
  configFile: string;
  /** --audit-webhook-initial-backoff. */
  initialBackoffMs: number;
}

/** Upstream's retries: so many tries, each wait half as long again as the last, give or take. */
const steps = 5;
const factor = 1.5;
const jitter = 0.2;
const timeoutMs = 30_000;

class RefusedError extends Error {
  readonly status: number;
  constructor(status: number, text: string) {
    super(`the server responded with the status code ${status}${text === '' ? '' : `: ${text.slice(0, 1024)}`}`);
    this.status = status;
  }
}

type Send = (body: string, signal: AbortSignal) => Promise<void>;

async function sender({ configFile }: WebhookOptions): Promise<Send> {
  const connection = await connectionOf(await loadKubeconfig(configFile));
  const url = new URL(connection.server);
  const { token, username, password } = connection;
  const basic = username === undefined ? undefined : `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
  const authorization = token ? `Bearer ${token}` : basic;
  const options: HttpRequestOptions = {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) },
  };
  // A kubeconfig's PEM is text; only in process it may be a function.
  const pem = (value: typeof connection.ca) => (typeof value === 'function' ? value() : value);
  const tls = {
    ca: pem(connection.ca),
    cert: pem(connection.cert),
    key: pem(connection.key),
    rejectUnauthorized: !connection.insecureSkipTlsVerify,
    ...(connection.tlsServerName ? { servername: connection.tlsServerName } : {}),
  };
  return (body, signal) =>
    new Promise((resolve, reject) => {
      const sent = url.protocol === 'http:' ? httpRequest(url, { ...options, signal }) : httpsRequest(url, { ...options, ...tls, signal });
      sent.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          if (text.length < 4096) text += chunk;
        });
        response.on('error', reject);
        const status = response.statusCode ?? 0;
        response.on('end', () => (status >= 200 && status < 300 ? resolve() : reject(new RefusedError(status, text))));
      });
      sent.on('error', reject);
      sent.end(body);
    });
}

/** What may go better the next time: everything but a refusal of this very request. */
const mayRetry = (error: unknown) => !(error instanceof RefusedError) || error.status === 429 || error.status >= 500;

/** Posts batches as an EventList. Throws where the kubeconfig can't be used. */
export async function webhookBackend(
  options: WebhookOptions,
  { clock, random, logger, metrics }: { clock: Clock; random: Random; logger: Logger; metrics: AuditMetrics },
): Promise<AuditBackend> {
  const send = await sender(options);
  const attempt = async (body: string) => {
    const deadline = new AbortController();
    const timer = clock.setTimer(timeoutMs, () => deadline.abort(new Error('context deadline exceeded')), { background: true });
    try {
      await send(body, deadline.signal);
    } finally {
      timer.cancel();
    }
  };
  return {
    async process(events) {
      const body = JSON.stringify({ kind: 'EventList', apiVersion: 'audit.k8s.io/v1', metadata: {}, items: events });
      let delayMs = options.initialBackoffMs;
      for (let step = 1; ; step++) {
        try {
          await attempt(body);
          return true;
        } catch (error) {
          if (step >= steps || !mayRetry(error)) {
            metrics.failed('webhook', events.length);
            logger.error({ err: error }, `Error in audit plugin "webhook" affecting ${events.length} audit events`);
            return false;
          }
        }
        await clock.sleep(delayMs * (1 + random.next() * jitter));
        delayMs *= factor;
      }
    },
    close: () => Promise.resolve(),
  };
}
