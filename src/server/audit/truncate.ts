import type { Logger } from 'pino';
import { type AuditBackend, allStored } from './backend.ts';
import type { AuditEvent } from './event.ts';
import type { AuditMetrics } from './metrics.ts';

export interface TruncateOptions {
  /** --audit-*-truncate-max-event-size. */
  maxEventBytes: number;
  /** --audit-*-truncate-max-batch-size. */
  maxBatchBytes: number;
}

const sizeOf = (event: AuditEvent) => Buffer.byteLength(JSON.stringify(event));

/** Large events go without their bodies, or not at all; large batches go in parts. */
export function truncating(backend: AuditBackend, options: TruncateOptions, metrics: AuditMetrics, logger: Logger): AuditBackend {
  const { maxEventBytes, maxBatchBytes } = options;

  const fitted = (event: AuditEvent): { event: AuditEvent; size: number } | undefined => {
    const size = sizeOf(event);
    if (size <= maxEventBytes) return { event, size };
    // What is not stored is told of, but it is nobody's fault who asks.
    const { requestObject: _request, responseObject: _response, ...kept } = event;
    const truncated: AuditEvent = { ...kept, annotations: { ...event.annotations, 'audit.k8s.io/truncated': 'true' } };
    const left = sizeOf(truncated);
    if (left <= maxEventBytes) return { event: truncated, size: left };
    metrics.failed('truncate', 1);
    logger.error(
      { auditID: event.auditID },
      'Error in audit plugin "truncate" affecting 1 audit events: event is too large even after truncating',
    );
    return undefined;
  };

  return {
    process(events) {
      const fitting = events.map(fitted);
      const batches: AuditEvent[][] = [[]];
      let batchBytes = 0;
      for (const fit of fitting) {
        if (fit === undefined) continue;
        if (batchBytes + fit.size > maxBatchBytes && batchBytes > 0) {
          batches.push([]);
          batchBytes = 0;
        }
        batches.at(-1)?.push(fit.event);
        batchBytes += fit.size;
      }
      const sent = batches.filter((batch) => batch.length > 0).map((batch) => backend.process(batch));
      return allStored(sent);
    },
    close: () => backend.close(),
  };
}
