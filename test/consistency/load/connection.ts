/** Requests to one API server over HTTPS, each tried once, so that what is not known to have happened is not hidden by a second try. */
import { Agent, request } from 'node:https';

export interface ServerAddress {
  name: string;
  host: string;
  port: number;
  tls: { ca: string | Buffer; cert: string | Buffer; key: string | Buffer };
}

export interface Reply {
  status: number;
  // The decoded JSON of any answer of the API.
  body: Json;
}

export interface Json {
  [name: string]: unknown;
}

/** The connection was refused: nobody can have heard the request. */
export class NotSentError extends Error {}

export interface Connection {
  readonly server: string;
  /** Throws NotSentError, and anything else when it is not known what became of the request. */
  send(method: string, path: string, options?: { body?: unknown; contentType?: string; timeoutMs?: number }): Promise<Reply>;
  /** Decoded lines of a watch as they come. Throws when the connection is lost; `status` is told once the server has answered. */
  lines(path: string, signal: AbortSignal): AsyncGenerator<Json, { status: number; body?: Json }>;
  close(): void;
}

const timeoutMs = 6000;

export function connectTo({ name, host, port, tls }: ServerAddress): Connection {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  // An address in a namespace of the run's own is not in the certificate; the authority and a name are.
  const target = { host, port, ...tls, servername: 'kubernetes.default.svc' };
  const refused = (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED' || error.code === 'EHOSTUNREACH';

  return {
    server: name,
    send: (method, path, options = {}) =>
      new Promise((resolve, reject) => {
        const payload = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
        const headers = payload
          ? { 'content-type': options.contentType ?? 'application/json', 'content-length': String(payload.length) }
          : {};
        const sent = request({ ...target, agent, method, path, headers }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            clearTimeout(timer);
            try {
              resolve({ status: response.statusCode ?? 0, body: parse(Buffer.concat(chunks).toString()) });
            } catch (error) {
              reject(error);
            }
          });
        });
        const timer = setTimeout(() => sent.destroy(new Error('no answer in time')), options.timeoutMs ?? timeoutMs);
        sent.on('error', (error) => {
          clearTimeout(timer);
          reject(refused(error) ? new NotSentError(error.message) : error);
        });
        sent.end(payload);
      }),
    async *lines(path, signal) {
      // A connection of its own: cutting it is part of the test.
      const sent = request({ ...target, agent: false, method: 'GET', path, signal });
      const answered = Promise.withResolvers<import('node:http').IncomingMessage>();
      sent.once('response', answered.resolve);
      sent.on('error', (error) => answered.reject(refused(error) ? new NotSentError(error.message) : error));
      sent.end();
      const response = await answered.promise;
      const status = response.statusCode ?? 0;
      let rest = '';
      for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        if (status === 200) for (const line of lines) if (line) yield parse(line);
      }
      return status === 200 ? { status } : { status, body: parse(rest) };
    },
    close: () => agent.destroy(),
  };
}

// Every answer is an object; what the server sends else is told by its status.
function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return { message: text };
  }
}
