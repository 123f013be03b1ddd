/**
 * The API server with everything around the core that a cluster needs: authentication, authorization, admission, reviews and
 * tokens, the allocation of addresses and ports, and the objects that every cluster begins with.
 */
import { hostname } from 'node:os';
import { APIService, CustomResourceDefinition, type Resource, Secret } from '../api/index.ts';
import { type Client, createClient, createEventBroadcaster } from '../client/index.ts';
import {
  type AdmissionOptions,
  certificateRequester,
  claimStatusAccess,
  defaultAdmission,
  deviceAdminAccess,
  keyInHand,
  parameterAccess,
  signedByItsKey,
} from './admission/index.ts';
import { type ProxyIdentity, serveAggregation } from './aggregation/index.ts';
import { addressObjects, keepIpAddresses, type ServiceAllocatorOptions, serviceAllocator, storeClaims } from './allocation/index.ts';
import { type ApiServer, createApiServer } from './api-server.ts';
import type { ApiServerOptions, Route } from './api-server-options.ts';
import { serveCustomResources } from './apiextensions/index.ts';
import {
  type AuthenticationOptions,
  type Authorities,
  createAuthentication,
  createTokenIssuer,
  openIdConfiguration,
  openIdKeys,
} from './authentication/index.ts';
import type { OidcOptions } from './authentication/oidc.ts';
import {
  type AuthorizationOptions,
  bootstrapPolicy,
  type ConfiguredAuthorizer,
  createAuthorization,
  rbacEscalation,
  reconcileBootstrapPolicy,
} from './authorization/index.ts';
import {
  apiServerIdentity,
  type EndpointLeases,
  endpointLeases,
  ensureAuthenticationTrust,
  ensureKubernetesService,
  ensureSystemNamespaces,
  ensureSystemPriorityClasses,
  ensureTokenTracking,
  keepIdentityLease,
  keepKubernetesService,
  keepServiceCidr,
  keepStorageVersions,
  persistently,
  runCoordinatedElection,
} from './bootstrap/index.ts';
import { ensureFlowConfiguration } from './flowcontrol/index.ts';
import { createAllocationMetrics } from './metrics/allocation-metrics.ts';
import { createAuthorizerMetrics } from './metrics/authorizer-metrics.ts';
import { countedCertificates } from './metrics/certificate-metrics.ts';
import { createConversionMetrics } from './metrics/conversion-metrics.ts';
import { createExtensionMetrics, missingSanCounter } from './metrics/extension-metrics.ts';
import { identityMetrics } from './metrics/identity-metrics.ts';
import { createDefinitionMetrics } from './metrics/open-api-metrics.ts';
import { createPodSecurityMetrics } from './metrics/pod-security-metrics.ts';
import { postStartHooks } from './post-start-hooks.ts';
import type { Authenticator, Authorizer, UserInfo, WriteHook } from './request.ts';
import { selfSubjectReviewHandler, tokenRequestHandler, tokenReviewHandler } from './rest/authentication.ts';
import { accessReviewHandlers } from './rest/authorization.ts';
import { serviceResolver } from './service-resolver.ts';
import { TransformationError } from './storage/sealed-values.ts';
import { type KubeletTls, streamingHandlers } from './streaming/index.ts';
import { createWebhookClient } from './webhook/index.ts';

export interface ClusterApiServerOptions
  extends Omit<ApiServerOptions, 'authorizer' | 'authenticators' | 'admission' | 'hooks' | 'anonymous'> {
  authentication: Omit<AuthenticationOptions, 'storages' | 'clock' | 'serviceAccountKeys' | 'metrics' | 'oidcMetrics' | 'labelSecret'> & {
    /** --service-account-max-token-expiration, seconds. */
    maxTokenSeconds?: number;
    /** --service-account-extend-token-expiration; default true. */
    extendTokenExpiration?: boolean;
    /** --service-account-jwks-uri; default: this server's. */
    jwksUri?: string;
    /** Further --service-account-key-file, PEM; the signing key's own is always accepted. */
    serviceAccountKeys?: readonly string[];
    /** --service-account-signing-key-file, PEM. */
    signingKey: string;
    /** Its public half, PEM. */
    publicKey: string;
    /** --anonymous-auth; default true. By path: for these requests only. */
    anonymousAuth?: boolean | ((path: string) => boolean);
  };
  authorization?: Pick<AuthorizationOptions, 'authorizers' | 'policy'>;
  admissionPlugins?: Pick<
    AdmissionOptions,
    | 'enable'
    | 'disable'
    | 'tolerationSeconds'
    | 'eventLimits'
    | 'podSecurity'
    | 'limitedResources'
    | 'podTolerations'
    | 'podNodeSelectors'
    | 'imagePolicy'
    | 'webhookCredentials'
  >;
  services: Pick<ServiceAllocatorOptions, 'ranges' | 'ports'>;
  /** How to talk to kubelets, for logs, exec, attach, port-forward and proxies; without it those are not served. */
  kubelets?: KubeletTls;
  /** How other API servers know this one as the proxy in front of them (--proxy-client-cert-file, --proxy-client-key-file). */
  proxyClient?: ProxyIdentity;
  /** --enable-aggregator-routing: other API servers are reached by endpoint, not by cluster IP. Default false. */
  aggregatorRouting?: boolean;
  /** --advertise-address (Endpoints take no loopback address) and the port that pods reach the server at, for the Service `kubernetes`; 0: it has no node port. */
  advertise: { address: string; port: number; nodePort?: number };
  /** Whether addresses of API servers are written into that Service's endpoints (--endpoint-reconciler-type). Default true. */
  reconcilesEndpoints?: boolean;
  /** --livez-grace-period: so long after its start it is alive whatever is not finished yet. Default 0. */
  livezGraceSeconds?: number;
}

