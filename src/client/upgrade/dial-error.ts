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
  if (code.startsWith('ERR_TLS_') || code.includes('CERT') || code.startsWith('UNABLE_TO_'))
    return `tls: failed to verify certificate: x509: ${message}`;
  return message;
}
