/** The API server's request metrics, with upstream's names and labels. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Clock } from '../../time/index.ts';
import type { RequestContext } from '../exchange.ts';

export interface RequestMetrics {
  /** A request has come; the result is called when it has been answered. */
  begin(context: RequestContext, longRunning: boolean): (status: number, bytes: number) => void;
}

const labels = ['verb', 'group', 'version', 'resource', 'subresource', 'scope', 'component'] as const;
const buckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];

const verbs = new Set(['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection', 'connect']);
/** Paths that may become a label; others would let any client make new time series. */
const knownPaths = new Set(['/healthz', '/livez', '/readyz', '/metrics', '/version', '/api', '/apis', '/openapi/v2', '/openapi/v3']);

const connecting = new Set(['exec', 'attach', 'portforward', 'proxy', 'log']);

function labelsOf({ info, method }: RequestContext): Record<(typeof labels)[number], string> {
  const verb = connecting.has(info.subresource)
    ? 'CONNECT'
    : info.isResourceRequest && verbs.has(info.verb)
      ? info.verb === 'create'
        ? 'POST'
        : info.verb === 'update'
          ? 'PUT'
          : info.verb.toUpperCase()
      : method;
  const scope = !info.isResourceRequest ? '' : info.name !== '' ? 'resource' : info.namespace !== '' ? 'namespace' : 'cluster';
  return {
    verb,
    group: info.apiGroup,
    version: info.apiVersion,
    resource: info.resource,
    subresource: info.isResourceRequest ? info.subresource : knownPaths.has(info.path) ? info.path : '',
    scope,
    component: 'apiserver',
  };
}

export function createRequestMetrics(registry: Registry, clock: Clock): RequestMetrics {
  const registers = [registry];
  const total = new Counter({
    name: 'apiserver_request_total',
    help: 'Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.',
    labelNames: [...labels, 'dry_run', 'code'],
    registers,
  });
  const duration = new Histogram({
    name: 'apiserver_request_duration_seconds',
    help: 'Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.',
    labelNames: [...labels, 'dry_run'],
    buckets,
    registers,
  });
  const inflight = new Gauge({
    name: 'apiserver_current_inflight_requests',
    help: 'Maximal number of currently used inflight request limit of this apiserver per request kind in last second.',
    labelNames: ['request_kind'],
    registers,
  });
  const longRunning = new Gauge({
    name: 'apiserver_longrunning_requests',
    help: 'Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component.',
    labelNames: labels,
    registers,
  });
  return {
    begin(context, long) {
      const common = labelsOf(context);
      const started = clock.monotonic();
      const kind = ['get', 'list', 'watch'].includes(context.info.verb) ? 'readOnly' : 'mutating';
      if (long) {
        longRunning.inc(common);
        context.signal.addEventListener('abort', () => longRunning.dec(common), { once: true });
      } else inflight.inc({ request_kind: kind });
      const dryRun = context.query.get('dryRun') ?? '';
      return (status) => {
        if (!long) {
          inflight.dec({ request_kind: kind });
          duration.observe({ ...common, dry_run: dryRun }, (clock.monotonic() - started) / 1000);
        }
        total.inc({ ...common, dry_run: dryRun, code: String(status) });
      };
    },
  };
}
