/** A receiver that a kubeconfig names: of audit events, of reviews. */
import { type RequestOptions as HttpRequestOptions, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { connectionOf, loadKubeconfig } from '../../client/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import { connectionProblem, serverProblem } from './go-words.ts';
import { serverIdentity } from './server-identity.ts';

/** The receiver has answered, but not that all is well. */
export class RefusedError extends Error {
  readonly status: number;
  /** Whether it says when to come again. */
  readonly saysWhen: boolean;
  constructor(
    status: number,
    text: string,
    { contentType, saysWhen = false }: { contentType?: string | undefined; saysWhen?: boolean } = {},
  ) {
    super(serverProblem(status, text, contentType));
    this.status = status;
    this.saysWhen = saysWhen;
  }
}

export interface KubeconfigWebhook {
  readonly url: string;
  /** Posts JSON; the text of the answer. Throws RefusedError where it is no success. */
  post(body: string, signal: AbortSignal): Promise<string>;
}

const refusal = (status: number, text: string, headers: IncomingHttpHeaders) =>
  new RefusedError(status, text, { contentType: headers['content-type'], saysWhen: headers['retry-after'] !== undefined });

const maxAnswerBytes = 3 * 1024 * 1024;

/** Throws where the kubeconfig can't be used. */
export async function openKubeconfigWebhook(configFile: string): Promise<KubeconfigWebhook> {
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
  const agent = new Agent({
    keepAlive: true,
    // As Node's own agent.
    timeout: 5000,
    ca: pem(connection.ca),
    cert: pem(connection.cert),
    key: pem(connection.key),
    rejectUnauthorized: !connection.insecureSkipTlsVerify,
    checkServerIdentity: serverIdentity(),
    ...(connection.tlsServerName ? { servername: connection.tlsServerName } : {}),
  });
  return {
    url: connection.server,
    post: (body, signal) =>
      new Promise((resolve, reject) => {
        const sent = url.protocol === 'http:' ? httpRequest(url, { ...options, signal }) : httpsRequest(url, { ...options, agent, signal });
        sent.on('response', (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            text += chunk;
            if (text.length > maxAnswerBytes)
              sent.destroy(new Error(`the webhook response is too large: limit is ${maxAnswerBytes} bytes`));
          });
          response.on('error', reject);
          const status = response.statusCode ?? 0;
          response.on('end', () => (status >= 200 && status < 300 ? resolve(text) : reject(refusal(status, text, response.headers))));
        });
        sent.on('error', reject);
        sent.end(body);
      }),
  };
}

/** What a review is asked again after: an answer that says so, or a connection that was lost (k8s.io/apiserver's DefaultShouldRetry). */
function isPassing(error: unknown): boolean {
  if (error instanceof RefusedError) return error.saysWhen || error.status === 429 || (error.status >= 500 && error.status !== 503);
  const { cause } = error as { cause?: { code?: string } };
  return cause?.code === 'ECONNRESET';
}

/** Of one try. */
export type PostOutcome = 'success' | 'timeout' | 'error';

export interface PatienceOptions {
  clock: Clock;
  random: Random;
  initialBackoffMs: number;
  /** For one try. Default 30 seconds. */
  timeoutMs?: number;
  /** Whether another try may help after this. Default: what reviews are asked again after. */
  mayHelp?(error: unknown): boolean;
  /** Told of each try and the seconds that it took. */
  onTry?(outcome: PostOutcome, seconds: number): void;
}

/** Upstream's retries: so many tries, each wait half as long again as the last, give or take. */
const steps = 5;
const factor = 1.5;
const jitter = 0.2;
const defaultTimeoutMs = 30_000;

/**
 * Posts, again and again where that may help; the answer as `read` makes it out. An answer that it throws for is no success.
 * Throws in upstream's words what the last try threw.
 */
export async function postPatiently<T>(
  webhook: KubeconfigWebhook,
  body: string,
  { clock, random, initialBackoffMs, timeoutMs = defaultTimeoutMs, mayHelp = isPassing, onTry }: PatienceOptions,
  read: (answer: string) => T,
): Promise<T> {
  const attempt = async (): Promise<T> => {
    const deadline = new AbortController();
    const timer = clock.setTimer(timeoutMs, () => deadline.abort(new Error('context deadline exceeded')), { background: true });
    const startedMs = clock.monotonic();
    const tried = (outcome: PostOutcome) => onTry?.(outcome, (clock.monotonic() - startedMs) / 1000);
    try {
      const answer = await webhook.post(body, deadline.signal).catch((error: unknown) => {
        if (error instanceof RefusedError) throw error;
        const why = deadline.signal.aborted ? 'context deadline exceeded' : connectionProblem(error);
        throw new Error(`Post ${JSON.stringify(webhook.url)}: ${why}`, { cause: error });
      });
      const told = read(answer);
      tried('success');
      return told;
    } catch (error) {
      tried(deadline.signal.aborted || (error instanceof RefusedError && error.status === 504) ? 'timeout' : 'error');
      throw error;
    } finally {
      timer.cancel();
    }
  };
  let delayMs = initialBackoffMs;
  for (let step = 1; ; step++) {
    try {
      return await attempt();
    } catch (error) {
      if (step >= steps || !mayHelp(error)) throw error;
    }
    await clock.sleep(delayMs * (1 + random.next() * jitter));
    delayMs *= factor;
  }
}
