/** Who asks: by client certificate, or by a token that the API server knows. */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Delegation, ReviewedUser } from '../../client/index.ts';

const list = (value: string | string[] | undefined) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

function byCertificate(request: IncomingMessage): ReviewedUser | undefined {
  const socket = request.socket as TLSSocket; // of an HTTPS server
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate();
  if (subject === undefined) return undefined;
  const { CN, O } = subject as { CN?: string | string[]; O?: string | string[] }; // repeated attributes come as lists
  return { name: list(CN)[0] ?? '', groups: [...list(O), 'system:authenticated'] };
}

/** Answers undefined for who is nobody known. */
export function authentication({ delegation, anonymous }: { delegation: Delegation; anonymous: boolean }) {
  return async (request: IncomingMessage): Promise<ReviewedUser | undefined> => {
    const known = byCertificate(request);
    if (known !== undefined) return known;
    const [, token] = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (token !== undefined) return delegation.userOf(token);
    return anonymous ? { name: 'system:anonymous', groups: ['system:unauthenticated'] } : undefined;
  };
}
