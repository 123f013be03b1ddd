/** A receiver that a kubeconfig names: of audit events, of reviews. */
import { type RequestOptions as HttpRequestOptions, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connectionOf, loadKubeconfig } from '../../client/index.ts';

/** The receiver has answered, but not that all is well. */
export class RefusedError extends Error {
  readonly status: number;
  constructor(status: number, text: string) {
    super(`the server responded with the status code ${status}${text === '' ? '' : `: ${text.slice(0, 1024)}`}`);
    this.status = status;
  }
}

export interface KubeconfigWebhook {
  readonly url: string;
  /** Posts JSON; the text of the answer. Throws RefusedError where it is no success. */
  post(body: string, signal: AbortSignal): Promise<string>;
}

/** What may go better the next time: everything but a refusal of this very request. */
export const mayRetry = (error: unknown) => !(error instanceof RefusedError) || error.status === 429 || error.status >= 500;

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
  const tls = {
    ca: pem(connection.ca),
    cert: pem(connection.cert),
    key: pem(connection.key),
    rejectUnauthorized: !connection.insecureSkipTlsVerify,
    ...(connection.tlsServerName ? { servername: connection.tlsServerName } : {}),
  };
  return {
    url: connection.server,
    post: (body, signal) =>
      new Promise((resolve, reject) => {
        const sent =
          url.protocol === 'http:' ? httpRequest(url, { ...options, signal }) : httpsRequest(url, { ...options, ...tls, signal });
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
          response.on('end', () => (status >= 200 && status < 300 ? resolve(text) : reject(new RefusedError(status, text))));
        });
        sent.on('error', reject);
        sent.end(body);
      }),
  };
}
