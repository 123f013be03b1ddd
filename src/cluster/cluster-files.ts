/** Reading and writing what `k8ts up` records of a cluster. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ClusterError } from './cluster-error.ts';
import type { ClusterConfig } from './config.ts';
import { type Layout, layoutOf } from './layout.ts';
import { isRunning, type ProcessRecord, records } from './processes.ts';

export function readConfig(layout: Layout): ClusterConfig | undefined {
  if (!existsSync(layout.config)) return undefined;
  try {
    // Written by writeConfig below; an older version's missing fields are filled by `up`.
    return JSON.parse(readFileSync(layout.config, 'utf8')) as ClusterConfig;
  } catch (error) {
    throw new Error(`${layout.config} can't be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function writeConfig(layout: Layout, config: ClusterConfig): void {
  mkdirSync(layout.dataDir, { recursive: true, mode: 0o711 });
  writeFileSync(`${layout.config}.tmp`, `${JSON.stringify(config, null, 2)}\n`);
  renameSync(`${layout.config}.tmp`, layout.config);
}

/** The processes of the cluster that run now. */
export function runningProcesses(layout: Layout): ProcessRecord[] {
  return records(layout).filter(isRunning);
}

/** The last lines of a component's log. */
export function logTail(layout: Layout, component: string, lines = 15): string {
  if (!existsSync(layout.log(component))) return '';
  return readFileSync(layout.log(component), 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

/** The cluster's log files by component. */
export function logFiles(dataDir: string): Map<string, string> {
  const { logs } = layoutOf(dataDir);
  const names = existsSync(logs) ? readdirSync(logs).filter((file) => file.endsWith('.log')) : [];
  return new Map(names.sort().map((file) => [basename(file, '.log'), join(logs, file)]));
}

/** The kubeconfig that `up` wrote for the administrator. */
export function adminKubeconfig(dataDir: string): string {
  const { kubeconfig } = layoutOf(dataDir);
  if (!existsSync(kubeconfig)) throw new ClusterError(`there is no cluster in ${dataDir}; "k8ts up" makes one`);
  return kubeconfig;
}
