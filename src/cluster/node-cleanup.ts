/** Takes away what a node left in the kernel: containers, containerd, mounts, rules, routes, the bridge, cgroups. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { cleanupHostNetwork, cleanupProxy, namespaceFile, removeNodeRoutes } from '../network/index.ts';
import { connectCriRuntime, type Runtime } from '../runtime/index.ts';
import { type Clock, systemClock } from '../time/index.ts';
import type { ClusterConfig } from './config.ts';
import { nodeContainerd } from './node-containerd.ts';
import type { NodeLayout } from './node-layout.ts';
import type { Placement } from './placement.ts';

const execute = promisify(execFile);

export async function cleanupNode(node: NodeLayout, config: ClusterConfig, { namespace }: Placement): Promise<void> {
  if (!config.runtimeEndpoint && existsSync(node.containerd)) {
    // Started again where it has died: only it knows how to undo what its sandboxes have.
    // After a reboot its namespace is gone, and with it what there was to undo.
    const where = namespace && existsSync(namespaceFile(namespace)) ? namespace : undefined;
    const containerd = await nodeContainerd(node, config, where, pino({ level: 'silent' }));
    const runtime = await connectCriRuntime({ endpoint: containerd.endpoint, clock: systemClock });
    await removeAllSandboxes(runtime);
    await runtime.close();
    await containerd.stop();
  }
  if (!namespace) {
    await cleanupProxy();
    await cleanupHostNetwork(node.bridge);
    await removeNodeRoutes();
  }
  await unmountBelow([node.dir, node.containerdState]);
  await removeCgroups(node.cgroupRoot, systemClock);
  await rm(node.containerdState, { recursive: true, force: true });
}

async function removeAllSandboxes(runtime: Runtime): Promise<void> {
  const { items = [] } = await runtime.listPodSandbox({});
  await Promise.all(
    items.map(async ({ id: podSandboxId = '' }) => {
      await runtime.stopPodSandbox({ podSandboxId });
      await runtime.removePodSandbox({ podSandboxId });
    }),
  );
}

/** Unmounts, the deepest first, everything mounted below the directories. */
async function unmountBelow(dirs: readonly string[]): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => (line.split(' ')[1] ?? '').replaceAll('\\040', ' '));
  const below = mounts.filter((point) => dirs.some((dir) => point === dir || point.startsWith(`${dir}/`)));
  for (const point of below.sort((a, b) => b.length - a.length)) await execute('umount', ['--lazy', point]);
}

/** Removes the cgroup in every hierarchy it is in, ending what still runs there. */
async function removeCgroups(root: string, clock: Clock): Promise<void> {
  const base = '/sys/fs/cgroup';
  const hierarchies = existsSync(join(base, 'cgroup.controllers')) ? [base] : (await readdir(base)).map((name) => join(base, name));
  for (const hierarchy of hierarchies) {
    const dir = join(hierarchy, root);
    if (existsSync(dir)) await removeCgroup(dir, clock);
  }
}

async function removeCgroup(dir: string, clock: Clock): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true }))
    if (entry.isDirectory()) await removeCgroup(join(dir, entry.name), clock);
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 200)) {
    const pids = (await readFile(join(dir, 'cgroup.procs'), 'utf8').catch(() => '')).split('\n').filter((pid) => pid !== '');
    for (const pid of pids) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It ended by itself in between.
      }
    }
    try {
      return await rmdir(dir);
    } catch (error) {
      if (pauseMs >= 200) throw error;
      await clock.sleep(pauseMs);
    }
  }
}
