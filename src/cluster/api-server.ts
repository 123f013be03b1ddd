/** The API server of a control plane, made from the cluster's configuration and flags. */
import { hostname } from 'node:os';
import { Registry as MetricsRegistry } from 'prom-client';
import { kinds } from '../api/index.ts';
import { registerFeatures } from '../observability/index.ts';
import type { Pki } from '../pki/index.ts';
import {
  auditOptions,
  type ClusterApiServer,
  type ComponentAddress,
  createClusterApiServer,
  followConfiguration,
  openAudit,
  parseIpRange,
  parsePortRange,
  parseTokenFile,
} from '../server/index.ts';
import { systemClock as clock, systemRandom as random } from '../time/index.ts';
import { readAdmissionConfiguration } from './admission-configuration.ts';
import { authenticationConfiguration } from './authentication-configuration.ts';
import { clientAuthorities } from './authority-flags.ts';
import { authorizationOptions, tokenWebhookOptions } from './authorization-flags.ts';
import { openClusterEncryption } from './cluster-encryption.ts';
import { ClusterError } from './cluster-error.ts';
import { openClusterStores, openEtcdFace, sharesStore, storeFlags } from './cluster-store.ts';
import type { ComponentEnvironment } from './component-process.ts';
import type { ClusterConfig, ComponentArgs } from './config.ts';
import { apiserverFlags } from './control-plane-flags.ts';
import { checkEgressFlags } from './egress-flags.ts';
import { parseFeatureGates } from './feature-gates.ts';
import { integer, invalidArgument } from './flag-types.ts';
import { apiserverDefaults, flagValues, processStartMs } from './flag-values.ts';
import { checkFlags, flag, list } from './flags.ts';
import { followCertificates } from './follow-certificates.ts';
import { hollowNodeAddresses } from './hollow-node-addresses.ts';
import { allowsAnonymous, identityOptions } from './identity-flags.ts';
import {
  kubeletIdentity,
  namedCertificates,
  proxyIdentity,
  requestHeaderAuthority,
  servingCertificate,
  tokenKeys,
  withCertificateDirectory,
} from './key-flags.ts';
import type { Layout } from './layout.ts';
import { applyMetricFlags } from './metric-flags.ts';
import { oidcOptions } from './oidc-flags.ts';
import { messageOf, readText } from './pem-files.ts';
import { withoutPrivilegedPods } from './privileged-pods.ts';
import { reportedVersion } from './reported-version.ts';
import { serviceRanges } from './service-range-flag.ts';
import { servingOptions, tolerationSeconds } from './serving-flags.ts';
import { storeCompactionRoute } from './store-compaction.ts';
import { checkTakenFlags } from './taken-flags.ts';
import { tlsOptions } from './tls-flags.ts';
import { openTracer } from './tracing-flags.ts';
import { ensureClusterPki } from './up.ts';
import { versionOptions } from './version-flags.ts';
import { readsAnew } from './watch-cache-flags.ts';

export interface RunningApiServer {
  server: ClusterApiServer;
  pki: Pki;
  metrics: MetricsRegistry;
  /** Lets requests in flight finish, then closes the store. */
  close(): Promise<void>;
}

