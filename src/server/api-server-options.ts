/** What an API server is made of. */
import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import type { KindDefinition, Resource, Serving } from '../api/index.ts';
import type { BuildInfo, Tracer } from '../observability/index.ts';
import type { Store } from '../store/index.ts';
import type { Clock, Random } from '../time/index.ts';
import type { Auditor } from './audit/index.ts';
import type { ComponentAddress } from './component/component-probe.ts';
import type { Encryption } from './encryption/index.ts';
import type { Answer, RequestContext } from './exchange.ts';
import type { FlowControlOptions } from './flowcontrol/index.ts';
import type { HttpLimits, TlsOptions } from './http/http-server.ts';
import type { ShutdownOptions } from './lifecycle.ts';
import type { SubresourceHandler } from './registry/resource-handler.ts';
import type { AdmissionPlugin, Authenticator, Authorizer, WriteHook } from './request.ts';
import type { StorageMediaType } from './storage/stored-form.ts';
import type { ZPagesOptions } from './zpages/zpages.ts';

/** An endpoint outside the resource paths: answers, or gives undefined for a path that is not its own. */
export type Route = (context: RequestContext) => Answer | undefined | Promise<Answer | undefined>;

export interface ApiServerOptions {
  store: Store;
  clock: Clock;
  random: Random;
  logger: Logger;
  kinds: readonly KindDefinition[];
  /** Which versions of them are served (--runtime-config). Default: all but alpha ones. */
  serves?: Serving;
  /** Whether a feature gate is on (--feature-gates): fields of others are dropped. Default: all are. */
  isEnabled?: ((gate: string) => boolean) | undefined;
  /** Whether clients may speak CBOR (--feature-gates=CBORServingAndStorage=true). Default false. */
  cbor?: boolean | undefined;
  authenticators?: readonly Authenticator[];
  /** Default true: requests without credentials are `system:anonymous` (--anonymous-auth). */
  anonymous?: boolean | ((path: string) => boolean);
  authorizer: Authorizer;
  /** In order. */
  admission?: readonly AdmissionPlugin[];
  /** By resource (`services`): what reserves around writes. */
  hooks?: ReadonlyMap<string, WriteHook>;
  tls?: TlsOptions;
  /** How much patience clients find. */
  http?: Partial<HttpLimits>;
  /** Default 0.0.0.0. */
  bindAddress?: string;
  /** Default 0: any that is free. */
  port?: number;
  /** Where clients are told to find it; default: where it listens. */
  advertise?: { address: string; port: number };
  /** The host by which clients from outside are told to find it (--external-hostname). Default: the advertised address. */
  externalHostname?: string;
  version?: Partial<BuildInfo>;
  metrics: MetricsRegistry;
  /** What /statusz and /flagz tell; default: there are none. */
  zPages?: Pick<ZPagesOptions, 'startMs' | 'flags' | 'statusz'> | undefined;
  /** Records requests as its policy says; closed with the server. */
  auditor?: Auditor | undefined;
  /** Records what requests take; closed with the server. */
  tracer?: Tracer | undefined;
  /** Non-resource endpoints, asked in order before the server's own. */
  routes?: readonly Route[];
  /** Endpoints of resources beside the generic ones. */
  rest?: readonly SubresourceHandler[];
  /** How many requests run at once; default: all. */
  flowControl?: FlowControlOptions;
  /** Default 60 (--request-timeout). */
  requestTimeoutSeconds?: number;
  /** Default 1800 (--min-request-timeout): how long watches live at least whose clients do not say. */
  minRequestTimeoutSeconds?: number;
  /** Default 1 (--delete-collection-workers). */
  deleteCollectionWorkers?: number | undefined;
  /** How it ends. */
  shutdown?: ShutdownOptions;
  /** Where keys begin (--etcd-prefix). Default `/registry`. */
  storagePrefix?: string;
  /** Other API servers may use the same store: what they must agree about is kept there. Default false. */
  sharedStore?: boolean;
  /** --storage-media-type. Default `application/json`; either is read. */
  storageMediaType?: StorageMediaType;
  /** Encryption at rest; closed with the server. Default: none. */
  encryption?: Encryption | undefined;
  /** Where a resource's objects are, if not in `store` (--etcd-servers-overrides). */
  storeOf?: ((resource: Resource) => Store | undefined) | undefined;
  /** Those stores, each once, in the order of the flag: they are checked, too. */
  otherStores?: readonly Store[] | undefined;
  /** Which resources are read as if there were no watch cache (--watch-cache and its fellows). Default: none. */
  readsAnew?: ((resource: Resource) => boolean) | undefined;
  /** How long a health check waits for the store (--etcd-healthcheck-timeout). Default 2000. */
  storeCheckTimeoutMs?: number;
  /** The same of the check for readiness (--etcd-readycheck-timeout). Default 2000. */
  storeReadyTimeoutMs?: number;
  /** Where the components beside it answer, for ComponentStatus, by name; may change. Default: none is known. */
  components?: ReadonlyMap<string, ComponentAddress>;
  /** How long an object of a resource is kept, e.g. Events (--event-ttl, default one hour). */
  ttlSeconds?: (resource: Resource) => number | undefined;
}
