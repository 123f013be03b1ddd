import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Outcome } from '../pipeline/pipeline.ts';
import { encodeAnswer } from '../representation/encode.ts';
import { joined } from '../representation/pieces.ts';

/** Answers an upgrade that no handler took: with what went wrong, or, where the endpoint knows no upgrade, with 400. */
export function refuseUpgrade({ answer, auditId }: Outcome, socket: Duplex): void {
  if (answer.type === 'hijacked') return;
  const isObject = answer.type === 'object';
  const isFailure = (isObject || answer.type === 'raw') && answer.status >= 400;
  const status = isFailure ? answer.status : 400;
  const body = isObject
    ? joined(encodeAnswer(answer, 'json', false))
    : Buffer.from(isFailure ? answer.body : 'Unable to upgrade: the endpoint does not speak the requested protocol\n');
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\naudit-id: ${auditId}\r\ncontent-type: ${isObject ? 'application/json' : 'text/plain; charset=utf-8'}\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body.toString('utf8')}`,
  );
}
