/** Requests to the store by resource, as upstream counts its requests to etcd; and what lists read. */
import type { Registry } from 'prom-client';
import { type Cell, counters, gauges, type HistogramCell, histograms } from '../../observability/index.ts';
import type { Store } from '../../store/index.ts';
import type { Clock } from '../../time/index.ts';
import type { StorageObserver } from '../storage/storage.ts';

/** k8s.io/apiserver's etcd3/metrics. */
const buckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];

type Operation = 'get' | 'list' | 'create' | 'update' | 'delete';

interface Series {
  duration: HistogramCell;
  requests: Cell;
  errors: Cell | undefined;
}

export interface StorageMetrics {
  /** The store, measured for a resource. */
  measured(store: Store, group: string, resource: string): Store;
  observer(group: string, resource: string): StorageObserver;
}

export function createStorageMetrics(registry: Registry, clock: Clock): StorageMetrics {
  const durations = histograms(registry, {
    name: 'etcd_request_duration_seconds',
    help: 'Etcd request latency in seconds for each operation and object type.',
    buckets,
  });
  const requests = counters(registry, {
    name: 'etcd_requests_total',
    help: 'Etcd request counts for each operation and object type.',
  });
  const failures = counters(registry, {
    name: 'etcd_request_errors_total',
    help: 'Etcd failed request counts for each operation and object type.',
  });
  const list = (where: 'cache' | 'storage', what: string) => ({
    total: counters(registry, { name: `apiserver_${where}_list_total`, help: `Number of LIST requests served from ${what}` }),
    fetched: counters(registry, {
      name: `apiserver_${where}_list_fetched_objects_total`,
      help: `Number of objects read from ${what} in the course of serving a LIST request`,
    }),
    returned: counters(registry, {
      name: `apiserver_${where}_list_returned_objects_total`,
      help: `Number of objects returned for a LIST request from ${what}`,
    }),
  });
  const lists = { cache: list('cache', 'watch cache'), storage: list('storage', 'storage') };
  const evaluated = counters(registry, {
    name: 'apiserver_storage_list_evaluated_objects_total',
    help: 'Number of objects tested in the course of serving a LIST request from storage',
  });
  const waits = histograms(registry, {
    name: 'apiserver_watch_cache_read_wait_seconds',
    help: 'Histogram of time spent waiting for a watch cache to become fresh.',
    buckets: [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3],
  });
  const consistentReads = counters(registry, {
    name: 'apiserver_watch_cache_consistent_read_total',
    help: 'Counter for consistent reads from cache.',
  });
  const decodeErrors = counters(registry, {
    name: 'apiserver_storage_decode_errors_total',
    help: 'Number of stored object decode errors split by object type',
  });
  const received = counters(registry, {
    name: 'apiserver_watch_cache_events_received_total',
    help: 'Counter of events received in watch cache broken by resource type.',
  });
  const storageEvents = counters(registry, {
    name: 'apiserver_storage_events_received_total',
    help: 'Number of etcd events received split by kind.',
  });
  const dispatches = counters(registry, {
    name: 'apiserver_watch_cache_events_dispatched_total',
    help: 'Counter of events dispatched in watch cache broken by resource type.',
  });
  const terminations = counters(registry, {
    name: 'apiserver_terminated_watchers_total',
    help: 'Counter of watchers closed due to unresponsiveness broken by resource type.',
  });
  const initializations = counters(registry, {
    name: 'apiserver_watch_cache_initializations_total',
    help: 'Counter of watch cache initializations broken by resource type.',
  });
  const version = gauges(registry, {
    name: 'apiserver_watch_cache_resource_version',
    help: 'Current resource version of watch cache broken by resource type.',
  });

  const seriesOf = (group: string, resource: string) => {
    const known = new Map<Operation, Series>();
    const type = { group, resource };
    return (operation: Operation): Series => {
      let series = known.get(operation);
      if (series === undefined) {
        const labels = { operation, ...type };
        series = { duration: durations.with(labels), requests: requests.with(labels), errors: undefined };
        known.set(operation, series);
      }
      return series;
    };
  };

  return {
    measured(store, group, resource) {
      const series = seriesOf(group, resource);
      /** The very promise that it was given: measuring costs its reader nothing. */
      const measure = <T>(operation: Operation, work: Promise<T>): Promise<T> => {
        const startedMs = clock.monotonic();
        const of = series(operation);
        const ended = () => {
          of.requests.inc();
          of.duration.observe((clock.monotonic() - startedMs) / 1000);
        };
        work.then(ended, () => {
          ended();
          of.errors ??= failures.with({ operation, group, resource });
          of.errors.inc();
        });
        return work;
      };
      return {
        ...store,
        // Spreading would lose methods of a class' prototype.
        revision: () => store.revision(),
        watch: (prefix, options) => store.watch(prefix, options),
        grantLease: (ttl, id) => store.grantLease(ttl, id),
        keepAlive: (id) => store.keepAlive(id),
        revokeLease: (id) => store.revokeLease(id),
        leases: () => store.leases(),
        compact: (revision) => store.compact(revision),
        sizeBytes: () => store.sizeBytes(),
        close: () => store.close(),
        ...(store.times ? { times: store.times } : {}),
        ...(store.transact ? { transact: (step) => store.transact?.(step) ?? Promise.reject(new Error('the store knows no steps')) } : {}),
        get: (key, options) => measure('get', store.get(key, options)),
        range: (prefix, options) => measure('list', store.range(prefix, options)),
        commit(conditions, operations) {
          const [first] = operations;
          const operation = first !== undefined && 'delete' in first ? 'delete' : conditions[0]?.modRevision === 0 ? 'create' : 'update';
          return measure(operation, store.commit(conditions, operations));
        },
      };
    },
    observer(group, resource) {
      const labels = { group, resource };
      const of = {
        cache: {
          total: lists.cache.total.with({ ...labels, index: '' }),
          fetched: lists.cache.fetched.with({ ...labels, index: '' }),
          returned: lists.cache.returned.with(labels),
        },
        storage: {
          total: lists.storage.total.with(labels),
          fetched: lists.storage.fetched.with(labels),
          returned: lists.storage.returned.with(labels),
        },
      };
      const tested = evaluated.with(labels);
      // There is no other way to read it than by the cache: nothing falls back.
      const consistent = (success: boolean) => consistentReads.with({ ...labels, success: String(success), fallback: 'false' });
      let wait: HistogramCell | undefined;
      let answered: Cell | undefined;
      const events = received.with(labels);
      const stored = storageEvents.with(labels);
      const dispatched = dispatches.with(labels);
      const fills = initializations.with(labels);
      const revision = version.with(labels);
      return {
        listed(where, fetched, returned) {
          of[where].total.inc();
          of[where].fetched.inc(fetched);
          of[where].returned.inc(returned);
          if (where === 'storage') tested.inc(fetched);
        },
        received(count, at) {
          events.inc(count);
          stored.inc(count);
          revision.value = at;
        },
        filled(at) {
          fills.inc();
          revision.value = at;
        },
        dispatched: () => dispatched.inc(),
        terminated: () => terminations.with(labels).inc(),
        waited(seconds) {
          wait ??= waits.with(labels);
          wait.observe(seconds);
        },
        readConsistently(success) {
          if (!success) return consistent(false).inc();
          answered ??= consistent(true);
          answered.inc();
        },
        undecodable: () => decodeErrors.with(labels).inc(),
      };
    },
  };
}
