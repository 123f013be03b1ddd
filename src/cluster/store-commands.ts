/** `k8ts store ...`: care of the embedded store of a cluster, by its data directory. */
import { existsSync } from 'node:fs';
import { backupStore, checkStore, compactStore, restoreStore } from '../store/index.ts';
import { ClusterError } from './cluster-error.ts';
import { readConfig } from './cluster-files.ts';
import { list } from './flags.ts';
import { layoutOf } from './layout.ts';
import { type Compaction, compactRunningStore } from './store-compaction.ts';

/** Throws where there is no cluster, or where it keeps its objects in etcd. */
export function requireEmbeddedStore(dataDir: string): string {
  const layout = layoutOf(dataDir);
  const endpoints = list(readConfig(layout)?.args.apiserver['etcd-servers']);
  if (endpoints.length > 0) throw new ClusterError(`this cluster keeps its objects in etcd (${endpoints.join(', ')}): use etcdctl`);
  if (!existsSync(layout.store)) throw new ClusterError(`there is no store in ${dataDir}; "k8ts up" makes one`);
  return layout.store;
}

export const checkClusterStore = async (dataDir: string) => checkStore(requireEmbeddedStore(dataDir));
export const backupClusterStore = async (dataDir: string, file: string) => backupStore(requireEmbeddedStore(dataDir), file);

/** Also into a data directory that has no cluster yet: the next `k8ts up` there begins with what was restored. */
export const restoreClusterStore = async (dataDir: string, file: string) => restoreStore(file, layoutOf(dataDir).store).catch(whileRunning);

/** The cluster may be up. */
export const compactClusterStore = async (dataDir: string): Promise<Compaction> =>
  compactStore(requireEmbeddedStore(dataDir)).catch((error) => {
    if (isInUse(error)) return compactRunningStore(dataDir);
    throw error;
  });

const isInUse = (error: unknown): error is Error => error instanceof Error && error.message.endsWith('is in use by another process');

function whileRunning(error: unknown): never {
  if (isInUse(error)) throw new ClusterError(`${error.message}: the cluster is up; "k8ts down --keep-data" stops it and keeps its objects`);
  throw error;
}
