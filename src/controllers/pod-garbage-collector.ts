/** Pods that nobody else would remove: too many finished ones, those of nodes that are gone, those that end before they have a node. */
import { hasReason, isPodTerminal, Node, Pod, type Pod as PodType } from '../api/index.ts';
import { keyOf } from '../client/index.ts';
import { defineController, deletePod, indexByNode, isPodTerminating, markDisrupted, podsOnNode, timeOf } from './framework/index.ts';

/** Upstream's gcCheckPeriod: how long finished pods gather before they are counted. */
const countDelayMs = 20_000;
/** Upstream's quarantineTime: a node that is gone may come back under its name. */
const quarantineMs = 40_000;
const outOfServiceTaint = 'node.kubernetes.io/out-of-service';
const terminalIndex = 'terminal';

export const podGarbageCollector = defineController(
  'pod-garbage-collector-controller',
  ({ client, clock, informers, config, metrics }, queue) => {
    const pods = informers.for(Pod);
    const nodes = informers.for(Node);
    indexByNode(pods);
    const deleted = metrics.counter(
      'pod_gc_collector_force_delete_pods_total',
      'Number of pods that are being forcefully deleted since the Pod GC Controller started.',
      ['namespace', 'reason'],
    );
    const failed = metrics.counter(
      'pod_gc_collector_force_delete_pod_errors_total',
      'Number of errors encountered when forcefully deleting the pods since the Pod GC Controller started.',
      ['namespace', 'reason'],
    );
    pods.addIndex(terminalIndex, (pod) => (isPodTerminal(pod) ? ['yes'] : []));

    const look = (pod: PodType): void => {
      const { nodeName } = pod.spec;
      if (!nodeName) {
        if (pod.metadata.deletionTimestamp) queue.add(`pod ${keyOf(pod)}`);
      } else {
        const node = nodes.lister.get(nodeName);
        if (!node) queue.addAfter(`node ${nodeName}`, quarantineMs);
        else if (pod.metadata.deletionTimestamp && isOutOfService(node)) queue.add(`node ${nodeName}`);
      }
      if (isPodTerminal(pod) && config.terminatedPodGcThreshold > 0) queue.addAfter('terminated', countDelayMs);
    };
    pods.addHandler({ add: look, update: look });
    nodes.addHandler({
      add: (node) => isOutOfService(node) && queue.add(`node ${node.metadata.name}`),
      update: (node) => isOutOfService(node) && queue.add(`node ${node.metadata.name}`),
      delete: (node) => queue.addAfter(`node ${node.metadata.name}`, quarantineMs),
    });

    const end = async (pod: PodType, reason: string, message: string | undefined, signal: AbortSignal): Promise<void> => {
      const labels = { namespace: pod.metadata.namespace ?? '', reason };
      deleted(labels);
      const target = message ? { reason: 'DeletionByPodGC', message } : undefined;
      try {
        // What has finished was not disrupted.
        if (!isPodTerminal(pod)) await markDisrupted(client, clock, pod, target, { failed: true, signal });
        await deletePod(client, pod, { gracePeriodSeconds: 0, signal });
      } catch (error) {
        failed(labels);
        throw error;
      }
    };

    const collectFinished = async (signal: AbortSignal): Promise<void> => {
      const finished = pods.lister.byIndex(terminalIndex, 'yes').filter((pod) => !pod.metadata.deletionTimestamp);
      const surplus = finished.length - config.terminatedPodGcThreshold;
      if (surplus <= 0) return;
      const evictedFirst = (pod: PodType) => Number(!(pod.status?.phase === 'Failed' && pod.status.reason === 'Evicted'));
      const oldest = [...finished].sort(
        (a, b) =>
          evictedFirst(a) - evictedFirst(b) ||
          timeOf(a.metadata.creationTimestamp) - timeOf(b.metadata.creationTimestamp) ||
          (a.metadata.name < b.metadata.name ? -1 : 1),
      );
      for (const pod of oldest.slice(0, surplus)) await end(pod, 'terminated', undefined, signal);
    };

    const collectOnNode = async (name: string, signal: AbortSignal): Promise<void> => {
      const node = nodes.lister.get(name);
      const present = podsOnNode(pods, name);
      if (node) {
        if (!isOutOfService(node) || isReady(node)) return;
        for (const pod of present) if (isPodTerminating(pod)) await end(pod, 'out-of-service', undefined, signal);
        return;
      }
      if (present.length === 0) return;
      // The cache may be late.
      const exists = await client.get(Node, name, { signal }).then(
        () => true,
        (error: unknown) => {
          if (hasReason(error, 'NotFound')) return false;
          throw error;
        },
      );
      if (!exists) for (const pod of present) await end(pod, 'orphaned', 'PodGC: node no longer exists', signal);
    };

    return {
      informers: [pods, nodes],
      workers: 1,
      async reconcile(key, signal) {
        if (key === 'terminated') return collectFinished(signal);
        if (key.startsWith('node ')) return collectOnNode(key.slice(5), signal);
        const pod = pods.lister.getByKey(key.slice(4));
        if (pod?.metadata.deletionTimestamp && !pod.spec.nodeName) await end(pod, 'unscheduled', undefined, signal);
      },
    };
  },
);

const isOutOfService = ({ spec }: Node): boolean => spec.taints?.some((taint) => taint.key === outOfServiceTaint) ?? false;
const isReady = ({ status }: Node): boolean => status?.conditions?.find((c) => c.type === 'Ready')?.status === 'True';
