/** The HTTPS face of a component beside the API server (kube-scheduler, kube-controller-manager): health, metrics, configuration. */
import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import { type Client, createDelegation } from '../../client/index.ts';
import {
  type BuildInfo,
  exposition,
  expositionType,
  type Health,
  healthMetricNames,
  registerBuildInfo,
  registerProcessMetrics,
  versionInfo,
} from '../../observability/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import { clientCertificates } from '../authentication/certificate.ts';
import { bearerTokens } from '../authentication/token.ts';
import { type Answer, healthAnswer, type RequestContext, textAnswer } from '../exchange.ts';
import { createHttpServer, type TlsOptions } from '../http/http-server.ts';
import { createPipeline } from '../pipeline/pipeline.ts';
import { type ZPagesOptions, zPages } from '../zpages/zpages.ts';
import { delegatedAuthorizer, delegatedTokens } from './delegated.ts';

export interface ComponentServerOptions {
  /** Asks the API server who may do what. */
  client: Client;
  clock: Clock;
  random: Random;
  logger: Logger;
  metrics: MetricsRegistry;
  health: Health;
  tls: TlsOptions & { clientCa: string };
  bindAddress: string;
  /** 0: any that is free. */
  port: number;
  /** What /configz answers: the configuration by its API group. */
  configz(): object;
  /** What /metrics/resources answers, where that is served. */
  resourceMetrics?: MetricsRegistry;
  /** What /statusz and /flagz tell. */
  zPages: Pick<ZPagesOptions, 'component' | 'startMs' | 'flags' | 'statusz'>;
  /** Of which build it says to be; default: this one. */
  version?: Partial<BuildInfo> | undefined;
  /** Further paths, e.g. /debug/pprof/. */
  routes?: readonly ComponentRoute[];
}

/** Answers, or gives undefined for a path that is not its own. */
export type ComponentRoute = (context: RequestContext) => Answer | undefined | Promise<Answer | undefined>;

export interface ComponentServer {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

/** The defaults of --authentication-token-webhook-cache-ttl and of the --authorization-webhook-cache-...-ttl flags. */
const remembered = { yesMs: 10_000, noMs: 10_000 };

const resourceMetricNames = new Set(['kube_pod_resource_limit', 'kube_pod_resource_request']);

const notFound = textAnswer('404 page not found\n', 404);

export async function openComponentServer(options: ComponentServerOptions): Promise<ComponentServer> {
  const { client, clock, random, logger, metrics, health, tls } = options;
  const lifetime = new AbortController();
  registerBuildInfo(metrics, versionInfo(options.version));
  registerProcessMetrics(metrics);

  const text = async (only?: ReadonlySet<string>, of = metrics): Promise<Answer> => ({
    type: 'raw',
    status: 200,
    contentType: expositionType,
    body: await exposition(of, only),
  });
  const paths = () => [
    '/configz',
    ...(options.zPages.flags ? ['/flagz'] : []),
    '/metrics',
    '/metrics/slis',
    ...(options.resourceMetrics ? ['/metrics/resources'] : []),
    ...health.paths(),
  ];
  const zPage = zPages({ clock, random, paths, version: options.version, ...options.zPages });
  const answer = async (context: RequestContext): Promise<Answer> => {
    const page = zPage(context);
    if (page !== undefined) return page;
    if (context.path === '/metrics') return text();
    if (context.path === '/metrics/slis') return text(healthMetricNames);
    if (context.path === '/metrics/resources' && options.resourceMetrics !== undefined)
      return text(resourceMetricNames, options.resourceMetrics);
    if (context.path === '/configz') return textAnswer(`${JSON.stringify(options.configz())}\n`, 200, 'application/json');
    for (const route of options.routes ?? []) {
      const own = await route(context);
      if (own !== undefined) return own;
    }
    return (await healthAnswer(health, context)) ?? notFound;
  };
  const delegation = createDelegation({ client, clock, tokens: remembered, access: remembered });
  const handle = createPipeline({
    clock,
    random,
    logger,
    authenticators: [clientCertificates({ clientCa: tls.clientCa }), bearerTokens(delegatedTokens(delegation), [])],
    anonymous: true,
    authorizer: delegatedAuthorizer(delegation),
    requestTimeoutSeconds: 60,
    metrics: { begin: () => () => {}, late() {} },
    handle: answer,
  });
  const { bindAddress, port } = options;
  const http = createHttpServer({ tls, bindAddress, port, clock, random, logger, handle, lifetime: lifetime.signal });
  const bound = await http.listen();
  return {
    ...bound,
    async close() {
      lifetime.abort(new Error('the component ends'));
      await http.close();
    },
  };
}
