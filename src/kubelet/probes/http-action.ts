/** HTTP requests of probes and lifecycle hooks. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Container, HTTPGetAction } from '../../api/index.ts';

/** A number, or the name of one of the container's ports. */
export function resolvePort(port: number | string, container: Pick<Container, 'ports'>): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find((p) => p.name === port)?.containerPort ?? Number.parseInt(port, 10);
  if (!(named > 0 && named < 65_536)) throw new Error(`invalid port number: ${port}`);
  return named;
}

export function actionUrl(action: HTTPGetAction, container: Pick<Container, 'ports'>, podIP: string): URL {
  const host = action.host || podIP;
  const scheme = (action.scheme ?? 'HTTP').toLowerCase();
  const path = action.path ?? '/';
  return new URL(
    `${scheme}://${host.includes(':') ? `[${host}]` : host}:${resolvePort(action.port, container)}${path.startsWith('/') ? path : `/${path}`}`,
  );
}

const maxBody = 10 * 1024;
const maxRedirects = 10;

export interface HttpAnswer {
  status: number;
  /** Its first 10 KiB. */
  body: string;
  /** A redirect to another host, which is not followed. */
  foreignRedirect: boolean;
}

/** GETs as the kubelet does: certificates are not verified, redirects on the same host are followed. */
export async function httpAction(
  url: URL,
  action: HTTPGetAction,
  userAgent: string,
  signal: AbortSignal,
  redirects = 0,
): Promise<HttpAnswer> {
  const headers: Record<string, string | string[]> = { 'user-agent': userAgent, accept: '*/*', connection: 'close' };
  for (const { name, value } of action.httpHeaders ?? []) {
    const key = name.toLowerCase();
    const before = headers[key];
    const own = key === 'user-agent' || key === 'accept' || before === undefined;
    headers[key] = own ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  const answer = await new Promise<{ status: number; body: string; location: string | undefined }>((resolve, reject) => {
    const options = { headers, signal, agent: false as const };
    const send = url.protocol === 'https:' ? httpsRequest(url, { ...options, rejectUnauthorized: false }) : httpRequest(url, options);
    send.on('error', reject);
    send.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const done = () =>
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString('utf8', 0, maxBody),
          location: response.headers.location,
        });
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size >= maxBody) {
          done();
          response.destroy();
        }
      });
      response.on('end', done);
      response.on('error', reject);
    });
    send.end();
  });
  if (answer.status >= 300 && answer.status < 400 && answer.location) {
    const next = new URL(answer.location, url);
    if (next.hostname !== url.hostname) return { status: answer.status, body: answer.body, foreignRedirect: true };
    if (redirects >= maxRedirects) throw new Error('stopped after 10 redirects');
    return httpAction(next, action, userAgent, signal, redirects + 1);
  }
  return { status: answer.status, body: answer.body, foreignRedirect: false };
}

/** A failed request in the words of Go's net/http, which is what people know from `kubectl describe`. */
export function httpFailure(url: URL, error: unknown, timedOut: boolean): string {
  const prefix = `Get ${JSON.stringify(url.toString())}: `;
  if (timedOut) return `${prefix}context deadline exceeded (Client.Timeout exceeded while awaiting headers)`;
  return prefix + dialFailure(url.hostname, Number(url.port) || (url.protocol === 'https:' ? 443 : 80), error);
}

const causes: Record<string, string> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'i/o timeout',
};

export function dialFailure(host: string, port: number, error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'ECONNRESET') return 'EOF';
  const cause = causes[code];
  return cause ? `dial tcp ${host}:${port}: ${cause}` : error instanceof Error ? error.message : String(error);
}
