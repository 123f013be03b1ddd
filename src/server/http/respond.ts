/** Writes an outcome to an HTTP response: negotiation, encoding, compression, back-pressure. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { parseGoBool, StatusError } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import type { Delivery } from '../pipeline/delivery.ts';
import type { Outcome } from '../pipeline/pipeline.ts';
import { statusAnswer } from '../pipeline/status-answer.ts';
import { notFoundMessage } from '../registry/dispatch.ts';
import { type Encoding, negotiate, negotiateError, type Representation } from '../representation/accept.ts';
import { encodeAnswer, encodeEvents, hasProtobuf } from '../representation/encode.ts';
import { joined, type Piece, pieceOf, sizeOf } from '../representation/pieces.ts';
import { present } from '../representation/present.ts';
import type { Reply, ReplyHeaders } from './reply.ts';
import { fillSlab, giveSlab, slabBytes, takeSlab } from './slabs.ts';
import { warningHeaders } from './warnings.ts';

const compress = promisify(gzip);
/** Smaller answers are cheaper to send than to compress (upstream's threshold). */
const gzipThresholdBytes = 128 * 1024;
/** These show JSON to people. */
const prettyAgents = ['curl', 'Wget', 'Mozilla/5.0'];

/** Who names it alone: with a weight it is not looked at. */
const takesGzip = (context: RequestContext): boolean =>
  (context.header('accept-encoding') ?? '').split(',').some((token) => token.trim() === 'gzip');

function isPretty({ query, userAgent }: RequestContext): boolean {
  const pretty = query.get('pretty');
  if (pretty) return parseGoBool(pretty) === true;
  return prettyAgents.some((agent) => userAgent.startsWith(agent));
}

/** Media types of watches. */
const watchTypes: Record<Encoding, string> = {
  json: 'application/json',
  // Not offered for a watch.
  yaml: 'application/json',
  protobuf: 'application/vnd.kubernetes.protobuf;stream=watch',
  cbor: 'application/cbor-seq',
};

/** Writes one chunk; where the client has no room for more, a promise of when it has. */
type Write = (chunk: Uint8Array) => undefined | Promise<void>;

/** A client that takes nothing for `stalledMs` is given up; without it, it may take its time. */
function writer(reply: Reply, signal: AbortSignal, patience?: { clock: Clock; stalledMs: number }): Write {
  const room = async () => {
    if (patience === undefined) {
      await reply.drained(signal);
      return;
    }
    const stalled = new AbortController();
    const timer = patience.clock.setTimer(patience.stalledMs, () => stalled.abort(new Error('the client reads nothing')), {
      background: true,
    });
    try {
      await reply.drained(AbortSignal.any([signal, stalled.signal]));
    } finally {
      timer.cancel();
    }
  };
  return (chunk) => (reply.write(chunk) ? undefined : room());
}

/** One answer on its way out. */
interface Sending {
  context: RequestContext;
  reply: Reply;
  /** What every answer of the request carries. */
  headers: ReplyHeaders;
  clock: Clock;
  stalledMs: number;
  /** Length of the body so far. */
  bytes: number;
  delivery: Delivery;
}

const patientWriter = ({ reply, context, clock, stalledMs }: Sending) => writer(reply, context.signal, { clock, stalledMs });

function writeWhole(sending: Sending, status: number, headers: ReplyHeaders, pieces: readonly Piece[]): void | Promise<void> {
  const { context, reply } = sending;
  const size = sizeOf(pieces);
  if (size > gzipThresholdBytes && context.method !== 'HEAD' && takesGzip(context))
    return writeCompressed(sending, status, headers, joined(pieces, size));
  headers['content-length'] = size;
  sending.bytes = size;
  reply.head(status, headers);
  if (context.method === 'HEAD') reply.end();
  else if (size <= slabBytes) reply.end(joined(pieces, size));
  else return writeInSlabs(sending, pieces);
}

async function writeCompressed(sending: Sending, status: number, headers: ReplyHeaders, whole: Buffer): Promise<void> {
  const { reply } = sending;
  const body = await compress(whole, { level: 1 });
  reply.head(status, { ...headers, 'content-encoding': 'gzip', vary: 'Accept-Encoding', 'content-length': body.length });
  sending.bytes = body.length;
  reply.end(body);
}

/** A slow reader of a long list holds one slab. */
async function writeInSlabs(sending: Sending, pieces: readonly Piece[]): Promise<void> {
  const slab = takeSlab();
  const cursor = { piece: 0, offset: 0 };
  for (;;) {
    const filled = fillSlab(slab, pieces, cursor);
    if (filled === 0) break;
    await writtenOut(sending, slab.subarray(0, filled));
  }
  // Where a write failed it may still be looked at, and is left to the garbage.
  giveSlab(slab);
  sending.reply.end();
}

/** Resolves when nothing reads the chunk any more; rejects when it can't be written, and when the client takes nothing for too long. */
function writtenOut({ reply, clock, stalledMs }: Sending, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(stalledMs, () => reject(new Error('the client reads nothing')), { background: true });
    reply.write(chunk, (error) => {
      timer.cancel();
      if (error) reject(error);
      else resolve();
    });
  });
}

let turn: Promise<void> | undefined;

