/** The API server's in-process face: the same filters as HTTP, no serialization, objects by reference. */
import type { Readable } from 'node:stream';
import type { Status } from '../api/index.ts';
import { StatusError } from '../api/index.ts';
import { jsonLines, type Transport, type TransportRequest, type TransportResponse } from '../client/index.ts';
import type { Clock } from '../time/index.ts';
import type { Answer, RequestBody } from './exchange.ts';
import type { Delivery } from './pipeline/delivery.ts';
import type { Incoming, Outcome } from './pipeline/pipeline.ts';
import { negotiate } from './representation/accept.ts';
import { plainAnswer } from './representation/encode.ts';
import { present } from './representation/present.ts';
import type { UserInfo } from './request.ts';
import { RequestLifetime } from './request-lifetime.ts';

export interface LocalTransportOptions {
  handle(incoming: Incoming): Promise<Outcome>;
  clock: Clock;
  user: UserInfo;
  /** Aborted when the server stops: ends watches. */
  lifetime: AbortSignal;
}

/** One for all: an error of its own for each request would cost more than most requests. */
const done = new Error('the request is over');

const asError = (reason: unknown) => (reason instanceof Error ? reason : new Error(String(reason)));

/** What is handed over is held by whom it is handed to. */
const sharedObject = (item: { object: object; shared?: object }): object => item.shared ?? item.object;

const noBytes = () => Promise.reject(new Error('an in-process request has no bytes'));
const noStream = (): Readable => {
  throw new Error('an in-process request has no stream');
};

function bodyOf({ body, contentType }: TransportRequest): RequestBody {
  return { contentType: contentType ?? (body === undefined ? '' : 'application/json'), value: body, bytes: noBytes, stream: noStream };
}

type Stream = Answer & { type: 'stream' };

const isJson = ({ headers }: Stream) => String(headers['content-type'] ?? '').startsWith('application/json');

/** A watch that another server answers: the lines of its JSON. */
async function* forwardedEvents(answer: Stream): AsyncGenerator<{ type: string; object: unknown }> {
  if (answer.status >= 400) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString('utf8');
    throw isJson(answer) ? StatusError.from(JSON.parse(text)) : new StatusError(answer.status, '', text.trim(), {});
  }
  // Watches are framed so, whoever serves them.
  for await (const line of jsonLines(answer.body)) yield line as { type: string; object: unknown };
}

export function localTransport({ handle, clock, user, lifetime }: LocalTransportOptions): Transport {
  const closed = new AbortController();

  /** A lifetime that ends with the server, the client or the request's signal; listens to those, which live on, until it is over. */
  const during = (request: TransportRequest): { life: RequestLifetime; over(): void } => {
    const life = new RequestLifetime();
    const signals = request.signal ? [lifetime, closed.signal, request.signal] : [lifetime, closed.signal];
    const onAbort = () => {
      for (const signal of signals) if (signal.aborted) life.end(asError(signal.reason));
    };
    onAbort();
    for (const signal of signals) signal.addEventListener('abort', onAbort);
    return {
      life,
      over() {
        for (const signal of signals) signal.removeEventListener('abort', onAbort);
        life.end(done);
      },
    };
  };

  const send = async (request: TransportRequest, life: RequestLifetime): Promise<{ outcome: Outcome; answer: Answer }> => {
    request.signal?.throwIfAborted();
    const accept = request.accept ?? 'application/json';
    const outcome = await handle({
      method: request.method,
      path: request.path,
      query: request.query,
      headers: [...Object.entries(request.headers ?? {}), ['accept', accept]],
      body: bodyOf(request),
      lifetime: life,
      remoteAddress: '127.0.0.1',
      user,
    });
    request.signal?.throwIfAborted();
    const { answer } = outcome;
    // What is no API object has media types of its own.
    const isOther = answer.type === 'raw' || answer.type === 'stream' || answer.type === 'hijacked';
    const presented = isOther ? answer : present(answer, negotiate(accept), outcome.context, clock.now());
    const noted = outcome.delivery.answered(presented);
    if (noted !== undefined) await noted;
    return { outcome, answer: presented };
  };

  const answered = async (request: TransportRequest, life: RequestLifetime): Promise<TransportResponse> => {
    const { outcome, answer } = await send(request, life);
    try {
      return await responseOf(request, outcome, answer);
    } finally {
      outcome.delivery.finished(0);
    }
  };

  const responseOf = async (request: TransportRequest, outcome: Outcome, answer: Answer): Promise<TransportResponse> => {
    const warnings = [...outcome.warnings];
    switch (answer.type) {
      case 'object':
        return { status: answer.status, body: sharedObject(answer.item), warnings };
      case 'list':
        return { status: 200, body: plainAnswer(answer, sharedObject), warnings };
      case 'raw': {
        const text = typeof answer.body === 'string' ? answer.body : Buffer.from(answer.body).toString('utf8');
        return { status: answer.status, body: answer.contentType.startsWith('application/json') ? JSON.parse(text) : text, warnings };
      }
      case 'stream': {
        const chunks: Uint8Array[] = [];
        for await (const chunk of answer.body) chunks.push(chunk);
        const text = Buffer.concat(chunks).toString('utf8');
        return { status: answer.status, body: isJson(answer) ? JSON.parse(text) : text, warnings };
      }
      default:
        throw new Error(`${request.method} ${request.path} cannot be answered in process`);
    }
  };

  return {
    async request(request) {
      const { life, over } = during(request);
      try {
        return await answered(request, life);
      } finally {
        over();
      }
    },

    async *stream(request) {
      let delivery: Delivery | undefined;
      const { life, over } = during(request);
      try {
        const { outcome, answer } = await send(request, life);
        delivery = outcome.delivery;
        // A failure's object is the Status.
        if (answer.type === 'object' && answer.status >= 400) throw StatusError.from(answer.item.object as Status);
        if (answer.type === 'stream') {
          yield* forwardedEvents(answer);
          return;
        }
        if (answer.type !== 'watch') throw new Error(`${request.method} ${request.path} is no watch`);
        for await (const batch of answer.events) {
          delivery.streamed?.(batch.length, undefined);
          for (const { type, item } of batch) yield { type, object: sharedObject(item) };
        }
        request.signal?.throwIfAborted();
      } finally {
        delivery?.finished(0);
        over();
      }
    },

    async close() {
      closed.abort(new Error('the client is closed'));
    },
  };
}
