/** Handing requests and answers on: what a proxy may and may not pass (RFC 9110, 7.6.1). */
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { responseHead, tunnel, type UpgradeResult } from '../../client/index.ts';
import type { Answer, RequestContext, Upgrade } from '../exchange.ts';
import { valuesByKey } from '../http/header-text.ts';
import { textOf } from './log.ts';

const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** Who asks is the API server's business alone: a backend must not be able to act as its client. */
const isCredential = (name: string) => name === 'authorization' || name.startsWith('impersonate-') || name.startsWith('x-remote-');

/** A request's headers for the backend, repeated ones as lists. */
export function requestHeaders({ rawHeaders, remoteAddress }: RequestContext): OutgoingHttpHeaders {
  const listed = rawHeaders.filter(([name]) => name === 'connection').flatMap(([, value]) => value.toLowerCase().split(/\s*,\s*/));
  const passed: [name: string, value: string][] = [];
  for (const [name, value] of rawHeaders) {
    if (name === 'host' || hopByHop.has(name) || listed.includes(name) || isCredential(name)) continue;
    if (name === 'sec-websocket-protocol') {
      const kept = value.split(',').filter((p) => !p.trim().startsWith('base64url.bearer.authorization.k8s.io.'));
      if (kept.length > 0) passed.push([name, kept.join(',').trim()]);
      continue;
    }
    passed.push([name, value]);
  }
  const headers = valuesByKey(passed);
  headers['x-forwarded-for'] = [[...(headers['x-forwarded-for'] ?? []), remoteAddress].join(', ')];
  return Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, values.length === 1 ? values[0] : values]));
}

/** The same, asking for the protocol that the client asks for. */
export function upgradeHeaders(context: RequestContext, { request }: Upgrade): OutgoingHttpHeaders {
  return { ...requestHeaders(context), connection: 'Upgrade', upgrade: request.headers.upgrade };
}

/** An answer's headers for the client, over HTTP/1.1 or HTTP/2. */
export function responseHeaders(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const listed = (headers.connection ?? '').toLowerCase().split(/\s*,\s*/);
  const out: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !hopByHop.has(name) && !listed.includes(name)) out[name] = value;
  return out;
}

function pairsOf({ rawHeaders }: IncomingMessage): [string, string][] {
  return Array.from({ length: rawHeaders.length / 2 }, (_, i) => [rawHeaders[2 * i] ?? '', rawHeaders[2 * i + 1] ?? '']);
}

/** Gives the client the backend's refusal of an upgrade, and ends its connection. */
export async function passRefusal(response: IncomingMessage, { socket }: Upgrade): Promise<void> {
  const body = Buffer.from(await textOf(response));
  const kept = pairsOf(response).filter(([name]) => !hopByHop.has(name.toLowerCase()) && name.toLowerCase() !== 'content-length');
  const headers: [string, string][] = [...kept, ['Content-Length', String(body.length)], ['Connection', 'close']];
  socket.end(Buffer.concat([Buffer.from(responseHead(response.statusCode ?? 502, response.statusMessage ?? '', headers)), body]));
}

/** Joins the client's connection with the backend's, or passes on its refusal. Resolves when it is over. */
export async function passUpgrade(result: UpgradeResult, upgrade: Upgrade, signal: AbortSignal): Promise<Answer> {
  if (!result.upgraded) await passRefusal(result.response, upgrade);
  else {
    const { response, socket, head } = result;
    upgrade.socket.write(responseHead(101, response.statusMessage ?? 'Switching Protocols', pairsOf(response)));
    await tunnel(upgrade.socket, socket, { a: upgrade.head, b: head }, signal);
  }
  return { type: 'hijacked' };
}
