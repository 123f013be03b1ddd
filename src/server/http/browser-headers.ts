/** What browsers are told with each answer: whose pages may ask (CORS), and to come over TLS only (HSTS). */
import type { Random } from '../../time/index.ts';
import { newUid } from '../registry/identity.ts';
import type { Reply, ReplyHeaders } from './reply.ts';

export interface BrowserOptions {
  /** --cors-allowed-origins: whose pages may ask. */
  allowsOrigin?(origin: string): boolean;
  /** --strict-transport-security-directives. */
  strictTransport?: readonly string[];
}

/** Upstream's, which no flag changes. */
const corsHeaders = {
  'access-control-allow-methods': 'POST, GET, OPTIONS, PUT, DELETE, PATCH',
  'access-control-allow-headers':
    'Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, X-Requested-With, If-Modified-Since',
  'access-control-expose-headers': 'Date',
  'access-control-allow-credentials': 'true',
};

function headerOf(rawHeaders: readonly string[], name: string): string {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) if (rawHeaders[i]?.toLowerCase() === name) return rawHeaders[i + 1] ?? '';
  return '';
}

/**
 * The reply with the headers that this request's answer gets beside its own; undefined where the answer is complete: a browser that
 * only asks whether it may ask is told so without knowing who it is.
 */
export function browserReply(
  { allowsOrigin, strictTransport = [] }: BrowserOptions,
  request: { method: string; rawHeaders: readonly string[] },
  reply: Reply,
  random: Random,
): Reply | undefined {
  const origin = allowsOrigin ? headerOf(request.rawHeaders, 'origin') : '';
  const isAllowed = origin !== '' && allowsOrigin?.(origin) === true;
  if (!isAllowed && strictTransport.length === 0) return reply;
  const added: ReplyHeaders = {
    ...(isAllowed ? { 'access-control-allow-origin': origin, ...corsHeaders } : {}),
    ...(strictTransport.length > 0 ? { 'strict-transport-security': strictTransport.join('; ') } : {}),
  };
  if (isAllowed && request.method === 'OPTIONS') {
    const auditId = headerOf(request.rawHeaders, 'audit-id') || newUid(random);
    reply.head(204, { 'audit-id': auditId, 'cache-control': 'no-cache, private', ...added });
    reply.end();
    return undefined;
  }
  return { ...reply, head: (status, headers, atOnce) => reply.head(status, { ...headers, ...added }, atOnce) };
}
