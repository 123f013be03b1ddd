/** The API server: puts filters, registry, discovery and transports together. */
import type { Server } from 'node:net';
import {
  type CustomForm,
  defaultServing,
  groupResourceOf,
  hasReason,
  type KindDefinition,
  type KubeObject,
  type Resource,
  servedKinds,
} from '../api/index.ts';
import type { Transport } from '../client/index.ts';
import {
  counters,
  createHealth,
  exposition,
  expositionType,
  type HealthCheck,
  type HealthEndpoint,
  healthMetricNames,
  versionInfo,
} from '../observability/index.ts';
import type { Store } from '../store/index.ts';
import type { Aggregation } from './aggregation/index.ts';
import type { ApiServerOptions, Route } from './api-server-options.ts';
import { createDiscovery } from './discovery/discovery.ts';
import { createOpenApi } from './discovery/openapi.ts';
import { type Answer, healthAnswer, type RequestContext, textAnswer } from './exchange.ts';
import { createFlowControl, type FlowControl } from './flowcontrol/index.ts';
import { createHttpServer, defaultLimits, type HttpServer, type TlsOptions } from './http/http-server.ts';
import { Lifecycle } from './lifecycle.ts';
import { localTransport } from './local-transport.ts';
import { createAuthenticationMetrics, filterDurations, measuredAuthorizer } from './metrics/access-metrics.ts';
import { createAdmissionMetrics } from './metrics/admission-metrics.ts';
import { createImpersonationMetrics } from './metrics/impersonation-metrics.ts';
import { createOpenApiMetrics } from './metrics/open-api-metrics.ts';
import { registerServerMetrics } from './metrics/server-metrics.ts';
import { createStorageMetrics } from './metrics/storage-metrics.ts';
import { createWatchMetrics } from './metrics/watch-metrics.ts';
import { createPipeline, type Incoming, type Outcome } from './pipeline/pipeline.ts';
import { createRequestMetrics } from './pipeline/request-metrics.ts';
import { createDispatch, notAllowed, notFound, notFoundMessage, notKnownYet } from './registry/dispatch.ts';
import type { Registry } from './registry/registry.ts';
import type { SubresourceHandler } from './registry/resource-handler.ts';
import { ResourceTable } from './registry/served-resource.ts';
import { checkProduced } from './representation/accept.ts';
import type { AdmissionPlugin, UserInfo } from './request.ts';
import { bindings, coreHandlers } from './rest/index.ts';
import { openResourceStorage } from './storage/resource-storage.ts';
import type { ResourceStorage } from './storage/storage.ts';
import { storedForm } from './storage/stored-form.ts';
import type { Storages } from './storages.ts';
import { zPages } from './zpages/zpages.ts';

export interface ApiServer {
  /** Serves HTTPS; needs `tls`. `entrance`: a socket that listens already, e.g. in another network, served as well. */
  listen(entrance?: Server): Promise<{ address: string; port: number }>;
  /** Shows clients another certificate, or asks them for those of other authorities, from now on. */
  setTls(changed: Partial<Pick<TlsOptions, 'cert' | 'key' | 'clientCa'>>): void;
  /** Is no longer ready, then takes no more requests: ends watches and lets requests in flight finish. */
  drain(): Promise<void>;
  /** Drains, then closes storages (not the store). */
  close(): Promise<void>;
  /** One request through all filters, whichever way it came. */
  handle(incoming: Incoming): Promise<Outcome>;
  /** The in-process face for a component with this identity. */
  localTransport(user: UserInfo): Transport;
  addReadyCheck(check: HealthCheck, endpoints?: readonly HealthEndpoint[]): void;
  /** Throws for a resource that is not served or has no storage. */
  storageOf: Storages;
  /** Serves a further kind from now on (custom resources). */
  addKind(kind: KindDefinition): ResourceStorage | undefined;
  /** Whether a resource is one of those that it was made with, not a custom one. */
  bringsAlong(resource: Pick<Resource, 'group' | 'plural'>): boolean;
  /** Serves a kind by another definition. With another schema its storage is opened anew, which ends watches. */
  replaceKind(prev: KindDefinition, next: KindDefinition, options: { keepStorage: boolean }): void;
  /** Until then more kinds may come: who asks for what is not known is told to try again. */
  expectKinds(until: Promise<void>): void;
  /** Stops serving a kind; its stored objects stay. */
  removeKind(kind: KindDefinition): void;
  addHandler(handler: SubresourceHandler): void;
  addRoute(route: Route): void;
  /** Leaves to other servers what they serve in this one's name. */
  aggregate(aggregation: Aggregation): void;
  addAdmission(plugin: AdmissionPlugin): void;
  readonly flowControl: FlowControl | undefined;
  readonly table: ResourceTable;
  readonly registry: Registry;
}

