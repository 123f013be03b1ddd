import type { PluginFactory } from '../framework/handle.ts';
import { maxNodeScore } from '../framework/plugin.ts';

const mebibyte = 1024 * 1024;
const minThreshold = 23 * mebibyte;
const maxThresholdPerImage = 1000 * mebibyte;

/** Prefers nodes that have the pod's images, as far as these are large; an image that few nodes have counts for less, lest they heat up. */
export const imageLocality: PluginFactory = (_args, { cache }) => ({
  name: 'ImageLocality',
  score(_state, { pod }, node) {
    if (node.images.size === 0) return 0;
    const images = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map(({ image }) => image ?? '');
    for (const { image } of pod.spec.volumes ?? []) if (image) images.push(image.reference ?? '');
    let sum = 0;
    for (const image of images) {
      const normal = normalized(image);
      const sizeBytes = node.images.get(normal);
      if (sizeBytes !== undefined) sum += Math.trunc((sizeBytes * cache.imageNodeCount(normal)) / cache.nodes.length);
    }
    const max = maxThresholdPerImage * images.length;
    const clamped = Math.max(minThreshold, Math.min(max, sum));
    return Math.trunc((maxNodeScore * (clamped - minThreshold)) / (max - minThreshold));
  },
});

/** With the tag that an image without one has. */
function normalized(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
}
