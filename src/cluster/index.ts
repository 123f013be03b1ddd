import type { ApiServerProcessOptions, LoopProcessOptions } from './separate-processes.ts';

export { ClusterError } from './cluster-error.ts';
export { adminKubeconfig, logFiles } from './cluster-files.ts';
export { type ClusterConfig, defaultDataDir, defaultPodCidr, defaultServiceCidr, type RuntimeName } from './config.ts';
export { down } from './down.ts';
export { loadImages } from './load-images.ts';
export type { FieldChange } from './object-diff.ts';
export { type ClusterStatus, clusterStatus } from './status.ts';
export { backupClusterStore, checkClusterStore, compactClusterStore, restoreClusterStore } from './store-commands.ts';
export { type LogSelection, type ObjectChange, readStoreLog } from './store-log.ts';
export { type UpOptions, type UpResult, up } from './up.ts';

// What runs a component is loaded by the process that runs it, not by every command.
export const runControlPlaneProcess = async (dataDir: string) =>
  (await import('./control-plane-process.ts')).runControlPlaneProcess(dataDir);
export const runNodeProcess = async (dataDir: string, node: string) => (await import('./node-process.ts')).runNodeProcess(dataDir, node);
export const runHollowNodesProcess = async (dataDir: string) => (await import('./hollow-nodes-process.ts')).runHollowNodesProcess(dataDir);
export const runApiServerProcess = async (options: ApiServerProcessOptions) =>
  (await import('./separate-processes.ts')).runApiServerProcess(options);
export const runControllerManagerProcess = async (options: LoopProcessOptions) =>
  (await import('./separate-processes.ts')).runControllerManagerProcess(options);
export const runSchedulerProcess = async (options: LoopProcessOptions) =>
  (await import('./separate-processes.ts')).runSchedulerProcess(options);
