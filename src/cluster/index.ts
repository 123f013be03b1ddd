import type { ComponentArgs } from './config.ts';
import type { DownOptions } from './down.ts';
import type { RewriteOptions } from './encryption-rewrite.ts';
import type { ApiServerProcessOptions, LoopProcessOptions } from './separate-processes.ts';
import type { LogSelection, ObjectChange } from './store-log.ts';
import type { UpOptions } from './up.ts';
import { controlPlaneV8Flags, leanV8Flags } from './v8-flags.ts';
import { restartWithV8Flags } from './v8-restart.ts';

export { ClusterError } from './cluster-error.ts';
export { adminKubeconfig, logFiles } from './cluster-files.ts';
export { type ClusterConfig, defaultDataDir, defaultPodCidr, defaultServiceCidr, type RuntimeName } from './config.ts';
export type { RewriteFailure, RewriteOptions, RewriteProgress, RewriteResult } from './encryption-rewrite.ts';
export type { FieldChange } from './object-diff.ts';
export type { ClusterStatus } from './status.ts';
export type { LogSelection, ObjectChange } from './store-log.ts';
export type { UpOptions, UpResult } from './up.ts';

// What a command or a component needs is loaded by the process that runs it, not by every one.
export const up = async (options: UpOptions) => (await import('./up.ts')).up(options);
export const down = async (options: DownOptions) => (await import('./down.ts')).down(options);
export const clusterStatus = async (dataDir: string) => (await import('./status.ts')).clusterStatus(dataDir);
export const loadImages = async (dataDir: string, archive: string) => (await import('./load-images.ts')).loadImages(dataDir, archive);
export const checkClusterStore = async (dataDir: string) => (await import('./store-commands.ts')).checkClusterStore(dataDir);
export const compactClusterStore = async (dataDir: string) => (await import('./store-commands.ts')).compactClusterStore(dataDir);
export const backupClusterStore = async (dataDir: string, file: string) =>
  (await import('./store-commands.ts')).backupClusterStore(dataDir, file);
export const restoreClusterStore = async (dataDir: string, file: string) =>
  (await import('./store-commands.ts')).restoreClusterStore(dataDir, file);
export const rewriteCluster = async (dataDir: string, options: RewriteOptions) =>
  (await import('./encryption-rewrite.ts')).rewriteCluster(dataDir, options);
export const readStoreLog = async (dataDir: string, selection: LogSelection, each: (change: ObjectChange) => void) =>
  (await import('./store-log.ts')).readStoreLog(dataDir, selection, each);
export const runControlPlaneProcess = async (dataDir: string) =>
  (await import('./control-plane-process.ts')).runControlPlaneProcess(dataDir);
export const runNodeProcess = async (dataDir: string, node: string) => (await import('./node-process.ts')).runNodeProcess(dataDir, node);
export const runHollowNodesProcess = async (dataDir: string) => (await import('./hollow-nodes-process.ts')).runHollowNodesProcess(dataDir);
export const versionAsked = async (args: ComponentArgs) => (await import('./reported-version.ts')).versionAsked(args);
export const runApiServerProcess = async (options: ApiServerProcessOptions) => {
  restartWithV8Flags(controlPlaneV8Flags);
  return (await import('./separate-processes.ts')).runApiServerProcess(options);
};
export const runControllerManagerProcess = async (options: LoopProcessOptions) => {
  restartWithV8Flags(leanV8Flags);
  return (await import('./separate-processes.ts')).runControllerManagerProcess(options);
};
export const runSchedulerProcess = async (options: LoopProcessOptions) => {
  restartWithV8Flags(leanV8Flags);
  return (await import('./separate-processes.ts')).runSchedulerProcess(options);
};
