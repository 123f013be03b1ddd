/** The API server's request metrics, with upstream's names and labels. */
import type { Registry } from 'prom-client';
import { type Cell, counters, gauges, type HistogramCell, histograms } from '../../observability/index.ts';
import type { Clock } from '../../time/index.ts';
import type { RequestContext } from '../exchange.ts';
import { registerWatermarks, Watermark } from '../metrics/watermark.ts';
import type { RequestInfo } from '../request.ts';
import { queryBoolean } from '../request-info.ts';

export interface RequestMetrics {
  /** A request has come, at this time of the clock; the result is called when it has been answered, or when that was broken off. */
  begin(context: RequestContext, longRunning: boolean, startedMs: number): (status: number, bytes: number, broken: boolean) => void;
  /** What the server had answered already, since the time was up, is done now. */
  late(status: 'ok' | 'panic'): void;
}

const buckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
const sliBuckets = buckets.slice(2);
const sizeBuckets = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/** Paths that may become a label; others would let any client make new time series. */
const knownPaths = new Set(['/healthz', '/livez', '/readyz', '/metrics', '/version', '/api', '/apis', '/openapi/v2', '/openapi/v3']);
const knownSubresources = new Set(
  ['', 'status', 'scale', 'log', 'exec', 'attach', 'portforward', 'proxy', 'binding', 'eviction', 'token', 'approval', 'finalize'].concat([
    'resize',
    'ephemeralcontainers',
  ]),
);
const connecting = new Set(['exec', 'attach', 'portforward', 'proxy', 'log']);
/** Upstream reports methods, and sets lists and watches apart. */
const verbOf: Readonly<Record<string, string>> = {
  create: 'POST',
  update: 'PUT',
  proxy: 'CONNECT',
  deletecollection: 'DELETE',
  '': 'other',
};
const readVerbs = new Set(['get', 'list', 'watch']);
const methods = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT']);

const validating = new Set(['create', 'update', 'patch']);
const fieldValidations = new Set(['', 'Ignore', 'Warn', 'Strict']);

function fieldValidationOf({ query }: RequestContext): string {
  const given = (query.size > 0 && query.get('fieldValidation')) || '';
  return fieldValidations.has(given) ? given : 'invalid';
}

/** What it says of that; anything else is one label. */
function dryRunOf({ query }: RequestContext): string {
  if (query.size === 0) return '';
  const given = query.getAll('dryRun');
  if (given.length === 0) return '';
  return given.every((value) => value === 'All') ? 'All' : 'invalid';
}

function reportedVerb({ info, method, query, body }: RequestContext): string {
  if (!info.isResourceRequest) return method === 'HEAD' ? 'GET' : methods.has(method) ? method : 'other';
  if (connecting.has(info.subresource)) return 'CONNECT';
  // Also where one object is asked for, of which that is no watch.
  if (info.verb === 'get' && query.size > 0 && method === 'GET' && queryBoolean(query, 'watch')) return 'WATCH';
  if (info.verb === 'patch' && body.contentType === 'application/apply-patch+yaml') return 'APPLY';
  return verbOf[info.verb] ?? info.verb.toUpperCase();
}

/** By the path: a collection of which one object is selected is still that. */
export function scopeOf({ isResourceRequest, parts, namespace, verb }: RequestInfo): string {
  if (!isResourceRequest) return '';
  if (parts.length > 1 || verb === 'create') return 'resource';
  return namespace === '' ? 'cluster' : 'namespace';
}

/** What is counted of requests of one kind. */
interface Series {
  duration: HistogramCell;
  /** Of requests that the objectives are about. */
  sli: HistogramCell | undefined;
  sizes: HistogramCell | undefined;
  longRunning: Cell | undefined;
  /** Of requests' bodies. */
  bodies: HistogramCell | undefined;
  /** By status code. */
  total: Map<number, Cell>;
  labels: Readonly<Record<string, string>>;
  dryRun: string;
}

/** Upstream's words here are the verbs', but for one. */
function bodyLabels({ verb }: RequestInfo, { labels: { group = '', resource = '' } }: Series): Record<string, string> {
  return { group, resource, verb: verb === 'deletecollection' ? 'delete_collection' : verb };
}

