/** Reading what other API servers answer. */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { dialErrorMessage } from '../../client/index.ts';
import { authorityOf } from '../streaming/kubelet-connection.ts';
import type { RemoteServer } from './remote-server.ts';

/** Documents that another server may make this one keep: larger ones are refused. */
const maxDocumentBytes = 32 * 1024 * 1024;

export async function readAll(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxDocumentBytes) {
      response.destroy();
      throw new Error(`the answer is larger than ${maxDocumentBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** What went wrong on the way to a server; where the time was up, in Go's words. */
export function messageOf(error: unknown, url: URL, signal: AbortSignal): string {
  if (signal.aborted) return 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)';
  return dialErrorMessage(error, authorityOf(url));
}

/** A document in JSON, or undefined where the server has none. Rejects where it can't be read. */
export async function readDocument(
  remote: RemoteServer,
  path: string,
  headers: OutgoingHttpHeaders,
  signal: AbortSignal,
): Promise<unknown | undefined> {
  const url = await remote.locate();
  url.pathname = path;
  const response = await remote.request({ url, method: 'GET', headers: { accept: 'application/json', ...headers }, signal });
  const body = await readAll(response);
  if (response.statusCode === 404) return undefined;
  if (response.statusCode !== 200) throw new Error(`bad status from ${url.href}: ${response.statusCode}`);
  return JSON.parse(body.toString('utf8'));
}
