/** The store of a control plane: in its data directory, or in etcd where --etcd-servers says so. */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { Logger } from 'pino';
import type { Resource } from '../api/index.ts';
import { ensureEtcdPki } from '../pki/index.ts';
import { type StorageMediaType, storageMediaTypes } from '../server/index.ts';
import {
  compactRegularly,
  type EtcdFace,
  openEmbeddedStore,
  openEtcdStore,
  parseRetention,
  type Retention,
  type Store,
  serveEtcd,
} from '../store/index.ts';
import { systemClock as clock, systemRandom as random } from '../time/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ClusterConfig, ComponentArgs } from './config.ts';
import type { etcdFlags } from './control-plane-flags.ts';
import { durationMs, list } from './flags.ts';
import type { Layout } from './layout.ts';

export interface StoreFlags {
  storagePrefix: string;
  storageMediaType: StorageMediaType;
  storeCheckTimeoutMs: number;
  storeReadyTimeoutMs: number;
  ttlSeconds?: (resource: { kind: string }) => number | undefined;
}

/** What --etcd-* and --storage-* say to the API server, checked. */
export function storeFlags(args: ComponentArgs): StoreFlags {
  const mediaType = args['storage-media-type'] || 'application/json';
  if (!storageMediaTypes.some((known) => known === mediaType))
    throw new ClusterError(`--storage-media-type ${JSON.stringify(mediaType)} invalid, allowed values: ${storageMediaTypes.join(', ')}`);
  const backend = args['storage-backend'];
  if (backend !== undefined && backend !== '' && backend !== 'etcd3')
    throw new ClusterError(`--storage-backend invalid, allowed values: etcd3. If not specified, it will default to 'etcd3'`);
  return {
    storagePrefix: `/${(args['etcd-prefix'] ?? '/registry').replace(/^\/+|\/+$/g, '')}`,
    // Checked above.
    storageMediaType: mediaType as StorageMediaType,
    storeCheckTimeoutMs: durationMs(args['etcd-healthcheck-timeout'] ?? '2s'),
    storeReadyTimeoutMs: durationMs(args['etcd-readycheck-timeout'] ?? '2s'),
    ...eventTtl(args),
  };
}

/** Whether other control planes may use the same store: it is in an etcd, or answers as one. */
export const sharesStore = ({ args, etcdListen }: ClusterConfig): boolean =>
  list(args.apiserver['etcd-servers']).length > 0 || etcdListen !== undefined;