/** Opens the store and makes the server; it does not listen yet. `components`: where those beside it answer, for ComponentStatus. */
export async function openApiServer(
  layout: Layout,
  config: ClusterConfig,
  environment: Pick<ComponentEnvironment, 'loggerFor'>,
  components?: ReadonlyMap<string, ComponentAddress>,
): Promise<RunningApiServer> {
  const args = config.args.apiserver;
  checkFlags(args, apiserverFlags);
  checkTakenFlags(args);
  await checkEgressFlags(args);
  const logger = await environment.loggerFor('kube-apiserver', args);
  const kept = storeFlags(args);
  const lifetime = new AbortController();
  const metrics = new MetricsRegistry();
  const gates = parseFeatureGates(args['feature-gates']);
  await applyMetricFlags(metrics, args);
  registerFeatures(metrics, () => gates.all());
  const limits = servingOptions(args);
  const encryption = await openClusterEncryption(config, { logger, metrics });
  const [pki, stores] = await Promise.all([ensureClusterPki(layout, config), openClusterStores(layout, args, logger, lifetime.signal)]);
  const { store, storeOf, otherStores } = stores;
  const face = config.etcdListen ? await openEtcdFace(layout, config, config.etcdListen, store) : undefined;
  if (face) logger.info({ address: face.address }, 'the store answers as an etcd');
  const { identity, requestHeader } = identityOptions(args, `https://kubernetes.default.svc.${config.clusterDomain}`);
  const authorization = await authorizationOptions(args);
  const clientCa = await clientAuthorities(args, pki.ca.certificate);
  const requestHeaderCa = await requestHeaderAuthority(args, pki);
  const files = await withCertificateDirectory(args, pki);
  const serving = await servingCertificate(files, pki);
  const kubelets = await kubeletIdentity(args, pki);
  const proxyClient = await proxyIdentity(args, pki);
  const anonymousAuth = allowsAnonymous(args, (message) => logger.warn(message));
  const authenticationConfig = await authenticationConfiguration(args, identity.issuers);
  const server = await createClusterApiServer({
    ...{ store, storeOf, otherStores, readsAnew: readsAnew(args) },
    components: components ?? defaultComponents,
    encryption,
    ...kept,
    clock,
    random,
    logger,
    metrics,
    tracer: await openTracer(args, { clock, random, logger, service: 'apiserver' }),
    auditor: await openAudit(auditOptions(args), { clock, random, logger, registry: metrics }),
    kinds: flag(args['allow-privileged'], false) ? kinds : withoutPrivilegedPods(kinds),
    ...versionOptions(args),
    version: reportedVersion(args),
    ...limits,
    http: { ...limits.http, limitsAnonymous: gates.isEnabled('UnauthenticatedHTTP2DOSMitigation') },
    isEnabled: gates.isEnabled,
    zPages: {
      startMs: processStartMs(clock.now()),
      statusz: gates.isEnabled('ComponentStatusz'),
      flags: gates.isEnabled('ComponentFlagz') ? () => flagValues(apiserverFlags, args, apiserverDefaults) : undefined,
    },
    tls: {
      ...serving,
      named: await namedCertificates(args),
      clientCa: [clientCa, requestHeaderCa.clientCa],
      ...tlsOptions(args),
    },
    bindAddress: config.bindAddress,
    port: config.apiPort,
    services: {
      ranges: serviceRanges(args['service-cluster-ip-range'] ?? config.serviceCidr).map(parseIpRange),
      ports: nodePorts(args['service-node-port-range'] ?? '30000-32767'),
    },
    admissionPlugins: {
      enable: list(args['enable-admission-plugins']),
      disable: list(args['disable-admission-plugins']),
      tolerationSeconds: tolerationSeconds(args),
      ...(await readAdmissionConfiguration(args['admission-control-config-file'])),
    },
    authorization: authorization.authorization ?? {},
    authentication: {
      ...identity,
      ...(await tokenKeys(args, pki)),
      clientCa,
      requestHeader: { ...requestHeaderCa, ...requestHeader },
      anonymousAuth,
      ...(await authenticationFlags(config)),
      ...(await tokenWebhookOptions(args)),
      ...(await oidcOptions(args, identity.issuers)),
      ...authenticationConfig.authentication,
    },
    advertise: { address: config.advertiseAddress, port: config.apiPort, nodePort: serviceNodePort(args) },
    reconcilesEndpoints: reconcilesEndpoints(args),
    kubelets: {
      ...kubelets,
      addressOf: hollowNodeAddresses(layout, config),
      ...(args['kubelet-port'] ? { port: Number(args['kubelet-port']) } : {}),
      ...(args['kubelet-preferred-address-types'] ? { addressTypes: list(args['kubelet-preferred-address-types']) } : {}),
    },
    proxyClient,
    // Cluster IPs are rules of nodes' networks, where the API server need not be; endpoints it reaches as it reaches pods.
    aggregatorRouting: flag(args['enable-aggregator-routing'], true),
    // Others may serve the same cluster: who does is kept in the store.
    sharedStore: sharesStore(config),
  });
  server.addRoute(storeCompactionRoute(store));
  const following = { clock, logger, metrics, serverId: `${hostname()}:${config.apiPort}`, signal: lifetime.signal };
  const authorities = { clientCa, requestHeaderCa: requestHeaderCa.clientCa };
  followCertificates(server, files, pki, { ...following, serving, authorities, kubelets, proxyClient });
  const { followed } = authorization;
  if (followed)
    followConfiguration({
      ...{ ...following, ...followed, subject: 'authorization' },
      apply: async (text) => server.authorizeBy(await followed.parse(text)),
    });
  const { followed: trusted } = authenticationConfig;
  if (trusted)
    followConfiguration({
      ...{ ...following, ...trusted, subject: 'authentication' },
      apply: async (text) => server.authenticateBy(trusted.parse(text)),
    });
  return {
    server,
    pki,
    metrics,
    async close() {
      await server.close();
      await face?.close();
      lifetime.abort(new Error('the API server has closed'));
      await stores.close();
    },
  };
}

/** Where upstream's API server looks for the others: each on the same machine, at its port. */
const defaultComponents: ReadonlyMap<string, ComponentAddress> = new Map([
  ['scheduler', { host: '127.0.0.1', port: 10259 }],
  ['controller-manager', { host: '127.0.0.1', port: 10257 }],
]);

function nodePorts(text: string) {
  try {
    return parsePortRange(text);
  } catch (error) {
    throw invalidArgument(text, 'service-node-port-range', messageOf(error));
  }
}

/** The node port of the Service `kubernetes`; 0: it has none. */
function serviceNodePort(args: ComponentArgs): number {
  const flag = 'kubernetes-service-node-port';
  const text = args[flag] ?? '0';
  const why = integer(text);
  if (why !== undefined) throw invalidArgument(text, flag, why);
  const port = Number(text);
  if (port < 0 || port > 65535)
    throw new ClusterError(
      `--${flag} ${port} must be between 0 and 65535, inclusive. If 0, the Kubernetes master service will be of type ClusterIP`,
    );
  const range = args['service-node-port-range'] ?? '30000-32767';
  const { first, last } = nodePorts(range);
  if (port > 0 && (port < first || port > last))
    throw new ClusterError(`kubernetes service node port range ${first}-${last} doesn't contain ${port}`);
  return port;
}

/** By leases; the older way, by a count of servers, comes to the same. */
function reconcilesEndpoints(args: ComponentArgs): boolean {
  const type = args['endpoint-reconciler-type'] ?? 'lease';
  if (!['', 'lease', 'master-count', 'none'].includes(type)) throw new ClusterError(`Reconciler not implemented: ${type}`);
  return type !== 'none';
}

async function authenticationFlags(config: ClusterConfig) {
  const args = config.args.apiserver;
  const tokenFile = args['token-auth-file'];
  return {
    ...(tokenFile ? { tokens: parseTokenFile(await readText(tokenFile), tokenFile) } : {}),
    ...(args['api-audiences'] ? { apiAudiences: list(args['api-audiences']) } : {}),
  };
}
