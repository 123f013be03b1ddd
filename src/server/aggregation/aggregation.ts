/**
 * Group versions that other API servers serve, in this server's name: who they are (APIServices), whether they can be asked, and
 * handing requests to them.
 */
import type { Logger } from 'pino';
import { Counter, Gauge, type Registry as MetricsRegistry } from 'prom-client';
import { APIService, type apidiscoveryV2, EndpointSlice, hasReason, Service } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { type Clock, type Timer, timestamp } from '../../time/index.ts';
import type { ApiServer } from '../api-server.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import { missingSanCounter } from '../metrics/extension-metrics.ts';
import type { ServiceResolver } from '../service-resolver.ts';
import { follow, readObject } from '../storages.ts';
import { readDocument } from './answers.ts';
import { type Condition, checkTimeoutMs, discoveryProblem, local, passed, serviceProblem } from './availability.ts';
import { forward, unavailable } from './forward.ts';
import type { Priority } from './priorities.ts';
import { isKept, registration } from './registration.ts';
import { readDiscovery } from './remote-discovery.ts';
import { type ProxyIdentity, type RemoteServer, remoteServer, userHeaders } from './remote-server.ts';

/** A group version that another server serves. */
export interface RemoteVersion {
  readonly group: string;
  readonly version: string;
  readonly priority: Priority;
  readonly available: boolean;
  /** Whether it told what it serves when it was last asked. */
  readonly isFresh: boolean;
  /** As last told; empty where it has never been. */
  readonly resources: readonly apidiscoveryV2.APIResourceDiscovery[];
  /** Its path in the server's own /openapi/v3 index, hash and all; undefined where it has none. */
  readonly openApiV3: string | undefined;
  /** The server's whole OpenAPI v2 document. Rejects where it can't be had. */
  openApiV2(): Promise<unknown | undefined>;
}

/** A group version that this server is to serve by itself. */
export type ExpectedVersion = Pick<RemoteVersion, 'group' | 'version' | 'priority'>;

export interface Aggregation {
  /** Raised by each change of what others serve. */
  readonly generation: number;
  /** Answers a request for what another server serves; undefined for any other. */
  answer(context: RequestContext): Promise<Answer> | undefined;
  remotes(): Iterable<RemoteVersion>;
  /** What APIServices leave to this server. */
  own(): Iterable<ExpectedVersion>;
  /** Resolves when the APIServices that were there at the start are known. */
  readonly synced: Promise<void>;
  /** Shows the other servers another certificate, from now on. */
  identify(identity: ProxyIdentity): void;
  close(): void;
}

export interface AggregationOptions {
  server: Pick<ApiServer, 'storageOf' | 'table'>;
  /** The server's own client. */
  client: Client;
  identity: ProxyIdentity | undefined;
  resolve: ServiceResolver;
  clock: Clock;
  logger: Logger;
  metrics: MetricsRegistry;
  /** Resolves when all is served that was defined at the start: what else is registered may go then. */
  complete: Promise<void>;
  signal: AbortSignal;
  onError(error: unknown): void;
}

/** How often a server is asked again whether it is still there; nothing else tells of a network that fails. */
const recheckMs = 30_000;
const firstRetryMs = 100;

interface Remote {
  apiService: APIService;
  server: RemoteServer;
  isFresh: boolean;
  resources: readonly apidiscoveryV2.APIResourceDiscovery[];
  openApiV3: string | undefined;
  failures: number;
  timer?: Timer;
  checking: boolean;
  again: boolean;
}

const conditionOf = ({ status }: APIService) => status?.conditions?.find(({ type }) => type === 'Available');
const isAvailable = (apiService: APIService) => conditionOf(apiService)?.status === 'True';
const pathOf = ({ spec: { group, version } }: APIService) => (group ? `/apis/${group}/${version}` : `/api/${version}`);
const reader = userHeaders({ name: 'system:aggregator', groups: ['system:masters'] });