export interface ClusterApiServer extends ApiServer {
  /** Resolves when what was defined at the start is served; it is mostly at once, but not while a definition can't be read. */
  readonly definitionsServed: Promise<void>;
  /** Makes what every cluster begins with: namespaces, default roles, priority classes, the Service `kubernetes`. */
  bootstrap(signal?: AbortSignal): Promise<void>;
  /** Has others decide who may do what, from now on; throws where a type is among them that was not at the start. */
  authorizeBy(authorizers: readonly ConfiguredAuthorizer[]): void;
  /** Lets others in, once their providers can be asked; throws PassingError where they can't. */
  authenticateBy(providers: readonly OidcOptions[]): Promise<void>;
  /** Trusts other authorities, from now on, and tells other API servers so. */
  trust(authorities: Required<Authorities>): Promise<void>;
  /** Shows kubelets, and other API servers, another certificate, from now on. */
  identify(changed: { kubelets?: Pick<KubeletTls, 'ca' | 'cert' | 'key'>; proxyClient?: ProxyIdentity }): void;
}

/** Who the server is to itself. */
const loopback: UserInfo = { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };

/** What must be handed over before it can be made: it stands on the server's storages, which the server makes. */
function late<T>(): { set(value: T): void; get(): T } {
  let value: T | undefined;
  return {
    set: (given) => {
      value = given;
    },
    get() {
      if (value === undefined) throw new Error('the API server is not complete yet');
      return value;
    },
  };
}

