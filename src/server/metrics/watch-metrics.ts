/** What watches send, with upstream's names. */
import type { Registry } from 'prom-client';
import { type Cell, counters, type HistogramCell, histograms } from '../../observability/index.ts';

export interface WatchSeries {
  events: Cell;
  sizes: HistogramCell;
  initial: Cell;
  /** How long the beginning of a watch list took; `scope`: of the request's path. */
  listed(scope: string, seconds: number): void;
}

export interface WatchMetrics {
  /** To be kept by who sends a watch. */
  of(group: string, version: string, resource: string): WatchSeries;
}

export function createWatchMetrics(registry: Registry): WatchMetrics {
  const events = counters(registry, { name: 'apiserver_watch_events_total', help: 'Number of events sent in watch clients' });
  const sizes = histograms(registry, {
    name: 'apiserver_watch_events_sizes',
    help: 'Watch event size distribution in bytes',
    buckets: [1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072],
  });
  const initial = counters(registry, {
    name: 'apiserver_init_events_total',
    help: 'Counter of init events processed in watch cache broken by resource type.',
  });
  const listDuration = histograms(registry, {
    name: 'apiserver_watch_list_duration_seconds',
    help: 'Response latency distribution in seconds for watch list requests broken by group, version, resource and scope.',
    buckets: [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300],
  });
  const known = new Map<string, WatchSeries>();
  return {
    of(group, version, resource) {
      const key = `${group} ${version} ${resource}`;
      let series = known.get(key);
      if (series === undefined) {
        const labels = { group, version, resource };
        series = {
          events: events.with(labels),
          sizes: sizes.with(labels),
          initial: initial.with({ group, resource }),
          listed: (scope, seconds) => listDuration.with({ ...labels, scope }).observe(seconds),
        };
        known.set(key, series);
      }
      return series;
    },
  };
}
