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

/** A user's UID in the subject of their certificate: an object identifier of Kubernetes' own (feature gate AllowParsingUserUIDFromCertAuth). */
const uidAttribute = '1.3.6.1.4.1.57683.2';

const list = (value: string | string[] | undefined) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

function read(socket: TLSSocket): Credentials['certificate'] {
  // Without a certificate the connection is unauthorized too.
  const problem = socket.authorized ? undefined : String(socket.authorizationError);
  const peer = socket.getPeerCertificate();
  if (peer?.raw === undefined) return undefined;
  const subject = peer.subject as unknown as Record<string, string | string[] | undefined>; // repeated attributes come as lists
  const uid = list(subject[uidAttribute]).at(-1);
  return {
    commonName: list(subject.CN)[0] ?? '',
    organizations: list(subject.O),
    ...(uid === undefined ? {} : { uid }),
    notAfter: new Date(peer.valid_to),
    raw: peer.raw,
    ...(problem === undefined ? {} : { problem }),
  };
}