/** When what was begun before is done, answers to whoever has changed something among it: one moment for all who ask meanwhile. */
function nextTurn(): Promise<void> {
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined;
      resolve();
    });
  });
  return turn;
}

async function writeWatch(sending: Sending, headers: ReplyHeaders, answer: Answer & { type: 'watch' }, encoding: Encoding): Promise<void> {
  const { reply, context } = sending;
  // The client learns at once that the watch stands.
  reply.head(200, headers, true);
  const write = patientWriter(sending);
  for await (const events of answer.events) {
    // Whoever has made the change gets the answer before a hundred others get the news.
    await nextTurn();
    if (context.signal.aborted) return;
    const bytes = encodeEvents(events, encoding);
    sending.bytes += bytes.length;
    sending.delivery.streamed?.(events.length, bytes.length);
    const full = write(bytes);
    if (full !== undefined) await full;
  }
  reply.end();
}

/** What is answered and not stored (reviews, tokens) has no rows. A Status stays what it is. */
function hasTable(answer: Answer, { info }: RequestContext): boolean {
  if (answer.type !== 'object' || answer.resource !== undefined || !info.isResourceRequest) return true;
  return (answer.item.object as { kind?: string }).kind === 'Status';
}

/** Resolves with the length of the body that was sent. */
export async function respond(outcome: Outcome, reply: Reply, clock: Clock, stalledMs: number): Promise<number> {
  const { context, delivery } = outcome;
  const headers: ReplyHeaders = { 'audit-id': outcome.auditId, 'cache-control': 'no-cache, private' };
  if (outcome.warnings.length > 0) headers.warning = warningHeaders(outcome.warnings);
  const { admission } = context;
  if (admission?.flowSchemaUid !== undefined) {
    headers['x-kubernetes-pf-flowschema-uid'] = admission.flowSchemaUid;
    headers['x-kubernetes-pf-prioritylevel-uid'] = admission.priorityLevelUid ?? '';
  }
  if (outcome.retryAfterSeconds !== undefined) headers['retry-after'] = String(outcome.retryAfterSeconds);
  let representation: Representation;
  let { answer } = outcome;
  try {
    const offer = {
      protobuf: hasProtobuf(answer),
      cbor: context.cbor === true,
      table: hasTable(answer, context),
      stream: answer.type === 'watch',
    };
    if (answer.type === 'raw' || answer.type === 'stream') representation = negotiate('');
    else if (isError(answer)) representation = negotiateError(context.accept, offer);
    else representation = negotiate(context.accept, offer);
    answer = isNowhere(answer, context) ? pageNotFound : present(answer, representation, context, clock.now());
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    representation = negotiateError(context.accept, { cbor: context.cbor === true });
    answer = statusAnswer(error);
  }
  const noted = delivery.answered(answer, representation.mediaType);
  if (noted !== undefined) await noted;
  const sending: Sending = { context, reply, headers, clock, stalledMs, bytes: 0, delivery };
  const rest = writeAnswer(sending, answer, representation);
  if (rest !== undefined) await rest;
  return sending.bytes;
}

/** No such endpoint: the mux's answer, which clients word themselves. */
const pageNotFound: Answer = {
  type: 'raw',
  status: 404,
  contentType: 'text/plain; charset=utf-8',
  body: '404 page not found\n',
  headers: { 'x-content-type-options': 'nosniff' },
};

const isNowhere = (answer: Answer, { isRouted }: RequestContext): boolean =>
  answer.type === 'object' &&
  answer.status === 404 &&
  !isRouted &&
  (answer.item.object as { message?: string }).message === notFoundMessage;

const isError = (answer: Answer) => answer.type === 'object' && answer.status >= 400;

function writeAnswer(sending: Sending, answer: Answer, representation: Representation): void | Promise<void> {
  const { context, headers } = sending;
  switch (answer.type) {
    case 'raw':
      for (const [name, value] of Object.entries(answer.headers ?? {})) headers[name.toLowerCase()] = value;
      headers['content-type'] = answer.contentType;
      return writeWhole(sending, answer.status, headers, [
        pieceOf(typeof answer.body === 'string' ? Buffer.from(answer.body) : Buffer.from(answer.body)),
      ]);
    case 'stream':
      return writeStream(sending, answer);
    case 'watch':
      headers['content-type'] = watchTypes[representation.encoding];
      return writeWatch(sending, headers, answer, representation.encoding);
    case 'hijacked':
      return;
    case 'object':
      Object.assign(headers, answer.headers);
  }
  headers['content-type'] = representation.mediaType;
  const status = answer.type === 'object' ? answer.status : 200;
  return writeWhole(
    sending,
    status,
    headers,
    encodeAnswer(answer, representation.encoding, representation.pretty === true || isPretty(context)),
  );
}

async function writeStream(sending: Sending, answer: Answer & { type: 'stream' }): Promise<void> {
  const { context, reply, headers } = sending;
  for (const [name, value] of Object.entries(answer.headers)) headers[name.toLowerCase()] = value;
  reply.head(answer.status, headers, true);
  // Whoever pages through a log may take any time.
  const write = writer(reply, context.signal);
  for await (const chunk of answer.body) {
    sending.bytes += chunk.length;
    await write(chunk);
  }
  reply.end();
}