export async function createClusterApiServer(options: ClusterApiServerOptions): Promise<ClusterApiServer> {
  const { clock, random, logger } = options;
  const beganMs = clock.now();
  const lifetime = new AbortController();
  const onError = (error: unknown) => logger.error({ err: error }, 'a part of the API server lost its watch');
  const lateAuthorizer = late<Authorizer>();
  const lateAuthenticator = late<Authenticator>();
  const hooks = new Map<string, WriteHook>();
  const authorizer: Authorizer = {
    authorize: (attributes) => lateAuthorizer.get().authorize(attributes),
    rulesFor: async (user, namespace) =>
      (await lateAuthorizer.get().rulesFor?.(user, namespace)) ?? { resourceRules: [], nonResourceRules: [], incomplete: true },
  };
  const anonymousAuth = options.authentication.anonymousAuth ?? true;
  const server = await createApiServer({
    flowControl: {},
    ...options,
    hooks,
    authorizer,
    authenticators: [{ authenticate: (credentials) => lateAuthenticator.get().authenticate(credentials) }],
    anonymous: (path) => (typeof anonymousAuth === 'function' ? anonymousAuth(path) : anonymousAuth),
  });
  const storages = server.storageOf;

  const { signingKey, publicKey, serviceAccountKeys = [], ...authenticationOptions } = options.authentication;
  const keys = [publicKey, ...serviceAccountKeys];
  const [issuer = ''] = options.authentication.issuers;
  const transport = server.localTransport(loopback);
  const client = createClient(transport, { userAgent: 'kube-apiserver' });
  const { authenticator, tokens, apiAudiences, setOidc, setAuthorities } = createAuthentication({
    ...authenticationOptions,
    ...identityMetrics(options.metrics, clock, `${hostname()}:${options.advertise.port}`),
    labelSecret: async ({ metadata: { name, namespace, uid } }, labels) => {
      const patch = { metadata: { uid, labels } };
      await client.patch(Secret, name, 'merge', patch, { namespace }).catch((error: unknown) => {
        logger.warn({ err: error }, 'the last use of a token could not be recorded');
      });
    },
    storages,
    clock,
    serviceAccountKeys: keys,
  });
  lateAuthenticator.set(authenticator);
  const authorization = createAuthorization({
    ...options.authorization,
    isEnabled: options.isEnabled,
    storages,
    metrics: createAuthorizerMetrics(options.metrics, clock),
    signal: lifetime.signal,
    onError,
  });
  lateAuthorizer.set(authorization.authorizer);

  const webhooks = createWebhookClient({
    storages,
    loopback: transport,
    clock,
    random,
    missingSan: missingSanCounter(options.metrics, 'webhooks'),
  });
  const extensions = {
    table: server.table,
    webhooks,
    metrics: createExtensionMetrics(options.metrics),
    signal: lifetime.signal,
    onError,
    serves: ({ group, kind }: Resource) => options.kinds.some(({ resource }) => resource.group === group && resource.kind === kind),
  };
  for (const plugin of defaultAdmission({
    client,
    storages,
    clock,
    random,
    authorizer,
    isEnabled: options.isEnabled,
    podSecurityMetrics: createPodSecurityMetrics(options.metrics),
    ...extensions,
    ...options.admissionPlugins,
  }))
    server.addAdmission(plugin);
  server.addAdmission(certificateRequester);
  const isGranular = options.isEnabled?.('DRAResourceClaimGranularStatusAuthorization') ?? true;
  server.addAdmission(claimStatusAccess({ authorizer, storages, isGranular }));
  server.addAdmission(parameterAccess({ authorizer, table: server.table, storages }));
  if (authorization.rbac !== undefined) server.addAdmission(rbacEscalation(authorization.rbac, authorizer));
  const claims = options.sharedStore ? storeClaims(options.store, options.storagePrefix ?? '/registry', clock) : undefined;
  const events = createEventBroadcaster({ client, clock, random, logger });
  const objects = addressObjects(client, lifetime.signal);
  const allocator = serviceAllocator({
    ...options.services,
    storages,
    objects,
    random,
    metrics: createAllocationMetrics(options.metrics),
    signal: lifetime.signal,
    onError,
    ...(claims ? { claims } : {}),
  });
  // The registry calls each for its kind only.
  hooks.set('certificatesigningrequests.certificates.k8s.io', signedByItsKey as WriteHook as WriteHook);
  hooks.set('certificatesigningrequests.certificates.k8s.io/status', countedCertificates(options.metrics) as WriteHook as WriteHook);
  hooks.set('podcertificaterequests.certificates.k8s.io', keyInHand as WriteHook as WriteHook);
  const adminAccess = deviceAdminAccess(storages) as WriteHook as WriteHook;
  hooks.set('services', allocator as WriteHook as WriteHook);
  hooks.set('resourceclaims.resource.k8s.io', adminAccess);
  hooks.set('resourceclaimtemplates.resource.k8s.io', adminAccess);

  const { maxTokenSeconds, extendTokenExpiration } = options.authentication;
  const tokenContext = {
    ...{ issuer: createTokenIssuer({ issuer, key: signingKey }), storages, clock, apiAudiences },
    ...(maxTokenSeconds === undefined ? {} : { maxSeconds: maxTokenSeconds }),
    ...(extendTokenExpiration === undefined ? {} : { extendExpiration: extendTokenExpiration }),
  };
  for (const handler of [
    tokenReviewHandler(tokens, apiAudiences),
    selfSubjectReviewHandler,
    tokenRequestHandler(tokenContext),
    ...accessReviewHandlers(authorizer),
  ])
    server.addHandler(handler);
  const streaming =
    options.kubelets &&
    streamingHandlers({ storageOf: storages, kubeletTls: options.kubelets, random, authorizer, metrics: options.metrics });
  for (const handler of streaming?.handlers ?? []) server.addHandler(handler);
  const { address: advertised, port: advertisedPort } = options.advertise;
  const outside = { address: options.externalHostname ?? advertised, port: advertisedPort };
  server.addRoute(openIdRoute(issuer, keys, outside, options.authentication.jwksUri));
  await Promise.all([authorization.synced, allocator.synced]);
  const started = postStartHooks();
  started.done('start-apiserver-admission-initializer', 'generic-apiserver-start-informers');
  let definitionsServed = Promise.resolve();
  if (options.kinds.some(({ resource }) => resource.kind === CustomResourceDefinition.kind)) {
    const { synced } = serveCustomResources({
      server,
      client,
      webhooks,
      conversionMetrics: createConversionMetrics(options.metrics, clock),
      expressionMetrics: extensions.metrics,
      definitionMetrics: createDefinitionMetrics(options.metrics),
      clock,
      random,
      logger,
      signal: lifetime.signal,
      onError,
    });
    started.expect('crd-informer-synced');
    definitionsServed = synced.then(() => started.done('crd-informer-synced'));
    started.done('start-apiextensions-informers', 'start-apiextensions-controllers');
    // A definition that can't be read keeps away what is defined, not everything else.
    await storages(CustomResourceDefinition)
      .list({ resourceVersion: '0' })
      .then(() => definitionsServed)
      .catch((error: unknown) => {
        if (!(error instanceof TransformationError)) throw error;
        logger.error({ err: error }, 'custom resources are not served until their definitions can be read');
        server.expectKinds(definitionsServed);
      });
  }
  if (server.flowControl?.fairness) {
    await server.flowControl.fairness.follow(storages, { signal: lifetime.signal, onError });
    started.done('priority-and-fairness-config-consumer', 'priority-and-fairness-filter');
  }
  const aggregation = options.kinds.some(({ resource }) => resource.kind === APIService.kind)
    ? serveAggregation({
        server,
        client,
        identity: options.proxyClient,
        resolve: serviceResolver({ storages, random, toEndpoints: options.aggregatorRouting ?? false }),
        clock,
        logger,
        metrics: options.metrics,
        complete: definitionsServed,
        signal: lifetime.signal,
        onError,
      })
    : undefined;
  if (aggregation !== undefined) {
    server.aggregate(aggregation);
    await aggregation.synced;
    // They are one here, and all of it follows the present APIServices by now.
    started.done(
      'aggregator-reload-proxy-client-cert',
      'start-kube-aggregator-informers',
      'apiservice-status-local-available-controller',
      'apiservice-status-remote-available-controller',
      'apiservice-registration-controller',
      'apiservice-discovery-controller',
      'kube-apiserver-autoregistration',
      'apiservice-openapi-controller',
      'apiservice-openapiv3-controller',
    );
    started.expect('autoregister-completion');
    definitionsServed.then(() => started.done('autoregister-completion'), onError);
  }

  let endpoints: EndpointLeases | undefined;
  const kept = { storages, clock, signal: lifetime.signal, onError };
  /** What a start does not wait for: a webhook that refuses everything must not keep the server from serving what takes it away. */
  const lasting = (work: () => Promise<void>) => persistently(work, { clock, signal: lifetime.signal, onError });
  /** Has the Service `kubernetes` lead here, and to the other servers of the store. */
  const publishAddress = async (client: Client, clusterIp: string): Promise<void> => {
    const { address, port, nodePort = 0 } = options.advertise;
    const service = { clusterIp, address, port, nodePort };
    const keep = (addresses: string[]) =>
      lasting(() => keepKubernetesService(client, { ...service, addresses, signal: lifetime.signal }, kept));
    if (options.reconcilesEndpoints === false) return keep([]);
    if (!options.sharedStore) return keep([address]);
    endpoints = endpointLeases({
      store: options.store,
      prefix: options.storagePrefix ?? '/registry',
      address,
      clock,
      publish: (addresses) => ensureKubernetesService(client, { ...service, addresses, signal: lifetime.signal }),
      onError,
    });
    await endpoints.begin();
  };

  return {
    ...server,
    definitionsServed,
    authorizeBy: authorization.replace,
    authenticateBy: (providers) => setOidc(providers, lifetime.signal),
    async trust({ clientCa, requestHeaderCa }) {
      server.setTls({ clientCa: [clientCa, requestHeaderCa] });
      setAuthorities({ clientCa, requestHeaderCa });
      const { requestHeader } = options.authentication;
      const told = { clientCa, ...(requestHeader ? { requestHeader: { ...requestHeader, clientCa: requestHeaderCa } } : {}) };
      await ensureAuthenticationTrust(client, told, lifetime.signal);
    },
    identify({ kubelets, proxyClient }) {
      if (kubelets) streaming?.identify(kubelets);
      if (proxyClient) aggregation?.identify(proxyClient);
    },
    async bootstrap(signal) {
      const first = options.services.ranges[0];
      const isOn = (gate: string) => options.isEnabled?.(gate) ?? false;
      const elects = isOn('CoordinatedLeaderElection');
      const { table } = server;
      const tellsVersions = isOn('StorageVersionAPI') && table.hasVersion('internal.apiserver.k8s.io', 'v1alpha1');
      started.expect(
        'start-system-namespaces-controller',
        'start-cluster-authentication-info-controller',
        'start-service-ip-repair-controllers',
        'rbac/bootstrap-roles',
        'scheduling/bootstrap-system-priority-classes',
        'start-kube-apiserver-identity-lease-controller',
        'start-kube-apiserver-identity-lease-garbage-collector',
        'start-legacy-token-tracking-controller',
        ...(tellsVersions ? (['built-in-resources-storage-version-updater'] as const) : []),
        ...(elects ? (['start-kube-apiserver-coordinated-leader-election-controller'] as const) : []),
        ...(server.flowControl?.fairness ? (['priority-and-fairness-config-producer'] as const) : []),
        ...(first ? (['bootstrap-controller', 'start-kubernetes-service-cidr-controller'] as const) : []),
      );
      started.list(server.addReadyCheck, () => clock.now() < beganMs + 1000 * (options.livezGraceSeconds ?? 0));
      await started.run('start-system-namespaces-controller', ensureSystemNamespaces(client, signal));
      await Promise.all([
        started.run('rbac/bootstrap-roles', reconcileBootstrapPolicy(client, { signal, policy: bootstrapPolicy(options.isEnabled) })),
        started.run('scheduling/bootstrap-system-priority-classes', ensureSystemPriorityClasses(client, signal)),
        started.run(
          'start-legacy-token-tracking-controller',
          lasting(() => ensureTokenTracking(client, clock, lifetime.signal)),
        ),
        started.run(
          'start-kube-apiserver-identity-lease-controller',
          keepIdentityLease({ client, clock, hostname: hostname(), signal: lifetime.signal, onError }).then(() =>
            started.done('start-kube-apiserver-identity-lease-garbage-collector'),
          ),
        ),
        server.flowControl?.fairness &&
          started.run(
            'priority-and-fairness-config-producer',
            ensureFlowConfiguration({ client, storages, clock, signal: lifetime.signal, onError }),
          ),
        started.run(
          'start-cluster-authentication-info-controller',
          lasting(() => ensureAuthenticationTrust(client, options.authentication, lifetime.signal)),
        ),
        first && started.run('bootstrap-controller', publishAddress(client, first.at(1))),
        first &&
          started.run(
            'start-kubernetes-service-cidr-controller',
            lasting(() =>
              keepServiceCidr({
                ...kept,
                client,
                cidrs: options.services.ranges.map((r) => r.cidr),
                events: events.recorder('kubernetes-service-cidr-controller'),
              }),
            ),
          ),
      ]);
      if (tellsVersions) {
        // Not before the Lease: what servers without one say is taken away.
        const identity = apiServerIdentity(hostname());
        const told = keepStorageVersions({ ...kept, client, table, identity, sharedStore: options.sharedStore ?? false });
        started.run('built-in-resources-storage-version-updater', told).catch(onError);
      }
      if (elects) {
        const running = runCoordinatedElection({ client, clock, random, hostname: hostname(), signal: lifetime.signal, onError });
        running.catch(onError);
        started.done('start-kube-apiserver-coordinated-leader-election-controller');
      }
      const repairs = { ...kept, objects, ranges: allocator.ranges, events: events.recorder('ipallocator-repair-controller') };
      const addresses = keepIpAddresses(repairs);
      await started.run('start-service-ip-repair-controllers', addresses);
    },
    async close() {
      // Before it stops to answer, so that no client is sent here any more; a store that is gone lets the lease end.
      await endpoints?.end().catch(onError);
      await server.drain();
      lifetime.abort(new Error('the API server is shutting down'));
      webhooks.close();
      events.close();
      aggregation?.close();
      await server.close();
      streaming?.close();
    },
  };
}

function openIdRoute(issuer: string, keys: readonly string[], advertise: { address: string; port: number }, jwksUri?: string): Route {
  const host = advertise.address.includes(':') ? `[${advertise.address}]` : advertise.address;
  // Verifiers may keep what they learn.
  const headers = { 'cache-control': 'public, max-age=3600' };
  const json = (body: object, contentType: string) => ({
    type: 'raw' as const,
    status: 200,
    contentType,
    body: JSON.stringify(body),
    headers,
  });
  return ({ path }) => {
    if (path === '/.well-known/openid-configuration')
      return json(
        openIdConfiguration({ issuer, serverUrl: `https://${host}:${advertise.port}`, keys, ...(jwksUri ? { jwksUri } : {}) }),
        'application/json',
      );
    if (path === '/openid/v1/jwks') return json(openIdKeys(keys), 'application/jwk-set+json');
    return undefined;
  };
}
