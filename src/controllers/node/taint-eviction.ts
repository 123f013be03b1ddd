/** Pods leave a node whose NoExecute taints they do not tolerate, or no longer. */
import { deepEqual, isPodTerminal, Node, Pod, type Pod as PodType, type Taint, type Toleration, toleratesTaint } from '../../api/index.ts';
import { keyOf } from '../../client/index.ts';
import { defineController, deletePod, indexByNode, markDisrupted, podsOnNode, timeOf } from '../framework/index.ts';

/** How long, in seconds, a pod may stay with these taints: 0 for not at all, Infinity for ever. */
export function tolerationSeconds(taints: readonly Taint[], tolerations: readonly Toleration[]): number {
  if (taints.length === 0) return Number.POSITIVE_INFINITY;
  const used = new Set<Toleration>();
  for (const taint of taints) {
    const matching = tolerations.filter((toleration) => toleratesTaint(toleration, taint));
    if (matching.length === 0) return 0;
    for (const toleration of matching) used.add(toleration);
  }
  return Math.min(
    ...[...used].map((t) => (t.tolerationSeconds === undefined ? Number.POSITIVE_INFINITY : Math.max(0, Number(t.tolerationSeconds)))),
  );
}

const noExecute = (node: Node | undefined): Taint[] => (node?.spec.taints ?? []).filter((taint) => taint.effect === 'NoExecute');

export const taintEvictionController = defineController('taint-eviction-controller', ({ client, clock, informers, recorder }, queue) => {
  const nodes = informers.for(Node);
  const pods = informers.for(Pod);
  indexByNode(pods);
  const events = recorder('taint-eviction-controller');
  /** Since when a pod has lived with taints that it tolerates for a time. */
  const since = new Map<string, number>();

  const concern = (node: Node) => {
    for (const pod of podsOnNode(pods, node.metadata.name)) queue.add(keyOf(pod));
  };
  nodes.addHandler({
    add: (node) => {
      if (noExecute(node).length > 0) concern(node);
    },
    update: (node, previous) => {
      if (!deepEqual(noExecute(node), noExecute(previous))) concern(node);
    },
  });
  pods.addHandler({
    add: (pod) => {
      if (noExecute(nodes.lister.get(pod.spec.nodeName ?? '')).length > 0) queue.add(keyOf(pod));
    },
    update: (pod, previous) => {
      if (pod.spec.nodeName !== previous.spec.nodeName || pod.spec.tolerations !== previous.spec.tolerations)
        if (noExecute(nodes.lister.get(pod.spec.nodeName ?? '')).length > 0) queue.add(keyOf(pod));
    },
    delete: (pod) => void since.delete(pod.metadata.uid),
  });

  const evict = async (pod: PodType, signal: AbortSignal): Promise<void> => {
    const target = { reason: 'DeletionByTaintManager', message: 'Taint manager: deleting due to NoExecute taint' };
    events.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${keyOf(pod)}`);
    await markDisrupted(client, clock, pod, target, { failed: false, signal });
    await deletePod(client, pod, { signal });
  };

  return {
    informers: [nodes, pods],
    workers: 8,
    async reconcile(key, signal) {
      const pod = pods.lister.getByKey(key);
      if (!pod?.spec.nodeName || pod.metadata.deletionTimestamp || isPodTerminal(pod)) return;
      const { uid } = pod.metadata;
      const taints = noExecute(nodes.lister.get(pod.spec.nodeName));
      const seconds = tolerationSeconds(taints, pod.spec.tolerations ?? []);
      if (seconds === Number.POSITIVE_INFINITY) {
        if (since.delete(uid)) events.event(pod, 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${key}`);
        return;
      }
      let start = since.get(uid);
      if (start === undefined) {
        // What the taints say outlives a restart of this controller; a pod that came later has its time from then.
        const added = Math.max(...taints.map((taint) => timeOf(taint.timeAdded)).filter((at) => !Number.isNaN(at)));
        const now = clock.now();
        start = Math.min(now, Math.max(Number.isFinite(added) ? added : now, timeOf(pod.metadata.creationTimestamp)));
        if (seconds > 0) since.set(uid, start);
      }
      const left = start + seconds * 1000 - clock.now();
      if (left > 0) return { requeueAfterMs: left };
      await evict(pod, signal);
      since.delete(uid);
      return;
    },
  };
});
