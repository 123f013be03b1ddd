/**
 * In which version this server stores each resource, for other servers and for whoever migrates what is stored (KEP-2339, alpha:
 * StorageVersionAPI).
 */
import { apiserverinternalV1alpha1, apiVersionOf, hasReason, withServers } from '../../api/index.ts';
import type { Client } from '../../client/index.ts';
import { type Clock, timestamp } from '../../time/index.ts';
import type { ResourceTable } from '../registry/served-resource.ts';

const { StorageVersion } = apiserverinternalV1alpha1;

export interface StorageVersionsOptions {
  client: Client;
  clock: Clock;
  table: ResourceTable;
  /** This server's, as its Lease is named. */
  identity: string;
  /** Other servers may use the same store: then it may be written in the version of the release before. */
  sharedStore: boolean;
  signal: AbortSignal;
  onError(error: unknown): void;
}

/** Somebody else may change them. */
const againMs = 600_000;
const retryMs = 1000;
const attempts = 3;

type Entry = Required<Omit<apiserverinternalV1alpha1.ServerStorageVersion, 'apiServerID'>>;

/** By the StorageVersion's name, `GROUP.RESOURCE`; those of custom resources come and go, and are not told. */
export function storageVersionsOf(table: ResourceTable, sharedStore: boolean): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const { kind, apiVersion, storage, custom } of table.all()) {
    if (storage === undefined || custom !== undefined) continue;
    const { group, version, plural } = kind.resource;
    const name = `${group || 'core'}.${plural}`;
    const { decodableVersions = [], servedVersions = [] } = entries.get(name) ?? {};
    const known = [kind.resource, ...(kind.versions ?? []).map((each) => each.resource)].map(apiVersionOf);
    entries.set(name, {
      encodingVersion: apiVersionOf({ group, version: (sharedStore ? kind.upstreamStorageVersion : undefined) ?? version }),
      decodableVersions: [...new Set([...decodableVersions, ...known, apiVersion])],
      servedVersions: [...servedVersions, apiVersion],
    });
  }
  return entries;
}

/** Resolves when all have been told, or could not be for now. */
export async function keepStorageVersions(options: StorageVersionsOptions): Promise<void> {
  const { client, clock, table, identity, sharedStore, signal, onError } = options;
  const tell = async (name: string, entry: Entry): Promise<void> => {
    const known = await client.get(StorageVersion, name, { signal }).catch((error: unknown) => {
      if (hasReason(error, 'NotFound')) return undefined;
      throw error;
    });
    const made = { apiVersion: 'internal.apiserver.k8s.io/v1alpha1', kind: 'StorageVersion', metadata: { name }, spec: {} };
    const present = known ?? (await client.create(StorageVersion, made, { signal }));
    const own = { apiServerID: identity, ...entry };
    const before = present.status?.storageVersions ?? [];
    const servers = before.some((server) => server.apiServerID === identity)
      ? before.map((server) => (server.apiServerID === identity ? own : server))
      : [...before, own];
    const status = withServers(present.status, servers, timestamp(clock), present.metadata.generation);
    await client.updateStatus(StorageVersion, { ...present, status }, { signal });
  };
  const tellAll = async (): Promise<void> => {
    for (const [name, entry] of storageVersionsOf(table, sharedStore))
      for (let attempt = 1; !signal.aborted; attempt++) {
        try {
          await tell(name, entry);
          break;
        } catch (error) {
          if (signal.aborted) return;
          const isRace = hasReason(error, 'AlreadyExists') || hasReason(error, 'Conflict');
          if (!isRace && attempt >= attempts) {
            onError(error);
            break;
          }
          await clock.sleep(retryMs, signal).catch(() => undefined);
        }
      }
  };
  const keep = async () => {
    while (!signal.aborted) {
      await clock.sleep(againMs, signal).catch(() => undefined);
      if (!signal.aborted) await tellAll();
    }
  };
  await tellAll();
  void keep();
}