const hourSeconds = 3600;
/** So long /readyz waits for caches that are being filled before it says which they are. */
const informerPatienceMs = 1000;

/** Fields by which many clients watch: the scheduler and every kubelet select pods by node. */
const indexedFields: Record<string, readonly string[]> = { pods: ['spec.nodeName'] };

export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { store, clock, random, logger, metrics } = options;
  const lifetime = new AbortController();
  const lifecycle = new Lifecycle(clock, options.shutdown ?? {});
  const table = new ResourceTable();
  const storages = new Map<string, ResourceStorage>();
  const handlers: SubresourceHandler[] = [...(options.rest ?? [])];
  const routes: Route[] = [...(options.routes ?? [])];
  const admission: AdmissionPlugin[] = [...(options.admission ?? [])];
  const registry: Registry = {
    authorizer: options.authorizer,
    minRequestTimeoutSeconds: options.minRequestTimeoutSeconds,
    clock,
    random,
    admission,
    admissionMetrics: createAdmissionMetrics(metrics, clock),
    table,
    isEnabled: options.isEnabled,
    deleteCollectionWorkers: options.deleteCollectionWorkers,
    ...(options.hooks ? { hooks: options.hooks } : {}),
  };
  const prefix = options.storagePrefix ?? '/registry';
  const storageMetrics = createStorageMetrics(metrics, clock);
  const handshakeErrors = counters(metrics, {
    name: 'apiserver_tls_handshake_errors_total',
    help: "Number of requests dropped with 'TLS handshake error from' error",
  }).with({});
  const ttlOf = options.ttlSeconds ?? ((r: Resource) => (r.kind === 'Event' ? hourSeconds : undefined));

  const custom = new Map<string, CustomForm>();

  const openStorage = (kind: KindDefinition): ResourceStorage => {
    const { resource } = kind;
    const fields = indexedFields[groupResourceOf(resource)] ?? [];
    const indexes = fields.filter((field) => kind.fieldSelectors?.[field]);
    const ttl = ttlOf(resource);
    const where =
      kind.storagePrefix ??
      (resource.group.includes('.') && !resource.group.endsWith('.k8s.io') ? `${resource.group}/${resource.plural}` : resource.plural);
    return openResourceStorage<KubeObject>({
      store: options.storeOf?.(resource) ?? store,
      prefix: `${prefix}/${where}`,
      root: prefix,
      resource,
      clock,
      logger,
      indexes,
      measured: (raw) => storageMetrics.measured(raw, resource.group, resource.plural),
      observer: storageMetrics.observer(resource.group, resource.plural),
      readsAnew: options.readsAnew?.(resource),
      form: storedForm(kind, { mediaType: options.storageMediaType, shared: options.sharedStore, cbor: options.cbor }),
      transformer: options.encryption?.transformerOf({ group: resource.group, resource: resource.plural }),
      // Of the definition as it is when something is read.
      ...(kind.custom
        ? {
            repair: (stored: KubeObject) => custom.get(groupResourceOf(resource))?.repair(stored) ?? stored,
            complete: (written: KubeObject) => custom.get(groupResourceOf(resource))?.complete(written) ?? written,
          }
        : {}),
      ...(ttl === undefined ? {} : { ttlSeconds: () => ttl }),
    });
  };

  const addKind = (kind: KindDefinition, kept?: ResourceStorage): ResourceStorage | undefined => {
    if (kind.custom) custom.set(groupResourceOf(kind.resource), kind.custom);
    const storage = kept ?? (kind.virtual ? undefined : openStorage(kind));
    if (storage !== undefined) storages.set(groupResourceOf(kind.resource), storage);
    table.add(kind, storage, new Set((indexedFields[groupResourceOf(kind.resource)] ?? []).filter((f) => kind.fieldSelectors?.[f])));
    return storage;
  };
  for (const kind of servedKinds(options.kinds, options.serves ?? defaultServing)) addKind(kind);
  table.add(bindings, undefined);
  const builtIn = new Set([...storages.keys(), ...[...table.all()].map(({ resource }) => groupResourceOf(resource))]);

  const storageOf: Storages = <T extends KubeObject>(resource: Resource<T>) => {
    const storage = storages.get(groupResourceOf(resource));
    if (storage === undefined) throw new Error(`${groupResourceOf(resource)} is not served or not stored`);
    // One storage a resource, opened for its kind: its objects are Ts.
    return storage as unknown as ResourceStorage<T>;
  };
  const storeCheck =
    (of: Store, timeoutMs = 2000) =>
    async () => {
      const late = new AbortController();
      const timer = clock.setTimer(timeoutMs, () => late.abort(new Error('context deadline exceeded')));
      await Promise.race([of.revision(), rejection(late.signal)]).finally(() => timer.cancel());
    };
  const { storeCheckTimeoutMs, storeReadyTimeoutMs } = options;
  const checkStore = storeCheck(store, storeCheckTimeoutMs);
  const { components } = options;
  handlers.push(...coreHandlers({ storageOf, clock, checkStore, isEnabled: options.isEnabled, ...(components ? { components } : {}) }));

  const health = createHealth(metrics);
  health.add({ name: 'log', check: () => {} });
  health.add({ name: 'etcd', group: 'etcd', check: checkStore });
  health.add({ name: 'etcd-readiness', check: storeCheck(store, storeReadyTimeoutMs) }, ['readyz']);
  for (const [i, other] of (options.otherStores ?? []).entries()) {
    health.add({ name: `etcd-override-${i}`, group: 'etcd', check: storeCheck(other, storeCheckTimeoutMs) });
    const ready = { name: `etcd-override-readiness-${i}`, group: 'etcd-readiness', check: storeCheck(other, storeReadyTimeoutMs) };
    health.add(ready, ['readyz']);
  }
  for (const { endpoints, ...check } of options.encryption?.healthChecks ?? []) health.add(check, endpoints);
  health.add(
    {
      name: 'informer-sync',
      async check(signal) {
        const late: string[] = [];
        const ready = Promise.all(
          [...table.all()].map(async ({ storage, resource, version }) => {
            if (!storage || version !== undefined || storage.present !== undefined) return;
            late.push(resource.kind);
            await storage.ready();
            late.splice(late.indexOf(resource.kind), 1);
          }),
        );
        const patience = new AbortController();
        const timer = clock.setTimer(informerPatienceMs, () =>
          patience.abort(new Error(`${late.length} informers not started yet: [${late.map((kind) => `*v1.${kind}`).join(' ')}]`)),
        );
        await Promise.race([ready, rejection(signal), rejection(patience.signal)]).finally(() => timer.cancel());
      },
    },
    ['readyz'],
  );
  health.add(
    {
      name: 'shutdown',
      check() {
        if (lifecycle.isShuttingDown) throw new Error('process is shutting down');
      },
    },
    ['readyz'],
  );

  let address = { address: options.bindAddress ?? '0.0.0.0', port: options.port ?? 0 };
  let aggregation: Aggregation | undefined;
  let expectsKinds = false;
  const merged = { table, handlers, aggregation: () => aggregation, expectsKinds: () => expectsKinds };
  const serverAddress = () => {
    const told = options.advertise ?? address;
    const host = options.externalHostname ?? told.address;
    return `${host.includes(':') ? `[${host}]` : host}:${told.port}`;
  };
  const aggregations = counters(metrics, {
    name: 'aggregator_discovery_aggregation_count_total',
    help: 'Counter of number of times discovery was aggregated',
  }).with({});
  const discovery = createDiscovery({ ...merged, serverAddress, onAggregated: () => aggregations.inc() });
  const version = versionInfo(options.version);
  registerServerMetrics({
    registry: metrics,
    version,
    store,
    storages: () =>
      [...table.all()].flatMap(({ kind, resource, storage }) =>
        storage !== undefined && resource === kind.resource ? [{ group: resource.group, resource: resource.plural, storage }] : [],
      ),
  });
  const openApi = createOpenApi({
    ...merged,
    clock,
    version: version.gitVersion,
    enums: options.isEnabled?.('OpenAPIEnums'),
    metrics: createOpenApiMetrics(metrics),
  });
  const versionsServed = () => [...[...table.all()].map(({ resource }) => resource), ...(aggregation?.remotes() ?? [])];
  const paths = () => [
    '/.well-known/openid-configuration',
    '/api',
    ...new Set(
      versionsServed().flatMap(({ group, version }) =>
        group === '' ? [`/api/${version}`] : [`/apis/${group}`, `/apis/${group}/${version}`],
      ),
    ),
    '/apis',
    '/apis/',
    ...(options.zPages?.flags ? ['/flagz'] : []),
    ...health.paths(),
    '/metrics',
    '/metrics/slis',
    '/openapi/v2',
    '/openapi/v3',
    '/openapi/v3/',
    '/openid/v1/jwks',
    ...((options.zPages?.statusz ?? options.zPages) ? ['/statusz'] : []),
    '/version',
  ];
  if (options.zPages) routes.push(zPages({ component: 'apiserver', clock, random, paths, version, ...options.zPages }));

  const nonResource = async (context: RequestContext): Promise<Answer> => {
    const dump = options.flowControl?.dumps ? flowControl?.fairness?.dump(context) : undefined;
    if (dump !== undefined) return dump;
    for (const route of routes) {
      const answer = await route(context);
      if (answer !== undefined) return answer;
    }
    const { path } = context;
    const isVersion = path === '/version' || path === '/version/';
    // People read it with curl: indented, as upstream's.
    if (isVersion && context.method !== 'GET') throw notAllowed();
    if (isVersion && !context.local) checkProduced(context.accept, ['application/json']);
    if (isVersion) return textAnswer(JSON.stringify(version, null, 2), 200, 'application/json');
    if (path === '/metrics') return { type: 'raw', status: 200, contentType: expositionType, body: await exposition(metrics) };
    if (path === '/metrics/slis')
      return { type: 'raw', status: 200, contentType: expositionType, body: await exposition(metrics, healthMetricNames) };
    if (path === '/' || path === '/index.html')
      return textAnswer(JSON.stringify({ paths: paths().sort() }, null, 2), 200, 'application/json');
    const answer = discovery(context) ?? (await openApi(context)) ?? (await healthAnswer(health, context));
    if (answer === undefined) throw notFound();
    return answer;
  };
  const dispatch = createDispatch(registry, handlers);
  const answer = (context: RequestContext): Promise<Answer> =>
    aggregation?.answer(context) ?? (context.info.isResourceRequest ? dispatch(context) : nonResource(context));
  const answerEarly = async (context: RequestContext): Promise<Answer> => {
    const { apiGroup, resource, subresource } = context.info;
    // Nobody can know by now that a namespace is empty.
    if (apiGroup === '' && resource === 'namespaces' && subresource === 'finalize') throw notKnownYet();
    try {
      return await answer(context);
    } catch (error) {
      throw !context.isRouted && hasReason(error, 'NotFound') && error.message === notFoundMessage ? notKnownYet() : error;
    }
  };

  const requestTimeoutSeconds = options.requestTimeoutSeconds ?? 60;
  const flowControl =
    options.flowControl &&
    createFlowControl(options.flowControl, {
      clock,
      requestTimeoutSeconds,
      metrics,
      objects({ info }) {
        const storage = table.find(info.apiGroup, info.apiVersion, info.resource)?.storage;
        return storage && { count: storage.count(), bytes: storage.footprint().bytes };
      },
    });
  const filters = filterDurations(metrics);
  const handle = createPipeline({
    clock,
    random,
    logger,
    authenticators: options.authenticators ?? [],
    anonymous: options.anonymous ?? true,
    authorizer: measuredAuthorizer(options.authorizer, metrics, clock, filters('authorization')),
    authentication: createAuthenticationMetrics(metrics, clock, filters('authentication')),
    impersonation: createImpersonationMetrics(metrics, clock),
    requestTimeoutSeconds,
    metrics: createRequestMetrics(metrics, clock, (info) => table.find(info.apiGroup, info.apiVersion, info.resource) !== undefined),
    watches: createWatchMetrics(metrics),
    cbor: options.cbor,
    constrainedImpersonation: options.isEnabled?.('ConstrainedImpersonation'),
    limiter: flowControl?.limiter,
    lifecycle,
    auditor: options.auditor,
    tracer: options.tracer,
    handle: (context) => (expectsKinds ? answerEarly(context) : answer(context)),
  });

  let http: HttpServer | undefined;
  let { tls } = options;
  let draining: Promise<void> | undefined;
  const drain = () => {
    draining ??= lifecycle.shutDown(options.http?.drainMs ?? defaultLimits.drainMs).then(() => http?.close());
    return draining;
  };
  return {
    flowControl,
    table,
    registry,
    handle,
    storageOf,
    addKind: (kind) => addKind(kind),
    bringsAlong: (resource) => builtIn.has(groupResourceOf(resource)),
    replaceKind(prev, next, { keepStorage }) {
      const storage = storages.get(groupResourceOf(prev.resource));
      table.remove(prev);
      // One storage a prefix: the old one's end comes first.
      if (!keepStorage) storage?.close();
      addKind(next, keepStorage ? storage : undefined);
    },
    expectKinds(until) {
      expectsKinds = true;
      void until.then(() => {
        expectsKinds = false;
      });
    },
    removeKind(kind) {
      table.remove(kind);
      const key = groupResourceOf(kind.resource);
      storages.get(key)?.close();
      storages.delete(key);
      custom.delete(key);
    },
    addHandler: (handler) => void handlers.push(handler),
    addRoute: (route) => void routes.push(route),
    aggregate(given) {
      aggregation = given;
    },
    addAdmission: (plugin) => void admission.push(plugin),
    addReadyCheck: (check, at = ['readyz']) => health.add(check, at, 'shutdown'),
    localTransport: (user) => localTransport({ handle, clock, user, lifetime: lifecycle.ending }),
    setTls(changed) {
      if (tls === undefined) return;
      const next = { ...tls, ...changed };
      http?.setTls(next);
      tls = next;
    },
    async listen(entrance) {
      if (tls === undefined) throw new Error('the API server needs a serving certificate to listen');
      const { address: bindAddress, port } = address;
      const limits = options.http ?? {};
      const onHandshakeError = () => handshakeErrors.inc();
      const common = { clock, random, logger, handle, limits, onHandshakeError, lifetime: lifetime.signal };
      http = createHttpServer({ tls, bindAddress, port, ...common });
      address = await http.listen(entrance);
      return address;
    },
    drain,
    async close() {
      await drain();
      lifetime.abort(new Error('the API server has shut down'));
      await options.auditor?.close();
      await options.tracer?.close();
      for (const storage of storages.values()) storage.close();
      options.encryption?.close();
    },
  };
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
