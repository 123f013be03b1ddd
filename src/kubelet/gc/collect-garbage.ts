/** Removes dead containers beyond the last of each (its log is what `logs --previous` reads), rotates logs, and removes unused images when the disk is full. */
import { readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { goDurationMs, quantityValue } from '../../api/index.ts';
import type { KubeletContext } from '../context.ts';
import type { ObservedContainer } from '../pod/observed-pod.ts';
import type { PodWorker } from '../workers/pod-worker.ts';

interface Options {
  workers(): Iterable<PodWorker>;
  signal: AbortSignal;
}

const containerPeriodMs = 60_000;
const imagePeriodMs = 300_000;

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

export async function collectGarbage(context: KubeletContext, { workers, signal }: Options): Promise<void> {
  const { clock, runtime, logger, config, hollow } = context;

  async function every(periodMs: number, what: string, turn: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(periodMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      await turn().catch((error) => {
        if (!signal.aborted) logger.warn({ err: error }, what);
      });
    }
  }

  async function containers(): Promise<void> {
    for (const { observed } of workers()) {
      if (!observed) continue;
      for (const { id } of removable(observed.containers)) await runtime.removeContainer({ containerId: id }, { signal });
      const [, ...old] = observed.sandboxes;
      for (const { id, ready } of old) {
        if (!ready && !observed.containers.some((c) => c.sandboxId === id))
          await runtime.removePodSandbox({ podSandboxId: id }, { signal });
      }
    }
  }

  async function logs(): Promise<void> {
    const most = quantityValue(config.containerLogMaxSize);
    for (const { observed } of workers()) {
      for (const { state, id, status } of observed?.containers ?? []) {
        if (state === 'running' && status.logPath)
          await rotate(status.logPath, most, config.containerLogMaxFiles, new Date(clock.now()), () =>
            runtime.reopenContainerLog({ containerId: id }, { signal }),
          );
      }
    }
  }

  const unusedSince = new Map<string, number>();
  async function images(): Promise<void> {
    const [{ images: present = [] }, { containers: using = [] }, { imageFilesystems = [] }] = await Promise.all([
      runtime.listImages({}, { signal }),
      runtime.listContainers({}, { signal }),
      runtime.imageFsInfo({}, { signal }),
    ]);
    const used = new Set(using.flatMap((c) => [c.imageId, c.imageRef, c.image?.image]));
    const candidates = present.filter(
      (image) => !image.pinned && ![image.id, ...(image.repoTags ?? []), ...(image.repoDigests ?? [])].some((name) => used.has(name)),
    );
    const now = clock.now();
    for (const image of present) {
      const id = image.id ?? '';
      if (!candidates.includes(image)) unusedSince.delete(id);
      else if (!unusedSince.has(id)) unusedSince.set(id, now);
    }
    const mountpoint = imageFilesystems[0]?.fsId?.mountpoint;
    if (!mountpoint || hollow) return;
    const disk = await statfs(mountpoint);
    const capacity = disk.blocks * disk.bsize;
    const usedBytes = capacity - disk.bavail * disk.bsize;
    if ((usedBytes / capacity) * 100 < config.imageGCHighThresholdPercent) return;
    let excess = usedBytes - (capacity * config.imageGCLowThresholdPercent) / 100;
    const minimumAgeMs = goDurationMs(config.imageMinimumGCAge);
    const oldestFirst = candidates.sort((a, b) => (unusedSince.get(a.id ?? '') ?? 0) - (unusedSince.get(b.id ?? '') ?? 0));
    for (const image of oldestFirst) {
      if (excess <= 0) break;
      if (now - (unusedSince.get(image.id ?? '') ?? now) < minimumAgeMs) continue;
      await runtime.removeImage({ image: { image: image.id ?? '' } }, { signal });
      excess -= Number(image.size ?? 0);
    }
    if (excess > 0)
      context.events.node(
        'Warning',
        'FreeDiskSpaceFailed',
        `Failed to garbage collect required amount of images. Attempted to free ${Math.ceil(excess)} more bytes`,
      );
  }

  const tasks = [
    every(containerPeriodMs, 'Container garbage collection failed', containers),
    every(imagePeriodMs, 'Image garbage collection failed', images),
  ];
  if (!hollow) tasks.push(every(goDurationMs(config.containerLogMonitorInterval), 'Log rotation failed', logs));
  await Promise.all(tasks);
}

/** Moves a log that has grown too large aside and has the runtime begin another; keeps at most `files` in all. */
async function rotate(path: string, maxBytes: number, files: number, now: Date, reopen: () => Promise<unknown>): Promise<void> {
  const size = await stat(path).then(
    (s) => s.size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return 0;
      throw error;
    },
  );
  if (size < maxBytes) return;
  const stamp = now.toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  await rename(path, `${path}.${stamp}`);
  await reopen();
  const directory = dirname(path);
  const rotated = (await readdir(directory))
    .map((name) => join(directory, name))
    .filter((name) => name.startsWith(`${path}.`))
    .sort();
  for (const old of rotated.slice(0, Math.max(0, rotated.length - (files - 1)))) await rm(old, { force: true });
}
