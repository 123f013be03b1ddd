/**
 * Before any test of clusters: takes down what killed runs have left (vitest's globalSetup). Such a cluster would keep the host's network
 * for itself, and its containers running.
 */
import { existsSync, globSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { executable, run } from './cluster.ts';

export async function setup(): Promise<void> {
  for (const file of globSync(join(tmpdir(), 'k8ts-test-*/data/cluster.json'))) {
    const { name } = JSON.parse(readFileSync(file, 'utf8')) as { name: string };
    // Test clusters are named after the process that made them.
    const [, pid] = /^test-(\d+)-/.exec(name) ?? [];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const dataDir = dirname(file);
    const result = await run(process.execPath, [executable, 'down', '--name', name, '--data-dir', dataDir]);
    if (result.code !== 0) throw new Error(`the leftover cluster ${name} could not be taken down:\n${result.stdout}${result.stderr}`);
    rmSync(dirname(dataDir), { recursive: true, force: true });
  }
}
