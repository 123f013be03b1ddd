/** Spans: how long what took, and what was done in between (OpenTelemetry's model). */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock, Random } from '../../time/index.ts';

export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** OTLP's numbers. */
export const spanKind = { internal: 1, server: 2, client: 3 } as const;
export type SpanKind = (typeof spanKind)[keyof typeof spanKind];

/** What of another process a span belongs to: the W3C's `traceparent`. */
export interface TraceParent {
  traceId: string;
  spanId: string;
  sampled: boolean;
}

const wellFormed = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/;

/** Undefined for what is no trace context. */
export function parseTraceParent(header: string | undefined): TraceParent | undefined {
  const [, traceId = '', spanId = '', flags = ''] = wellFormed.exec(header ?? '') ?? [];
  if (/^0*$/.test(traceId) || /^0*$/.test(spanId) || header?.startsWith('ff')) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** A span that has ended, as it is exported. */
export interface FinishedSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  kind: SpanKind;
  /** Since 1970. */
  startNanos: bigint;
  endNanos: bigint;
  attributes: Attributes;
  events: readonly { name: string; nanos: bigint; attributes: Attributes }[];
  /** What went wrong. */
  error: string | undefined;
}

export interface SpanSource {
  readonly clock: Clock;
  readonly random: Random;
  finished(span: FinishedSpan): void;
}

function hex(random: Random, digits: number): string {
  let text = '';
  while (text.length < digits)
    text += Math.floor(random.next() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return text.slice(0, digits);
}

export class Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly #source: SpanSource;
  readonly #parentSpanId: string;
  readonly #name: string;
  readonly #kind: SpanKind;
  readonly #startNanos: bigint;
  readonly #startedMs: number;
  #attributes: Attributes;
  readonly #events: { name: string; nanos: bigint; attributes: Attributes }[] = [];
  #error: string | undefined;
  #isOver = false;

  constructor(
    source: SpanSource,
    name: string,
    options: {
      kind?: SpanKind;
      attributes?: Attributes;
      parent?: { traceId: string; spanId: string } | undefined;
      startedMs?: number;
    } = {},
  ) {
    const { clock, random } = source;
    const { parent, kind = spanKind.internal, attributes = {} } = options;
    this.#source = source;
    this.#name = name;
    this.#kind = kind;
    this.#attributes = attributes;
    this.traceId = parent?.traceId ?? hex(random, 32);
    this.spanId = hex(random, 16);
    this.#parentSpanId = parent?.spanId ?? '';
    const nowMs = clock.monotonic();
    this.#startedMs = options.startedMs ?? nowMs;
    // Of one trace by one clock: the time of day has no part of a millisecond.
    this.#startNanos =
      parent instanceof Span
        ? parent.#now(this.#startedMs)
        : BigInt(Math.round(clock.now() * 1e3 - (nowMs - this.#startedMs) * 1e3)) * 1000n;
  }

  #now(ms = this.#source.clock.monotonic()): bigint {
    return this.#startNanos + BigInt(Math.round((ms - this.#startedMs) * 1e6));
  }

  child(name: string, attributes: Attributes = {}, kind: SpanKind = spanKind.internal): Span {
    return new Span(this.#source, name, { parent: this, attributes, kind });
  }

  get attributes(): Attributes {
    return this.#attributes;
  }

  set(attributes: Attributes): void {
    this.#attributes = { ...this.#attributes, ...attributes };
  }

  event(name: string, attributes: Attributes = {}): void {
    this.#events.push({ name, nanos: this.#now(), attributes });
  }

  fail(error: unknown): void {
    this.#error = error instanceof Error ? error.message : String(error);
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#source.finished({
      traceId: this.traceId,
      spanId: this.spanId,
      parentSpanId: this.#parentSpanId,
      name: this.#name,
      kind: this.#kind,
      startNanos: this.#startNanos,
      endNanos: this.#now(),
      attributes: this.#attributes,
      events: this.#events,
      error: this.#error,
    });
  }

  /** For those that are asked on behalf of it. */
  get traceParent(): string {
    return `00-${this.traceId}-${this.spanId}-01`;
  }
}

const active = new AsyncLocalStorage<Span>();

/** The span that the caller works for; undefined where nobody traces. */
export const currentSpan = (): Span | undefined => active.getStore();

/** Works for a span, which goes on. */
export const within = <T>(span: Span, work: () => T): T => active.run(span, work);

/** Does work in a span of its own, where somebody traces what it is part of. */
export async function traced<T>(
  name: string,
  attributes: () => Attributes,
  work: (span: Span | undefined) => Promise<T>,
  kind: SpanKind = spanKind.internal,
): Promise<T> {
  const parent = currentSpan();
  if (parent === undefined) return work(undefined);
  const span = parent.child(name, attributes(), kind);
  try {
    return await within(span, () => work(span));
  } catch (error) {
    span.fail(error);
    throw error;
  } finally {
    span.end();
  }
}
