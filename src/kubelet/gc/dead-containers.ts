/** Containers that have ended, beyond the last of each: its log is what `logs --previous` reads. */
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { KubeletContext } from '../context.ts';
import type { ObservedContainer, ObservedPod } from '../pod/observed-pod.ts';

/** The dead containers of a pod that can go: of each name all but the newest two runs' newest dead one. */
export function removable(containers: readonly ObservedContainer[]): ObservedContainer[] {
  const kept = new Map<string, number>();
  return containers.filter((container) => {
    const index = kept.get(container.name) ?? 0;
    kept.set(container.name, index + 1);
    // The newest tells the state, the one before it the last state.
    return index > 1 && container.state === 'exited';
  });
}

type Context = Pick<KubeletContext, 'runtime' | 'hollow'>;

/** Removes what can go of one pod, with its logs and their rotated parts. */
export async function removeDeadContainers({ runtime, hollow }: Context, observed: ObservedPod, signal: AbortSignal): Promise<void> {
  for (const { id, status } of removable(observed.containers)) {
    await runtime.removeContainer({ containerId: id }, { signal });
    if (!hollow && status.logPath) await removeLogs(status.logPath);
  }
  const [, ...old] = observed.sandboxes;
  for (const { id, ready } of old) {
    if (!ready && !observed.containers.some((c) => c.sandboxId === id)) await runtime.removePodSandbox({ podSandboxId: id }, { signal });
  }
}

async function removeLogs(path: string): Promise<void> {
  const directory = dirname(path);
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const own = basename(path);
  for (const name of names) if (name === own || name.startsWith(`${own}.`)) await rm(join(directory, name), { force: true });
}