/** `isServed`: whether a resource may become a label. */
export function createRequestMetrics(registry: Registry, clock: Clock, isServed: (info: RequestInfo) => boolean): RequestMetrics {
  const total = counters(registry, {
    name: 'apiserver_request_total',
    help: 'Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.',
  });
  const duration = histograms(registry, {
    name: 'apiserver_request_duration_seconds',
    help: 'Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.',
    buckets,
  });
  const sli = histograms(registry, {
    name: 'apiserver_request_sli_duration_seconds',
    help: 'Response latency distribution (not counting webhook duration and priority & fairness queue wait times) in seconds for each verb, group, version, resource, subresource, scope and component.',
    buckets: sliBuckets,
  });
  const validations = histograms(registry, {
    name: 'field_validation_request_duration_seconds',
    help: 'Response latency distribution in seconds for each field validation value',
    buckets: sliBuckets,
  });
  const sizes = histograms(registry, {
    name: 'apiserver_response_sizes',
    help: 'Response size distribution in bytes for each group, version, verb, resource, subresource, scope and component.',
    buckets: sizeBuckets,
  });
  const bodies = histograms(registry, {
    name: 'apiserver_request_body_size_bytes',
    help: 'Apiserver request body size in bytes broken out by resource and verb.',
    buckets: Array.from({ length: 31 }, (_, i) => 50_000 + i * 100_000),
  });
  const running = gauges(registry, {
    name: 'apiserver_longrunning_requests',
    help: 'Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.',
  });
  const deprecated = gauges(registry, {
    name: 'apiserver_requested_deprecated_apis',
    help: 'Gauge of deprecated APIs that have been requested, broken out by API group, version, resource, subresource, and removed_release.',
  });
  const terminations = counters(registry, {
    name: 'apiserver_request_terminations_total',
    help: 'Number of requests which apiserver terminated in self-defense.',
  });
  const aborts = counters(registry, {
    name: 'apiserver_request_aborts_total',
    help: 'Number of requests which apiserver aborted possibly due to a timeout, for each group, version, verb, resource, subresource and scope',
  });
  const late = counters(registry, {
    name: 'apiserver_request_post_timeout_total',
    help: 'Tracks the activity of the request handlers after the associated requests have been timed out by the apiserver',
  });
  const selfRequests = counters(registry, {
    name: 'apiserver_selfrequest_total',
    help: 'Counter of apiserver self-requests broken out for each verb, API resource and subresource.',
  });
  const validationCells = new Map<string, HistogramCell>();
  const validationOf = (context: RequestContext): HistogramCell => {
    const field_validation = fieldValidationOf(context);
    let cell = validationCells.get(field_validation);
    if (cell === undefined) {
      cell = validations.with({ field_validation });
      validationCells.set(field_validation, cell);
    }
    return cell;
  };
  const inflight = inflightGauges(registry, clock);
  const known = new Map<string, Series>();

  const seriesOf = (context: RequestContext): Series => {
    const { info } = context;
    const verb = reportedVerb(context);
    const scope = scopeOf(info);
    const dryRun = dryRunOf(context);
    const path = info.isResourceRequest ? '' : info.path;
    const key = `${verb} ${info.apiGroup} ${info.apiVersion} ${info.resource} ${info.subresource} ${scope} ${dryRun} ${path}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const isKnown = info.isResourceRequest ? isServed(info) && knownSubresources.has(info.subresource) : knownPaths.has(info.path);
    const { apiGroup: group, apiVersion: version, resource } = isKnown ? info : { apiGroup: '', apiVersion: '', resource: '' };
    const subresource = !isKnown ? '' : info.isResourceRequest ? info.subresource : info.path;
    const labels = { verb, group, version, resource, subresource, scope: isKnown ? scope : '', component: 'apiserver' };
    const made: Series = {
      duration: duration.with({ ...labels, dry_run: dryRun }),
      sli: dryRun === '' ? sli.with(labels) : undefined,
      sizes: verb === 'GET' || verb === 'LIST' ? sizes.with(labels) : undefined,
      longRunning: undefined,
      bodies: undefined,
      total: new Map(),
      labels,
      dryRun,
    };
    // What nobody serves, anybody may ask for.
    if (isKnown) known.set(key, made);
    return made;
  };

  /** In self-defense: by whoever lets requests in, or since the time was up. */
  const isTermination = (status: number, { admission }: RequestContext) =>
    status === 504 || (status === 429 && admission !== undefined && admission.release === undefined);

  return {
    late: (status) => late.with({ source: 'timeout-handler', status }).inc(),
    begin(context, long, startedMs) {
      const series = seriesOf(context);
      const isRead = readVerbs.has(context.info.verb);
      if (long) {
        series.longRunning ??= running.with(series.labels);
        series.longRunning.inc();
      } else inflight.begin(isRead, startedMs);
      return (status, bytes, broken) => {
        const endedMs = clock.monotonic();
        const seconds = (endedMs - startedMs) / 1000;
        if (long) series.longRunning?.inc(-1);
        else inflight.end(isRead, endedMs);
        series.duration.observe(seconds);
        series.sli?.observe(Math.max(0, seconds - (context.latencies?.elsewhereMs ?? 0) / 1000));
        series.sizes?.observe(bytes);
        if (context.bodyBytes !== undefined) {
          series.bodies ??= bodies.with(bodyLabels(context.info, series));
          series.bodies.observe(context.bodyBytes);
        }
        if (validating.has(context.info.verb)) validationOf(context).observe(seconds);
        let cell = series.total.get(status);
        if (cell === undefined) {
          cell = total.with({ ...series.labels, dry_run: series.dryRun, code: String(status) });
          series.total.set(status, cell);
        }
        cell.inc();
        if (isTermination(status, context)) terminations.with({ code: String(status), ...series.labels }).inc();
        if (broken && !long) {
          const { component: _component, ...labels } = series.labels;
          aborts.with(labels).inc();
        }
        if (context.deprecation !== undefined) {
          const { group = '', version = '', resource = '', subresource = '' } = series.labels;
          deprecated.with({ group, version, resource, subresource, removed_release: context.deprecation.removedRelease }).value = 1;
        }
        if (context.local && context.user.name === 'system:apiserver') {
          const { verb = '', group = '', resource = '', subresource = '' } = series.labels;
          selfRequests.with({ verb, group, resource, subresource }).inc();
        }
      };
    },
  };
}

/** The most requests that ran at once in the last second, by kind. */
function inflightGauges(registry: Registry, clock: Clock) {
  const kinds = { readOnly: new Watermark(), mutating: new Watermark() };
  registerWatermarks(registry, clock, {
    name: 'apiserver_current_inflight_requests',
    help: 'Maximal number of currently used inflight request limit of this apiserver per request kind in last second.',
    kinds: () => kinds,
  });
  const of = (isRead: boolean) => kinds[isRead ? 'readOnly' : 'mutating'];
  return {
    begin: (isRead: boolean, at: number) => of(isRead).change(1, at),
    end: (isRead: boolean, at: number) => of(isRead).change(-1, at),
  };
}
