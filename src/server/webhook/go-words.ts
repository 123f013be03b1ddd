/** What goes wrong on a connection, as Go's net and crypto packages word it: what people search for. */
import { certificateProblem } from '../../client/index.ts';

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
  // Of names `serverIdentity` has found the words.
  const untrusted = certificateProblem(error);
  if (untrusted !== undefined) return untrusted;
  switch (code) {
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

const refusals: Readonly<Record<number, string>> = {
  400: 'the server rejected our request for an unknown reason',
  401: 'the server has asked for the client to provide credentials',
  404: 'the server could not find the requested resource',
  405: 'the server does not allow this method on the requested resource',
  409: 'the server reported a conflict',
  422: 'the server rejected our request due to an error in our request',
  429: 'the server has received too many requests and has asked us to try again later',
  503: 'the server is currently unable to handle the request',
  504: 'the server was unable to return a response in the time allotted, but may still be processing the request',
};

/** Of a server that answers in text; as much as is worth telling. */
const maxToldLength = 2048;

/** What client-go says of an answer that is no success: what a Status in it says, or else what its code means. */
export function serverProblem(status: number, body: string, contentType = ''): string {
  const told = statusMessage(body);
  if (told !== undefined) return told;
  const isText = contentType === '' || contentType.startsWith('text/');
  const text = (isText && body.trim().slice(0, maxToldLength)) || 'unknown';
  if (status === 406 && text === 'unknown') return 'the server was unable to respond with a content type that the client supports';
  if (status === 403 || status === 406 || status === 415) return text;
  if (status >= 500 && refusals[status] === undefined)
    return `an error on the server (${JSON.stringify(text)}) has prevented the request from succeeding`;
  return refusals[status] ?? `the server responded with the status code ${status} but did not return more information`;
}

function statusMessage(body: string): string | undefined {
  if (!body.trimStart().startsWith('{')) return undefined;
  try {
    const { kind = 'Status', status, message } = JSON.parse(body) as Record<string, unknown>;
    return kind === 'Status' && status === 'Failure' && typeof message === 'string' ? message : undefined;
  } catch {
    return undefined; // no JSON: it is what it is
  }
}
