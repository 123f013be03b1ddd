/** Removes images that no container uses: the longest unused when the disk is fuller than it may be, and those past an age. */
import { statfs } from 'node:fs/promises';
import { goDurationMs } from '../../api/index.ts';
import type { cri } from '../../runtime/index.ts';
import type { KubeletContext } from '../context.ts';

export interface ImageCollector {
  /** What is due by age and by how full the disk is. */
  collect(signal: AbortSignal): Promise<void>;
  /** Everything that is unused: the disk is short. */
  removeUnused(signal: AbortSignal): Promise<void>;
}

export function imageCollector({ runtime, clock, config, events, logger }: KubeletContext): ImageCollector {
  const unusedSince = new Map<string, number>();

  /** Unused images, the longest unused first. */
  async function unused(signal: AbortSignal): Promise<cri.Image[]> {
    const [{ images: present = [] }, { containers: using = [] }] = await Promise.all([
      runtime.listImages({}, { signal }),
      runtime.listContainers({}, { signal }),
    ]);
    const used = new Set(using.flatMap((c) => [c.imageId, c.imageRef, c.image?.image]));
    const free = present.filter(
      (image) => !image.pinned && ![image.id, ...(image.repoTags ?? []), ...(image.repoDigests ?? [])].some((name) => used.has(name)),
    );
    const ids = new Set(free.map(({ id = '' }) => id));
    for (const id of unusedSince.keys()) if (!ids.has(id)) unusedSince.delete(id);
    for (const id of ids) if (!unusedSince.has(id)) unusedSince.set(id, clock.now());
    return free.sort((a, b) => sinceOf(a) - sinceOf(b));
  }

  const sinceOf = ({ id = '' }: cri.Image) => unusedSince.get(id) ?? clock.now();

  async function remove(image: cri.Image, signal: AbortSignal): Promise<number> {
    const size = Number(image.size ?? 0);
    logger.info({ image: image.repoTags?.[0] ?? image.id, size }, 'Removing image to free bytes');
    await runtime.removeImage({ image: { image: image.id ?? '' } }, { signal });
    unusedSince.delete(image.id ?? '');
    return size;
  }

  async function removeOld(candidates: readonly cri.Image[], signal: AbortSignal): Promise<cri.Image[]> {
    const maxAgeMs = goDurationMs(config.imageMaximumGCAge);
    const left: cri.Image[] = [];
    for (const image of candidates) {
      if (maxAgeMs > 0 && clock.now() - sinceOf(image) > maxAgeMs) await remove(image, signal);
      else left.push(image);
    }
    return left;
  }

  return {
    async collect(signal) {
      const candidates = await removeOld(await unused(signal), signal);
      const { imageFilesystems = [] } = await runtime.imageFsInfo({}, { signal });
      const mountpoint = imageFilesystems[0]?.fsId?.mountpoint;
      if (!mountpoint) return;
      const disk = await statfs(mountpoint);
      const capacity = disk.blocks * disk.bsize;
      const usedBytes = capacity - disk.bavail * disk.bsize;
      if ((usedBytes / capacity) * 100 < config.imageGCHighThresholdPercent) return;
      const excess = Math.ceil(usedBytes - (capacity * config.imageGCLowThresholdPercent) / 100);
      const minimumAgeMs = goDurationMs(config.imageMinimumGCAge);
      let freed = 0;
      for (const image of candidates) {
        if (freed >= excess) break;
        if (clock.now() - sinceOf(image) >= minimumAgeMs) freed += await remove(image, signal);
      }
      if (freed >= excess) return;
      const message = `Failed to garbage collect required amount of images. Attempted to free ${excess} bytes, but only found ${freed} bytes eligible to free.`;
      events.node('Warning', 'FreeDiskSpaceFailed', message);
    },
    async removeUnused(signal) {
      for (const image of await unused(signal)) await remove(image, signal);
    },
  };
}
