/** What conversion webhooks of custom resources do and how long they take, with upstream's metric names. */
import type { Registry } from 'prom-client';
import { counters, histograms } from '../../observability/index.ts';
import { type Clock, systemClock } from '../../time/index.ts';

/** Upstream's word for what went wrong. */
export type ConversionFailure =
  `conversion_webhook_${'call' | 'malformed_response' | 'partial_response' | 'invalid_converted_object'}_failure`;

/** The outcome of one call, of a definition by name. */
export interface ConversionOutcome {
  definition: string;
  from: string;
  to: string;
  failure?: ConversionFailure | undefined;
  seconds: number;
}

export interface ConversionMetrics {
  now(): number;
  called(outcome: ConversionOutcome): void;
}

export function createConversionMetrics(registry: Registry, clock: Clock = systemClock): ConversionMetrics {
  const requests = counters(registry, {
    name: 'apiserver_conversion_webhook_request_total',
    help: 'Counter for conversion webhook requests with success/failure and failure error type',
  });
  const latencies = histograms(registry, {
    name: 'apiserver_conversion_webhook_duration_seconds',
    help: 'Conversion webhook request latency',
    buckets: [0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 45, 60],
  });
  const durations = histograms(registry, {
    name: 'apiserver_crd_conversion_webhook_duration_seconds',
    help: 'CRD webhook conversion duration in seconds',
    buckets: Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i),
  });
  return {
    now: () => clock.monotonic(),
    called({ definition, from, to, failure, seconds }) {
      const result = { failure_type: failure ?? '', result: failure ? 'failure' : 'success' };
      requests.with(result).inc();
      latencies.with(result).observe(seconds);
      durations.with({ crd_name: definition, from_version: from, to_version: to, succeeded: String(!failure) }).observe(seconds);
    },
  };
}
