import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
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

/** More than any chain has. */
const maxIssuers = 8;

const list = (value: string | string[] | undefined) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

/** Of those that a client sent, and those known here that signed them, all but its own. */
function issuersOf(peer: DetailedPeerCertificate): Uint8Array[] {
  const issuers: Uint8Array[] = [];
  for (let at = peer; at.issuerCertificate && at.issuerCertificate !== at && issuers.length < maxIssuers; at = at.issuerCertificate)
    issuers.push(at.issuerCertificate.raw);
  return issuers;
}

function uidProblem(uids: readonly string[]): string | undefined {
  if (uids.length > 1) return 'expected 1 UID, but found multiple';
  return uids[0] === '' ? 'UID cannot be an empty string' : undefined;
}

function read(socket: TLSSocket): Credentials['certificate'] {
  const peer = socket.getPeerCertificate(true);
  if (peer?.raw === undefined) return undefined;
  const subject = peer.subject as unknown as Record<string, string | string[] | undefined>; // repeated attributes come as lists
  const uids = list(subject[uidAttribute]);
  const [uid] = uids;
  // Without a certificate the connection is unauthorized too.
  const problem = socket.authorized ? uidProblem(uids) : String(socket.authorizationError);
  return {
    // Of several the last, as Go has it.
    commonName: list(subject.CN).at(-1) ?? '',
    organizations: list(subject.O),
    ...(uid === undefined ? {} : { uid }),
    notAfter: new Date(peer.valid_to),
    raw: peer.raw,
    issuers: issuersOf(peer),
    ...(problem === undefined ? {} : { problem }),
  };
}
