import type { Clock } from '../../time/index.ts';
import { type cri, type ImageService, RuntimeError } from '../runtime.ts';

/** The image half of the hollow runtime: what was pulled is present, what exists can be pulled. */
export interface HollowImages extends ImageService {
  find(reference: string): cri.Image | undefined;
}

interface Options {
  clock: Clock;
  pullMs?: number;
  imageExists?: (image: string) => boolean;
}

export function hollowImages({ clock, pullMs = 0, imageExists = () => true }: Options): HollowImages {
  const present = new Map<string, cri.Image>();
  const find = (reference: string) =>
    present.get(reference) ?? [...present.values()].find((i) => i.id === reference || i.repoDigests?.includes(reference));

  return {
    find,
    listImages: async ({ filter }) => {
      const wanted = filter?.image?.image;
      return { images: wanted ? [find(wanted)].filter((i) => i !== undefined) : [...new Set(present.values())] };
    },
    imageStatus: async ({ image }) => {
      const found = find(image?.image ?? '');
      return found ? { image: found } : {};
    },
    async pullImage({ image }, options) {
      const reference = image?.image ?? '';
      if (pullMs > 0) await clock.sleep(pullMs, options?.signal);
      if (!imageExists(reference)) {
        throw new RuntimeError(
          'NOT_FOUND',
          `failed to pull and unpack image ${JSON.stringify(reference)}: failed to resolve reference ${JSON.stringify(reference)}: ${reference}: not found`,
        );
      }
      const id = `sha256:${digestOf(reference)}`;
      present.set(reference, {
        id,
        repoTags: [reference],
        repoDigests: [`${reference.replace(/[:@][^/]*$/, '')}@${id}`],
        size: 1_000_000,
        spec: { image: reference },
      });
      return { imageRef: id };
    },
    async removeImage({ image }) {
      const found = find(image?.image ?? '');
      for (const [key, value] of present) if (value === found) present.delete(key);
      return {};
    },
    imageFsInfo: async () => {
      const usage = {
        timestamp: clock.now() * 1e6,
        fsId: { mountpoint: '/' },
        usedBytes: { value: present.size * 1_000_000 },
        inodesUsed: { value: 0 },
      };
      return { imageFilesystems: [usage], containerFilesystems: [usage] };
    },
  };
}

/** 64 hexadecimal digits that depend on nothing but the text (FNV-1a, eight times salted): an identity, not a checksum. */
function digestOf(text: string): string {
  let out = '';
  for (let salt = 0; salt < 8; salt++) {
    let hash = 0x811c9dc5 ^ salt;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    out += (hash >>> 0).toString(16).padStart(8, '0');
  }
  return out;
}
