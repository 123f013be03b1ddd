/** Failures of connecting in Go's words, which upstream's messages carry and people search for. */

interface SocketError {
  code?: string;
  syscall?: string;
  address?: string;
  port?: number;
  hostname?: string;
  message: string;
}

const connectProblems: Record<string, string> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  EADDRNOTAVAIL: 'connect: cannot assign requested address',
  ETIMEDOUT: 'i/o timeout',
};

const unknownAuthority = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

/** Why a server's certificate is not taken, as Go's crypto/tls says it; undefined for other failures. */
export function certificateProblem({ code = '', message }: { code?: string; message: string }): string | undefined {
  const x509 = (why: string) => `tls: failed to verify certificate: x509: ${why}`;
  if (unknownAuthority.has(code)) return x509('certificate signed by unknown authority');
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return x509('certificate has expired or is not yet valid');
  return code.startsWith('ERR_TLS_') || code.includes('CERT') || code.startsWith('UNABLE_TO_') ? x509(message) : undefined;
}

/** `dial tcp 10.0.0.1:10250: connect: connection refused`. `host` is where the connection was to go. */
export function dialErrorMessage(error: unknown, host: string): string {
  if (!(error instanceof Error)) return String(error);
  // An attempt on several addresses fails with all of their errors; the first one tells enough.
  const cause = error instanceof AggregateError && error.errors[0] instanceof Error ? error.errors[0] : error;
  const { code = '', message, hostname } = cause as SocketError; // Node's system errors carry these
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `dial tcp: lookup ${hostname ?? host}: no such host`;
  const problem = connectProblems[code];
  if (problem !== undefined) return `dial tcp ${host}: ${problem}`;
  if (code === 'ECONNRESET') return 'EOF';
  return certificateProblem(cause as SocketError) ?? message;
}
