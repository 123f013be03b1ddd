import type { Clock, Random, Timer } from '../../time/index.ts';
import { type Attributes, type FinishedSpan, Span, type SpanKind, type TraceParent } from './span.ts';

/** Takes finished spans away. */
export interface SpanExporter {
  export(spans: readonly FinishedSpan[]): Promise<void>;
  close(): void;
}

export interface TracerOptions {
  clock: Clock;
  random: Random;
  exporter: SpanExporter;
  /** Of a million requests that nobody else traces, so many are. Default 0. */
  samplingRatePerMillion?: number | undefined;
  onError(error: unknown): void;
}

export interface Tracer {
  /** A span that others are part of; undefined where it is not to be recorded. `parent`: whose decision that is. */
  begin(
    name: string,
    options: { kind: SpanKind; attributes: Attributes; parent?: TraceParent | undefined; startedMs: number },
  ): Span | undefined;
  /** Exports what is left. */
  close(): Promise<void>;
}

// OpenTelemetry's defaults of a batch span processor.
const queueSize = 2048;
const batchSize = 512;
const delayMs = 5000;

/** Records spans and hands them over in batches; what a collector does not take in time is dropped. */
export function createTracer({ clock, random, exporter, samplingRatePerMillion = 0, onError }: TracerOptions): Tracer {
  const queue: FinishedSpan[] = [];
  let timer: Timer | undefined;
  let work = Promise.resolve();
  const flush = (): void => {
    timer?.cancel();
    timer = undefined;
    while (queue.length > 0) {
      const batch = queue.splice(0, batchSize);
      work = work.then(() => exporter.export(batch)).catch(onError);
    }
  };
  const source = {
    clock,
    random,
    finished(span: FinishedSpan) {
      if (queue.length >= queueSize) return;
      queue.push(span);
      if (queue.length >= batchSize) flush();
      else timer ??= clock.setTimer(delayMs, flush, { background: true });
    },
  };
  return {
    begin(name, { parent, ...options }) {
      const isSampled = parent ? parent.sampled : random.next() * 1e6 < samplingRatePerMillion;
      return isSampled ? new Span(source, name, { ...options, parent }) : undefined;
    },
    async close() {
      flush();
      await work;
      exporter.close();
    },
  };
}
