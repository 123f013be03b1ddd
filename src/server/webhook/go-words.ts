/** What goes wrong on a connection, as Go's net and crypto packages word it: what people search for. */

const unknownAuthority = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

const x509 = (why: string) => `tls: failed to verify certificate: x509: ${why}`;

interface ConnectionError {
  code?: string;
  message: string;
  address?: string;
  port?: number;
  hostname?: string;
}

export function connectionProblem(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A system error has what happened where.
  const { code = '', address, port, hostname }: ConnectionError = error;
  const dial = `dial tcp ${address?.includes(':') ? `[${address}]` : (address ?? '')}:${port ?? ''}: connect:`;
  if (unknownAuthority.has(code)) return x509('certificate signed by unknown authority');
  switch (code) {
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return x509('certificate has expired or is not yet valid');
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      // `serverIdentity` has found the words.
      return x509(error.message);
    case 'ECONNREFUSED':
      return `${dial} connection refused`;
    case 'EHOSTUNREACH':
      return `${dial} no route to host`;
    case 'ENETUNREACH':
      return `${dial} network is unreachable`;
    case 'ENOTFOUND':
      return `dial tcp: lookup ${hostname ?? ''}: no such host`;
    case 'ECONNRESET':
      return error.message === 'socket hang up' ? 'EOF' : 'read: connection reset by peer';
    default:
      return error.message;
  }
}
