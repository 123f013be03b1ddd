/** Hands spans to a collector by OTLP over gRPC, without TLS, as upstream's components do. */
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { fromJSON, type MessageTypeDefinition } from '@grpc/proto-loader';
import descriptor from './otlp.json' with { type: 'json' };
import type { Attributes, FinishedSpan } from './span.ts';
import type { SpanExporter } from './tracer.ts';

export interface OtlpOptions {
  /** `host:port`, `dns:///...` or `unix:///...`; default: localhost:4317. */
  endpoint?: string | undefined;
  /** What all spans are of: service.name and the like. */
  resource: Attributes;
  /** Sent with each export (OTEL_EXPORTER_OTLP_HEADERS). */
  headers?: Readonly<Record<string, string>>;
}

/** Of the service TraceService; a collector calls it by this path. */
export const exportPath = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
const timeoutMs = 10_000;

type Codec = MessageTypeDefinition<object, object>;

/** Encodes and decodes ExportTraceServiceRequests. */
export function exportRequestCodec(): Pick<Codec, 'serialize' | 'deserialize'> {
  // A JSON file of ours in protobufjs' form.
  const types = fromJSON(descriptor as Parameters<typeof fromJSON>[0], { longs: String, defaults: true, oneofs: false });
  return types['opentelemetry.ExportRequest'] as Codec;
}

const keyValues = (attributes: Attributes) =>
  Object.entries(attributes).map(([key, value]) => {
    if (typeof value === 'string') return { key, value: { stringValue: value } };
    if (typeof value === 'boolean') return { key, value: { boolValue: value } };
    return { key, value: Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value } };
  });

const bytes = (hex: string) => Buffer.from(hex, 'hex');

const message = (span: FinishedSpan) => ({
  traceId: bytes(span.traceId),
  spanId: bytes(span.spanId),
  parentSpanId: bytes(span.parentSpanId),
  name: span.name,
  kind: span.kind,
  startTimeUnixNano: String(span.startNanos),
  endTimeUnixNano: String(span.endNanos),
  attributes: keyValues(span.attributes),
  events: span.events.map(({ name, nanos, attributes }) => ({ timeUnixNano: String(nanos), name, attributes: keyValues(attributes) })),
  // 2 is an error.
  ...(span.error === undefined ? {} : { status: { code: 2, message: span.error } }),
});

export function otlpExporter({ endpoint = 'localhost:4317', resource, headers = {} }: OtlpOptions): SpanExporter {
  const client = new Client(endpoint, credentials.createInsecure());
  const { serialize } = exportRequestCodec();
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return {
    export: (spans) =>
      new Promise((resolve, reject) => {
        const request = {
          resourceSpans: [
            { resource: { attributes: keyValues(resource) }, scopeSpans: [{ scope: { name: 'k8ts' }, spans: spans.map(message) }] },
          ],
        };
        client.makeUnaryRequest(
          exportPath,
          serialize,
          () => undefined,
          request,
          metadata,
          // gRPC's deadline is wall time of this process, whatever clock the cluster has.
          { deadline: new Date(Date.now() + timeoutMs) },
          (error) => (error ? reject(new Error(`traces export: ${error.message}`, { cause: error })) : resolve()),
        );
      }),
    close: () => client.close(),
  };
}