/** Has the store answer as an etcd, to clients with DATA-DIR/pki/etcd/client.crt. */
export async function openEtcdFace(layout: Layout, config: ClusterConfig, listen: string, store: Store): Promise<EtcdFace> {
  const host = listen.slice(0, listen.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  const isAddress = isIP(host) !== 0;
  const pki = await ensureEtcdPki(layout.etcdPki, {
    now: clock.now(),
    ipAddresses: [config.advertiseAddress, ...(isAddress && !/^(0\.0\.0\.0|::)$/.test(host) ? [host] : [])],
    dnsNames: isAddress ? [] : [host],
  });
  const tls = { ca: pki.ca.certificate, cert: pki.server.certificate, key: pki.server.key };
  return serveEtcd({ store, clock, listen, tls });
}

/** The stores of a control plane; several where --etcd-servers-overrides says so. */
export interface ClusterStores {
  store: Store;
  /** Where a resource's objects are, if not there. */
  storeOf?: (resource: Resource) => Store | undefined;
  /** Those, each once. */
  otherStores?: readonly Store[];
  close(): Promise<void>;
}

/** Opens them; with etcd, old history is compacted away until the signal is aborted. */
export async function openClusterStores(layout: Layout, args: ComponentArgs, logger: Logger, signal: AbortSignal): Promise<ClusterStores> {
  const endpoints = list(args['etcd-servers']);
  const overrides = parseOverrides(args['etcd-servers-overrides']);
  if (endpoints.length === 0) {
    if (overrides.size > 0) throw new ClusterError('--etcd-servers-overrides goes with --etcd-servers');
    const store = await openEmbeddedStore({ dir: layout.store, clock, logger, ...retentionOf(args) });
    return { store, close: () => store.close() };
  }
  if (args.history) throw new ClusterError('--history is for the embedded store; for etcd there is --etcd-compaction-interval');
  const opened = new Map<string, Promise<Store>>();
  const open = (servers: readonly string[], flag: string): Promise<Store> => {
    for (const server of servers)
      if (!/^https?:\/\/[^/]+\/?$/.test(server))
        throw new ClusterError(`invalid --${flag} ${JSON.stringify(server)}: must be http://HOST:PORT or https://HOST:PORT`);
    const name = servers.toSorted().join();
    const store = opened.get(name) ?? openEtcd(servers, args, logger, signal);
    opened.set(name, store);
    return store;
  };
  const store = await open(endpoints, 'etcd-servers');
  const others = new Map<string, Store>();
  for (const [resource, servers] of overrides) others.set(resource, await open(servers, 'etcd-servers-overrides'));
  return {
    store,
    ...(others.size > 0
      ? { storeOf: ({ group, plural }: Resource) => others.get(`${group}/${plural}`), otherStores: [...new Set(others.values())] }
      : {}),
    close: async () => {
      for (const each of opened.values()) await (await each).close();
    },
  };
}

/** By `group/resource`. */
function parseOverrides(given: string | undefined): Map<string, string[]> {
  const overrides = new Map<string, string[]>();
  for (const override of list(given)) {
    const [resource = '', servers, ...more] = override.split('#');
    if (servers === undefined || more.length > 0 || resource.split('/').length !== 2)
      throw new ClusterError(
        '--etcd-servers-overrides invalid, must be of format: group/resource#servers, where servers are URLs, semicolon separated',
      );
    overrides.set(resource, servers.split(';'));
  }
  return overrides;
}

async function openEtcd(endpoints: readonly string[], args: ComponentArgs, logger: Logger, signal: AbortSignal): Promise<Store> {
  const file = (name: (typeof etcdFlags)[number]) => (args[name] ? readFile(args[name]) : undefined);
  const [ca, cert, key] = await Promise.all([file('etcd-cafile'), file('etcd-certfile'), file('etcd-keyfile')]);
  const name = args['etcd-username'];
  const keyPrefix = `${storeFlags(args).storagePrefix}/`;
  const store = await openEtcdStore({
    ...{ endpoints, keyPrefix },
    ...(ca || cert || key ? { tls: { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) } } : {}),
    ...(name ? { user: { name, password: args['etcd-password'] ?? '' } } : {}),
    clock,
    random,
  });
  logger.info({ endpoints, revision: await store.revision() }, 'opened the store');
  const intervalMs = durationMs(args['etcd-compaction-interval'] ?? '5m');
  const onError = (err: unknown) => logger.error({ err }, 'could not compact etcd');
  // 0 switches it off: somebody else compacts.
  if (intervalMs > 0) void compactRegularly({ store, clock, signal, intervalMs, keyPrefix, onError });
  return store;
}

/** --history, our own: how much of the past can be read, as a time, a size, or both. */
function retentionOf(args: ComponentArgs): { retention?: Retention } {
  if (!args.history) return {};
  const retention = parseRetention(args.history);
  if (!retention)
    throw new ClusterError(
      `invalid --history ${JSON.stringify(args.history)}: must be a time such as 1h, a size such as 512Mi, or both: 1h,512Mi`,
    );
  return { retention };
}

/** --event-ttl: how long Events are kept after they were last written. */
function eventTtl(args: ComponentArgs): Pick<StoreFlags, 'ttlSeconds'> {
  if (!args['event-ttl']) return {};
  const seconds = durationMs(args['event-ttl']) / 1000;
  if (seconds < 1) throw new ClusterError(`invalid --event-ttl ${JSON.stringify(args['event-ttl'])}: must be at least 1s`);
  return { ttlSeconds: ({ kind }) => (kind === 'Event' ? Math.ceil(seconds) : undefined) };
}
