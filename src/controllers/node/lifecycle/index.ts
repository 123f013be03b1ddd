/**
 * What nodes are fit for: one that has been silent too long is of unknown state, and its pods are not ready; conditions become
 * taints that keep pods away, and drive them off.
 */
import { isPodReady, isPodTerminal, Lease, Node, type Node as NodeType, Pod, type Taint } from '../../../api/index.ts';
import { timestamp } from '../../../time/index.ts';
import { defineController, indexByNode, podsOnNode } from '../../framework/index.ts';
import {
  evictionTaint,
  legacyLabels,
  nodeTaints,
  noExecuteTaint,
  type Readiness,
  readinessOf,
  readyCondition,
  silencedConditions,
} from './conditions.ts';
import { createZones, zoneOf } from './zones.ts';

const leaseNamespace = 'kube-node-lease';

/** What has been seen of a node. */
interface Health {
  /** When it last gave a sign of life. */
  seenMs: number;
  readiness: Readiness;
}

export const nodeLifecycleController = defineController(
  'node-lifecycle-controller',
  ({ client, clock, informers, recorder, config, metrics }, queue) => {
    const nodes = informers.for(Node);
    const pods = informers.for(Pod);
    const leases = informers.for(Lease, { namespace: leaseNamespace });
    indexByNode(pods);
    const events = recorder('node-controller');
    const healths = new Map<string, Health>();
    const told = (name: string, help: string) => metrics.gauge(`node_collector_${name}`, help, ['zone']);
    const size = told('zone_size', 'Gauge measuring number of registered Nodes per zones.');
    const unhealthy = told('unhealthy_nodes_in_zone', 'Gauge measuring number of not Ready Nodes per zones.');
    const health = told('zone_health', 'Gauge measuring percentage of healthy nodes per zone.');
    const evictions = metrics.counter(
      'node_collector_evictions_total',
      'Number of Node evictions that happened since current instance of NodeController started.',
      ['zone'],
    );
    const zones = createZones(clock, config, (report) => {
      const { zone } = report;
      size.set({ zone }, report.size);
      unhealthy.set({ zone }, report.unhealthy);
      health.set({ zone }, report.health);
    });
    const enqueueAll = (names: readonly string[]) => {
      for (const name of names) queue.add(name);
    };
    const note = (node: NodeType, reason: string, message: string) => {
      const { name, uid } = node.metadata;
      events.event({ apiVersion: 'v1', kind: 'Node', name, uid }, 'Normal', reason, `Node ${name} ${message}`);
    };

    nodes.addHandler({
      add(node) {
        const { name } = node.metadata;
        healths.set(name, { seenMs: clock.monotonic(), readiness: readinessOf(node) });
        note(node, 'RegisteredNode', `event: Registered Node ${name} in Controller`);
        enqueueAll(zones.observe(name, zoneOf(node), readinessOf(node) === 'True'));
        queue.add(name);
      },
      update(node, previous) {
        const { name } = node.metadata;
        const health = healths.get(name);
        const heartbeat = readyCondition(node)?.lastHeartbeatTime;
        if (health && heartbeat !== readyCondition(previous)?.lastHeartbeatTime) health.seenMs = clock.monotonic();
        enqueueAll(zones.observe(name, zoneOf(node), readinessOf(node) === 'True'));
        queue.add(name);
      },
      delete(node) {
        const { name } = node.metadata;
        healths.delete(name);
        note(node, 'RemovingNode', `event: Removing Node ${name} from Controller`);
        enqueueAll(zones.forget(name));
      },
    });
    // A renewed lease is a sign of life and no more: the node's own deadline finds it.
    const alive = ({ metadata }: Lease) => {
      const health = healths.get(metadata.name);
      if (health) health.seenMs = clock.monotonic();
    };
    leases.addHandler({
      add: alive,
      update: (lease, previous) => {
        if (lease.spec?.renewTime !== previous.spec?.renewTime) alive(lease);
      },
    });

    const markPodsNotReady = async (node: NodeType, signal: AbortSignal): Promise<void> => {
      const now = timestamp(clock);
      for (const pod of podsOnNode(pods, node.metadata.name)) {
        if (!isPodReady(pod) || isPodTerminal(pod)) continue;
        const { name, namespace, uid } = pod.metadata;
        const conditions = [{ type: 'Ready', status: 'False', lastTransitionTime: now }];
        const patch = { metadata: { uid }, status: { conditions } };
        await client.patch(Pod, name, 'strategic', patch, { namespace, subresource: 'status', signal }).catch((error: unknown) => {
          // The pod may be gone, and is looked at again when the node is.
          if (signal.aborted) throw error;
        });
        events.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
      }
    };

    /** Milliseconds until the node's silence is too long; 0 or less: it is. */
    const untilSilent = (node: NodeType, health: Health): number => {
      const grace = readyCondition(node) ? config.nodeMonitorGracePeriodMs : config.nodeStartupGracePeriodMs;
      return health.seenMs + grace - clock.monotonic();
    };

    const writeTaints = async (node: NodeType, eviction: 'now' | 'later' | 'never', signal: AbortSignal): Promise<void> => {
      if (!nodeTaints(node, eviction, '')) return;
      // Others set taints, too: decide by what is there now, and write only over that.
      const fresh = await client.get(Node, node.metadata.name, { signal });
      const taints = nodeTaints(fresh, eviction, timestamp(clock));
      if (!taints) return;
      const { resourceVersion, uid, name } = fresh.metadata;
      await client.patch(Node, name, 'merge', { metadata: { resourceVersion, uid }, spec: { taints } }, { signal });
      const evicted = (of: readonly Taint[] | undefined) =>
        of?.some((taint) => taint.effect === 'NoExecute' && taint.key === noExecuteTaint(node));
      if (evicted(taints) && !evicted(fresh.spec.taints)) evictions({ zone: zoneOf(node) });
    };

    return {
      informers: [nodes, pods, leases],
      workers: 8,
      async reconcile(name, signal) {
        const node = nodes.lister.get(name);
        const health = healths.get(name);
        if (!node || !health) return;
        const waits: number[] = [];
        const left = untilSilent(node, health);
        if (left > 0) waits.push(left);
        else {
          const conditions = silencedConditions(node, timestamp(clock));
          if (conditions) await client.updateStatus(Node, { ...node, status: { ...node.status, conditions } }, { signal });
          // Its own write comes back through the informer, and it is looked at again then.
          if (conditions) return;
        }
        const readiness = readinessOf(node);
        if (readiness !== 'True' && health.readiness === 'True') {
          note(node, 'NodeNotReady', 'status is now: NodeNotReady');
          await markPodsNotReady(node, signal);
        }
        health.readiness = readiness;
        const labels = legacyLabels(node);
        if (labels) await client.patch(Node, name, 'merge', { metadata: { labels } }, { signal });
        const wait = noExecuteTaint(node) && !evictionTaint(node) ? zones.admit(name) : 0;
        if (wait > 0 && Number.isFinite(wait)) waits.push(wait);
        await writeTaints(node, zones.allDown ? 'never' : wait === 0 ? 'now' : 'later', signal);
        return waits.length > 0 ? { requeueAfterMs: Math.min(...waits) } : {};
      },
    };
  },
);
