import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { StatusError } from '../api/index.ts';
import type { Clock } from '../time/index.ts';
import type { Transport } from './client.ts';

export interface RequestMetricsOptions {
  registry: Registry;
  clock: Clock;
  /** The API server's, with its port. */
  host: string;
}

type Events = AsyncIterator<{ type: string; object: unknown }>;

/** A transport whose requests are counted and timed as upstream's `rest_client_*` metrics. A watch counts once it has said something. */
export function measuredTransports({ registry, clock, host }: RequestMetricsOptions): (transport: Transport) => Transport {
  const registers = [registry];
  const requests = new Counter({
    name: 'rest_client_requests_total',
    help: 'Number of HTTP requests, partitioned by status code, method, and host.',
    labelNames: ['code', 'host', 'method'],
    registers,
  });
  const durations = new Histogram({
    name: 'rest_client_request_duration_seconds',
    help: 'Request latency in seconds. Broken down by verb, and host.',
    labelNames: ['host', 'verb'],
    buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60],
    registers,
  });
  // Nothing here runs a plugin for its credentials.
  new Gauge({
    name: 'rest_client_exec_plugin_ttl_seconds',
    help: 'Gauge of the shortest TTL (time-to-live) of the client certificate(s) managed by the auth exec plugin. The value is in seconds until certificate expiry (negative if already expired). If auth exec plugins are unused or manage no TLS certificates, the value will be +INF.',
    registers,
  }).set(Number.POSITIVE_INFINITY);
  const note = (method: string, code: string, startedMs: number) => {
    requests.inc({ code, host, method });
    durations.observe({ host, verb: method }, (clock.monotonic() - startedMs) / 1000);
  };
  const codeOf = (error: unknown) => (error instanceof StatusError ? String(error.code) : '<error>');
  const measured = async <T>(method: string, answer: Promise<T>, code: (answer: T) => string): Promise<T> => {
    const startedMs = clock.monotonic();
    try {
      const got = await answer;
      note(method, code(got), startedMs);
      return got;
    } catch (error) {
      note(method, codeOf(error), startedMs);
      throw error;
    }
  };
  /** After its first event it costs nothing. */
  const watched = (method: string, events: Events): Events => {
    let next = () => {
      next = () => events.next();
      return measured(method, events.next(), () => '200');
    };
    return { next: () => next(), return: (value) => events.return?.(value) ?? Promise.resolve({ done: true, value }) };
  };
  return (transport) => ({
    request: (request) => measured(request.method, transport.request(request), ({ status }) => String(status)),
    stream: (request) => ({ [Symbol.asyncIterator]: () => watched(request.method, transport.stream(request)[Symbol.asyncIterator]()) }),
    close: () => transport.close(),
  });
}
