/** The API server's in-process face: the same filters as HTTP, no serialization, objects by reference. */
import type { Readable } from 'node:stream';
import type { Status } from '../api/index.ts';
import { StatusError } from '../api/index.ts';
import type { Transport, TransportRequest, TransportResponse } from '../client/index.ts';
import type { Clock } from '../time/index.ts';
import type { Answer, RequestBody } from './exchange.ts';
import type { Incoming, Outcome } from './pipeline/pipeline.ts';
import { negotiate } from './representation/accept.ts';
import { plainAnswer } from './representation/encode.ts';
import { present } from './representation/present.ts';
import type { UserInfo } from './request.ts';

export interface LocalTransportOptions {
  handle(incoming: Incoming): Promise<Outcome>;
  clock: Clock;
  user: UserInfo;
  /** Aborted when the server stops: ends watches. */
  lifetime: AbortSignal;
}

/** One for all: an error of its own for each request would cost more than most requests. */
const done = new Error('the request is over');

const noBytes = () => Promise.reject(new Error('an in-process request has no bytes'));
const noStream = (): Readable => {
  throw new Error('an in-process request has no stream');
};

function bodyOf({ body, contentType }: TransportRequest): RequestBody {
  return { contentType: contentType ?? (body === undefined ? '' : 'application/json'), value: body, bytes: noBytes, stream: noStream };
}

export function localTransport({ handle, clock, user, lifetime }: LocalTransportOptions): Transport {
  const closed = new AbortController();

  /** `over`: aborted when the request is done with, so that nothing goes on listening to signals that live on. */
  const send = async (request: TransportRequest, over: AbortSignal): Promise<{ outcome: Outcome; answer: Answer }> => {
    request.signal?.throwIfAborted();
    const accept = request.accept ?? 'application/json';
    const signals = [lifetime, closed.signal, over, ...(request.signal ? [request.signal] : [])];
    const outcome = await handle({
      method: request.method,
      path: request.path,
      query: request.query,
      headers: [...Object.entries(request.headers ?? {}), ['accept', accept]],
      body: bodyOf(request),
      signal: AbortSignal.any(signals),
      remoteAddress: '127.0.0.1',
      user,
    });
    request.signal?.throwIfAborted();
    const { answer } = outcome;
    // What is no API object has media types of its own.
    if (answer.type === 'raw' || answer.type === 'stream' || answer.type === 'hijacked') return { outcome, answer };
    return { outcome, answer: present(answer, negotiate(accept), outcome.context, clock.now()) };
  };

  const answered = async (request: TransportRequest, over: AbortSignal): Promise<TransportResponse> => {
    const { outcome, answer } = await send(request, over);
    const warnings = [...outcome.warnings];
    switch (answer.type) {
      case 'object':
        return { status: answer.status, body: answer.item.object, warnings };
      case 'list':
        return { status: 200, body: plainAnswer(answer), warnings };
      case 'raw': {
        const text = typeof answer.body === 'string' ? answer.body : Buffer.from(answer.body).toString('utf8');
        return { status: answer.status, body: answer.contentType.startsWith('application/json') ? JSON.parse(text) : text, warnings };
      }
      case 'stream': {
        const chunks: Uint8Array[] = [];
        for await (const chunk of answer.body) chunks.push(chunk);
        return { status: answer.status, body: Buffer.concat(chunks).toString('utf8'), warnings };
      }
      default:
        throw new Error(`${request.method} ${request.path} cannot be answered in process`);
    }
  };

  return {
    async request(request) {
      const over = new AbortController();
      try {
        return await answered(request, over.signal);
      } finally {
        over.abort(done);
      }
    },

    async *stream(request) {
      const over = new AbortController();
      try {
        const { answer } = await send(request, over.signal);
        // A failure's object is the Status.
        if (answer.type === 'object' && answer.status >= 400) throw StatusError.from(answer.item.object as Status);
        if (answer.type !== 'watch') throw new Error(`${request.method} ${request.path} is no watch`);
        for await (const event of answer.events) yield { type: event.type, object: event.item.object };
        request.signal?.throwIfAborted();
      } finally {
        over.abort(done);
      }
    },

    async close() {
      closed.abort(new Error('the client is closed'));
    },
  };
}
