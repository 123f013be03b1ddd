import { Node } from '../../api/index.ts';
import { defineController } from '../framework/index.ts';

const ttlAnnotation = 'node.alpha.kubernetes.io/ttl';

/** Upstream's steps: from how many nodes downwards the step is left, up to how many it holds, and the seconds that kubelets may cache for. */
const steps = [
  { min: 0, max: 100, ttlSeconds: 0 },
  { min: 90, max: 500, ttlSeconds: 15 },
  { min: 450, max: 1000, ttlSeconds: 30 },
  { min: 900, max: 2000, ttlSeconds: 60 },
  { min: 1800, max: 10_000, ttlSeconds: 300 },
];

/** Tells kubelets by an annotation how long they may cache secrets and config maps: longer in larger clusters. */
export const ttlController = defineController('ttl-controller', ({ client, informers }, queue) => {
  const nodes = informers.for(Node);
  let step = 0;
  const resize = (): boolean => {
    const before = step;
    while (step + 1 < steps.length && nodes.lister.size > (steps[step]?.max ?? 0)) step++;
    while (step > 0 && nodes.lister.size < (steps[step]?.min ?? 0)) step--;
    return step !== before;
  };
  const enqueue = (node: Node) => {
    if (resize()) for (const other of nodes.lister.list()) queue.add(other.metadata.name);
    else if (node.metadata.annotations?.[ttlAnnotation] !== wanted()) queue.add(node.metadata.name);
  };
  const wanted = () => String(steps[step]?.ttlSeconds ?? 0);
  nodes.addHandler({ add: enqueue, update: enqueue, delete: enqueue });
  return {
    informers: [nodes],
    async reconcile(name, signal) {
      const node = nodes.lister.get(name);
      if (!node || node.metadata.annotations?.[ttlAnnotation] === wanted()) return;
      await client.patch(Node, name, 'merge', { metadata: { annotations: { [ttlAnnotation]: wanted() } } }, { signal });
    },
  };
});