export function serveAggregation(options: AggregationOptions): Aggregation {
  const { server, client, clock, logger, signal } = options;
  let { identity } = options;
  const present = new Map<string, APIService>();
  /** By path of the group version. */
  const remotes = new Map<string, Remote>();
  let generation = 0;
  let following = false;
  const registers = [options.metrics];
  new Gauge({
    name: 'aggregator_unavailable_apiservice',
    help: 'Gauge of APIServices which are marked as unavailable broken down by APIService name.',
    labelNames: ['name'],
    registers,
    collect() {
      this.reset();
      for (const apiService of present.values())
        this.set({ name: apiService.metadata.name }, !apiService.spec.service || isAvailable(apiService) ? 0 : 1);
    },
  });
  const missingSan = missingSanCounter(options.metrics, 'kube_aggregator');
  const unavailableTotal = new Counter({
    name: 'aggregator_unavailable_apiservice_total',
    help: 'Counter of APIServices which are marked as unavailable broken down by APIService name and reason.',
    labelNames: ['name', 'reason'],
    registers,
  });

  const own = registration({ table: server.table, client, present, signal });
  let registering = false;
  let isComplete = false;
  /** What was there at the start is looked at with everything else. */
  let isRegistered = false;
  let outdated = false;
  const register = (): void => {
    outdated = true;
    if (isComplete && !registering && !signal.aborted) void registerAll();
  };
  const registerAll = async (): Promise<void> => {
    registering = true;
    try {
      while (outdated && !signal.aborted) {
        outdated = false;
        await own.reconcile();
        isRegistered = true;
      }
    } catch (error) {
      if (signal.aborted) return;
      logger.error({ err: error }, 'could not register what is served; trying again');
      clock.setTimer(1000, register, { background: true });
    } finally {
      registering = false;
    }
  };

  const setCondition = async (apiService: APIService, { status, reason, message }: Condition): Promise<void> => {
    const before = conditionOf(apiService);
    if (before?.status === status && before.reason === reason && before.message === message) return;
    if (status === 'False' && before?.status !== 'False') unavailableTotal.inc({ name: apiService.metadata.name, reason: reason ?? '' });
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timestamp(clock);
    const others = (apiService.status?.conditions ?? []).filter(({ type }) => type !== 'Available');
    const conditions = [...others, { type: 'Available', status, lastTransitionTime, reason, message }];
    try {
      await client.updateStatus(APIService, { ...apiService, status: { conditions } } as APIService, { signal });
    } catch (error) {
      // Whoever changed it in between has caused an event, which comes next.
      if (!hasReason(error, 'Conflict') && !hasReason(error, 'NotFound') && !signal.aborted) throw error;
    }
  };

  /**
   * What the server serves, read again while it is there; it may change without telling. It is told to clients whether or not the
   * server passes for available. Answers what kept it from being read.
   */
  const readFacts = async (remote: Remote, within: AbortSignal): Promise<unknown> => {
    const { group = '', version = '' } = remote.apiService.spec;
    const path = pathOf(remote.apiService);
    let problem: unknown;
    const [resources, index] = await Promise.all([
      readDiscovery(remote.server, { group, version }, reader, within).catch((error: unknown) => {
        problem = error;
        return undefined;
      }),
      readDocument(remote.server, '/openapi/v3', reader, within).catch(() => undefined), // older servers have none
    ]);
    const before = { isFresh: remote.isFresh, resources: remote.resources, openApiV3: remote.openApiV3 };
    // Another server's answer: whatever it is, only these fields are looked at.
    const paths = (index as { paths?: Record<string, { serverRelativeURL?: string }> } | undefined)?.paths;
    const facts = resources
      ? { isFresh: true, resources, openApiV3: paths?.[path.slice(1)]?.serverRelativeURL }
      : { ...before, isFresh: false };
    if (JSON.stringify(before) !== JSON.stringify(facts)) {
      Object.assign(remote, facts);
      generation++;
    }
    return problem;
  };

  const examine = async ({ apiService, server: behind }: Remote, within: AbortSignal): Promise<Condition> => {
    const { namespace = '', name = '' } = apiService.spec.service ?? {};
    const service = await readObject(server.storageOf, Service, namespace, name);
    const slices = await server.storageOf(EndpointSlice).list({
      namespace,
      resourceVersion: '0',
      matches: (slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === name,
    });
    const problem = serviceProblem(
      apiService,
      service,
      slices.items.map(({ object }) => object),
    );
    return problem ?? (await discoveryProblem(apiService, behind, within)) ?? passed;
  };

  const check = (path: string): void => {
    const remote = remotes.get(path);
    if (!remote || signal.aborted) return;
    if (remote.checking) {
      remote.again = true;
      return;
    }
    remote.checking = true;
    remote.timer?.cancel();
    const deadline = new AbortController();
    const timer = clock.setTimer(checkTimeoutMs, () => deadline.abort(new Error('context deadline exceeded')), { background: true });
    const within = AbortSignal.any([signal, deadline.signal]);
    const facts = readFacts(remote, within);
    examine(remote, within)
      .then(async (condition) => {
        const { name } = remote.apiService.metadata;
        // Whoever has waited for it to be available will ask what it serves.
        const problem = condition.status === 'True' ? await facts : undefined;
        if (problem !== undefined) logger.warn({ err: problem, apiService: name }, 'could not read what an API server serves');
        if (remotes.get(path) !== remote) return;
        remote.failures = condition.reason === 'FailedDiscoveryCheck' || problem !== undefined ? remote.failures + 1 : 0;
        await setCondition(remote.apiService, condition);
      })
      .catch((error: unknown) => {
        if (signal.aborted) return;
        remote.failures++;
        logger.error({ err: error, apiService: remote.apiService.metadata.name }, 'could not check whether an API server is available');
      })
      .finally(() => facts)
      .finally(() => {
        timer.cancel();
        remote.checking = false;
        if (remotes.get(path) !== remote || signal.aborted) return;
        const { again, failures } = remote;
        remote.again = false;
        if (again) check(path);
        else {
          const wait = failures > 0 ? Math.min(recheckMs, firstRetryMs * 2 ** (failures - 1)) : recheckMs;
          remote.timer = clock.setTimer(wait, () => check(path), { background: true });
        }
      });
  };

  const checkOfService = (namespace: string | undefined, name: string | undefined): void => {
    for (const [path, { apiService }] of remotes)
      if (apiService.spec.service?.namespace === namespace && apiService.spec.service?.name === name) check(path);
  };

  /** Services and endpoints are looked at once there is a server behind one. */
  const followServices = (): void => {
    if (following) return;
    following = true;
    const of = <T>(name: (object: T & { metadata: { namespace?: string; name: string } }) => string | undefined) => ({
      reset: () => {},
      set: (object: T & { metadata: { namespace?: string; name: string } }) => checkOfService(object.metadata.namespace, name(object)),
      remove: (object: T & { metadata: { namespace?: string; name: string } }) => checkOfService(object.metadata.namespace, name(object)),
    });
    void follow(
      server.storageOf(Service),
      of<Service>(({ metadata }) => metadata.name),
      options,
    );
    void follow(
      server.storageOf(EndpointSlice),
      of<EndpointSlice>(({ metadata }) => metadata.labels?.['kubernetes.io/service-name']),
      options,
    );
  };

  const forget = (path: string): void => {
    const remote = remotes.get(path);
    if (!remote) return;
    remotes.delete(path);
    remote.timer?.cancel();
    remote.server.close();
    generation++;
  };

  const seen = (apiService: APIService): void => {
    const before = present.get(apiService.metadata.name);
    present.set(apiService.metadata.name, apiService);
    if (isRegistered && isKept(apiService, before)) register();
    const path = pathOf(apiService);
    if (!apiService.spec.service) {
      forget(path);
      if (!isComplete) generation++;
      void setCondition(apiService, local).catch(options.onError);
      return;
    }
    const known = remotes.get(path);
    if (known && JSON.stringify(known.apiService.spec) === JSON.stringify(apiService.spec)) {
      known.apiService = apiService;
      if (before && isAvailable(before) !== isAvailable(apiService)) generation++;
      return;
    }
    forget(path);
    remotes.set(path, {
      apiService,
      server: remoteServer(apiService, identity, options.resolve, missingSan),
      isFresh: known?.isFresh ?? false,
      resources: known?.resources ?? [],
      openApiV3: known?.openApiV3,
      failures: 0,
      checking: false,
      again: false,
    });
    generation++;
    followServices();
    check(path);
  };

  const synced = follow(
    server.storageOf(APIService),
    {
      reset() {
        present.clear();
        for (const path of [...remotes.keys()]) forget(path);
      },
      set: seen,
      remove(apiService) {
        if (!isComplete) generation++;
        present.delete(apiService.metadata.name);
        forget(pathOf(apiService));
        register();
      },
    },
    options,
  );
  const unsubscribe = server.table.onChange(register);
  Promise.all([synced, options.complete]).then(() => {
    isComplete = true;
    register();
  }, options.onError);

  return {
    synced,
    get generation() {
      return generation;
    },
    answer(context) {
      if (remotes.size === 0) return undefined;
      const path = /^\/(?:apis\/[^/]+|api)\/[^/]+/.exec(
        context.path.startsWith('/openapi/v3/') ? context.path.slice(11) : context.path,
      )?.[0];
      const remote = path === undefined ? undefined : remotes.get(path);
      if (!remote) return undefined;
      return isAvailable(remote.apiService) ? forward(context, remote.server) : Promise.resolve(unavailable());
    },
    *remotes() {
      for (const { apiService, server: at, isFresh, resources, openApiV3 } of remotes.values()) {
        const { group = '', version = '', groupPriorityMinimum, versionPriority } = apiService.spec;
        yield {
          group,
          version,
          priority: { group: groupPriorityMinimum, version: versionPriority },
          available: isAvailable(apiService),
          isFresh,
          resources,
          openApiV3,
          openApiV2: () => readDocument(at, '/openapi/v2', reader, AbortSignal.any([signal])),
        };
      }
    },
    *own() {
      for (const { spec } of present.values()) {
        const { group = '', version = '', groupPriorityMinimum, versionPriority } = spec;
        if (!spec.service) yield { group, version, priority: { group: groupPriorityMinimum, version: versionPriority } };
      }
    },
    identify(changed) {
      identity = changed;
      for (const remote of remotes.values()) remote.server.setTls(changed);
    },
    close() {
      unsubscribe();
      for (const path of [...remotes.keys()]) forget(path);
    },
  };
}
