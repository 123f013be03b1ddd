/** Writes an outcome to an HTTP response: negotiation, encoding, compression, back-pressure. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { StatusError } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import { type Outcome, statusAnswer } from '../pipeline/pipeline.ts';
import { notFoundMessage } from '../registry/dispatch.ts';
import { type Encoding, negotiate, type Representation } from '../representation/accept.ts';
import { encodeAnswer, encodeEvent, hasProtobuf } from '../representation/encode.ts';
import { present } from '../representation/present.ts';

export type Response = ServerResponse | Http2ServerResponse;

const compress = promisify(gzip);
/** Smaller answers are cheaper to send than to compress (upstream's threshold). */
const gzipThresholdBytes = 128 * 1024;
/** These show JSON to people. */
const prettyAgents = ['curl', 'Wget', 'Mozilla/5.0'];

/** A warning-text as RFC 7234 quotes it, cut as upstream does. */
const warningHeader = (text: string) =>
  `299 - "${text
    .slice(0, 1024)
    .replace(/[\r\n\t]+/g, ' ')
    .replace(/[^\x20-\x7e]/g, '?')
    .replace(/["\\]/g, '\\$&')}"`;

function isPretty({ query, userAgent }: RequestContext): boolean {
  const pretty = query.get('pretty');
  if (pretty !== null) return pretty !== 'false' && pretty !== '0';
  return prettyAgents.some((agent) => userAgent.startsWith(agent));
}

/** Writes one chunk; resolves when the client has room for more. */
type Write = (chunk: Uint8Array) => Promise<void>;

/** A client that takes nothing for `stalledMs` is given up; without it, it may take its time. */
function writer(response: Response, signal: AbortSignal, patience?: { clock: Clock; stalledMs: number }): Write {
  return async (chunk) => {
    // Http2ServerResponse's write is not declared as a Writable's; both take bytes and answer whether there is room.
    if ((response as ServerResponse).write(chunk)) return;
    if (patience === undefined) {
      await once(response, 'drain', { signal });
      return;
    }
    const stalled = new AbortController();
    const timer = patience.clock.setTimer(patience.stalledMs, () => stalled.abort(new Error('the client reads nothing')), {
      background: true,
    });
    try {
      await once(response, 'drain', { signal: AbortSignal.any([signal, stalled.signal]) });
    } finally {
      timer.cancel();
    }
  };
}

function sendHeaders(response: Response): void {
  if ('flushHeaders' in response) response.flushHeaders();
  else response.writeHead(response.statusCode);
}

async function writeWhole(context: RequestContext, response: Response, chunks: Buffer[], write: Write): Promise<void> {
  let size = 0;
  for (const chunk of chunks) size += chunk.length;
  if (size > gzipThresholdBytes && (context.header('accept-encoding') ?? '').includes('gzip')) {
    const body = await compress(Buffer.concat(chunks, size), { level: 1 });
    response.setHeader('content-encoding', 'gzip');
    response.setHeader('vary', 'Accept-Encoding');
    response.setHeader('content-length', body.length);
    response.end(body);
    return;
  }
  response.setHeader('content-length', size);
  if (context.method === 'HEAD') response.end();
  else if (chunks.length <= 2) response.end(Buffer.concat(chunks, size));
  else {
    for (const chunk of chunks) await write(chunk);
    response.end();
  }
}

async function writeWatch(
  response: Response,
  answer: Answer & { type: 'watch' },
  encoding: Encoding,
  context: RequestContext,
  write: Write,
): Promise<void> {
  // The client learns at once that the watch stands.
  sendHeaders(response);
  for await (const event of answer.events) {
    if (context.signal.aborted) return;
    await write(encodeEvent(event, encoding));
  }
  response.end();
}

export async function respond(outcome: Outcome, response: Response, clock: Clock, stalledMs: number): Promise<void> {
  const { context } = outcome;
  response.setHeader('audit-id', outcome.auditId);
  response.setHeader('cache-control', 'no-cache, private');
  if (outcome.warnings.length > 0) response.setHeader('warning', outcome.warnings.map(warningHeader));
  if (outcome.retryAfterSeconds !== undefined) response.setHeader('retry-after', String(outcome.retryAfterSeconds));
  let representation: Representation;
  let { answer } = outcome;
  try {
    representation = answer.type === 'raw' || answer.type === 'stream' ? negotiate('') : negotiate(context.accept, hasProtobuf(answer));
    answer = present(answer, representation, context, clock.now());
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    representation = negotiate('');
    // An error is told in JSON to those who take nothing we have.
    if (!(answer.type === 'object' && answer.status >= 400)) answer = statusAnswer(error);
  }
  await writeAnswer(answer, representation, response, context, writer(response, context.signal, { clock, stalledMs }));
}

async function writeAnswer(
  answer: Answer,
  representation: Representation,
  response: Response,
  context: RequestContext,
  write: Write,
): Promise<void> {
  switch (answer.type) {
    case 'raw':
      response.statusCode = answer.status;
      for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
      response.setHeader('content-type', answer.contentType);
      return writeWhole(context, response, [typeof answer.body === 'string' ? Buffer.from(answer.body) : Buffer.from(answer.body)], write);
    case 'stream':
      response.statusCode = answer.status;
      for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
      sendHeaders(response);
      // Whoever pages through a log may take any time.
      for await (const chunk of answer.body) await writer(response, context.signal)(chunk);
      response.end();
      return;
    case 'watch':
      response.statusCode = 200;
      response.setHeader(
        'content-type',
        representation.encoding === 'protobuf' ? `${representation.mediaType};stream=watch` : 'application/json',
      );
      return writeWatch(response, answer, representation.encoding, context, write);
    case 'hijacked':
      return;
    case 'object':
      if (answer.status === 404 && (answer.item.object as { message?: string }).message === notFoundMessage) {
        // No such endpoint: the mux's answer, which clients word themselves.
        response.statusCode = 404;
        response.setHeader('content-type', 'text/plain; charset=utf-8');
        response.setHeader('x-content-type-options', 'nosniff');
        return writeWhole(context, response, [Buffer.from('404 page not found\n')], write);
      }
      response.statusCode = answer.status;
      break;
    case 'list':
      response.statusCode = 200;
  }
  response.setHeader('content-type', representation.mediaType);
  await writeWhole(context, response, encodeAnswer(answer, representation.encoding, isPretty(context)), write);
}
