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

/** With its port, which a URL leaves out where it is HTTPS' own. */
export const hrefOf = (url: URL): string => `${url.protocol}//${authorityOf(url)}${url.pathname}${url.search}`;

/** What went wrong when a server was asked, as Go's http.Client says it; also that the time was up. */
export function messageOf(error: unknown, url: URL, signal: AbortSignal): string {
  const why = signal.aborted
    ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    : dialErrorMessage(error, authorityOf(url));
  return `Get ${JSON.stringify(hrefOf(url))}: ${why}`;
}

/** What a server answers to a GET of a path. */
export async function fetchDocument(
  remote: RemoteServer,
  path: string,
  headers: OutgoingHttpHeaders,
  signal: AbortSignal,
): Promise<{ url: URL; statusCode: number; contentType: string; body: Buffer }> {
  const url = await remote.locate();
  url.pathname = path;
  const response = await remote.request({ url, method: 'GET', headers: { accept: 'application/json', ...headers }, signal });
  const {
    statusCode = 0,
    headers: { 'content-type': contentType = '' },
  } = response;
  return { url, statusCode, contentType, body: await readAll(response) };
}

/** A document in JSON, or undefined where the server has none. Rejects where it can't be read. */
export async function readDocument(
  remote: RemoteServer,
  path: string,
  headers: OutgoingHttpHeaders,
  signal: AbortSignal,
): Promise<unknown | undefined> {
  const { url, statusCode, body } = await fetchDocument(remote, path, headers, signal);
  if (statusCode === 404) return undefined;
  if (statusCode !== 200) throw new Error(`bad status from ${hrefOf(url)}: ${statusCode}`);
  return JSON.parse(body.toString('utf8'));
}
