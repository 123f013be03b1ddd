import type { TLSSocket } from 'node:tls';
import type { Credentials } from '../request.ts';

const certificates = new WeakMap<TLSSocket, NonNullable<Credentials['certificate']> | null>();

/** The client's certificate, where it sent one, with what is wrong with it; read once a connection. */
export function clientCertificate(socket: TLSSocket): Credentials['certificate'] {
  let known = certificates.get(socket);
  if (known === undefined) {
    known = read(socket) ?? null;
    certificates.set(socket, known);
  }
  return known ?? undefined;
}

const list = (value: string | string[] | undefined) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

function read(socket: TLSSocket): Credentials['certificate'] {
  // Without a certificate the connection is unauthorized too.
  const problem = socket.authorized ? undefined : String(socket.authorizationError);
  const peer = socket.getPeerCertificate();
  if (peer?.raw === undefined) return undefined;
  const { CN, O } = peer.subject as { CN?: string | string[]; O?: string | string[] }; // repeated attributes come as lists
  return {
    commonName: list(CN)[0] ?? '',
    organizations: list(O),
    notAfter: new Date(peer.valid_to),
    raw: peer.raw,
    ...(problem === undefined ? {} : { problem }),
  };
}
