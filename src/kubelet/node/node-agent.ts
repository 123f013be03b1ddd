/** Registers the node, keeps its status and renews its lease. */
import { isDeepStrictEqual } from 'node:util';
import { goDurationMs, hasReason, Lease, Node, type NodeStatus, type ResourceList } from '../../api/index.ts';
import { createBackoff } from '../../client/index.ts';
import type { cri } from '../../runtime/index.ts';
import { microTimestamp, timestamp } from '../../time/index.ts';
import type { KubeletContext } from '../context.ts';
import { conditionEvents, nodeConditions, type Pressure, runtimeErrors } from './conditions.ts';
import { defaultLabels, initialNode, type NodeIdentity, nodeAllocatable, nodeCapacity, nodeImages, staticStatus } from './node-object.ts';

export interface NodeAgent {
  /** The node as the API has it, as far as is known. */
  node(): Node | undefined;
  allocatable(): ResourceList;
  /** Asks the API for the node now: what is known of it may be as old as the last report. */
  refresh(signal: AbortSignal): Promise<void>;
  /** Why pods with a network of their own cannot start; undefined: they can. */
  networkNotReady(): string | undefined;
  runtimeNotReady(): string | undefined;
  /** Something that the status tells of may have changed: look now rather than at the next turn. */
  touch(): void;
  /** Resolves when the node has been registered. */
  registered: Promise<void>;
  /** Until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

interface Options {
  context: KubeletContext;
  identity: NodeIdentity;
  pressure(): Pressure;
  /** Tells of its start and its first conditions: of thousands of simulated nodes nobody wants to know. */
  announces: boolean;
  /** The node was given its range of pod addresses. */
  onPodCIDR(cidr: string): Promise<void>;
}

const leaseNamespace = 'kube-node-lease';

export function nodeAgent({ context, identity, pressure, announces, onPodCIDR }: Options): NodeAgent {
  const { client, runtime, clock, random, logger, config, events, nodeName } = context;
  const capacity = nodeCapacity(identity.machine, config.maxPods);
  const allocatable = nodeAllocatable(capacity, config);
  const registered = Promise.withResolvers<void>();
  let node: Node | undefined;
  let version: cri.VersionResponse | undefined;
  let problems: { runtime: string | undefined; network: string | undefined } = {
    runtime: 'container runtime status check may not have completed yet',
    network: undefined,
  };
  let lastReportMs = Number.NEGATIVE_INFINITY;
  let podCIDR = '';
  let touched = false;
  let nudge = () => {};
  let lease: Lease | undefined;
  let unschedulable = false;

  const tell = (reasons: readonly string[]) => {
    for (const reason of reasons) events.node('Normal', reason, `Node ${nodeName} status is now: ${reason}`);
  };

  async function currentStatus(previous: NodeStatus | undefined): Promise<NodeStatus> {
    let status: cri.StatusResponse = {};
    let images: readonly cri.Image[] = [];
    try {
      version ??= await runtime.version({});
      const [answer, list] = await Promise.all([runtime.status({}), runtime.listImages({})]);
      status = answer;
      images = list.images ?? [];
      problems = runtimeErrors(status.status, undefined);
    } catch (error) {
      problems = runtimeErrors(undefined, error instanceof Error ? error.message : String(error));
    }
    const wrong = [problems.runtime, problems.network].filter((p) => p !== undefined);
    return {
      ...staticStatus(identity, version ?? { runtimeName: runtime.name, runtimeVersion: 'Unknown' }, status),
      conditions: nodeConditions(wrong, pressure(), previous?.conditions ?? [], timestamp(clock)),
      images: nodeImages(images, config.nodeStatusMaxImages),
    };
  }

  async function register(signal: AbortSignal): Promise<void> {
    const backoff = createBackoff(clock, random, { initialMs: 100, maxMs: 7000 });
    for (;;) {
      try {
        const status = await currentStatus(undefined);
        try {
          node = await client.create(Node, initialNode(identity, status), { signal });
          logger.info({ node: nodeName }, 'Successfully registered node');
          lastReportMs = clock.now();
          if (announces) tell(conditionEvents([], status.conditions ?? []));
        } catch (error) {
          if (!hasReason(error, 'AlreadyExists')) throw error;
          node = await reconcile(await client.get(Node, nodeName, { signal }), signal);
        }
        registered.resolve();
        return;
      } catch (error) {
        signal.throwIfAborted();
        logger.warn({ err: error }, 'Unable to register node with API server');
        await clock.sleep(backoff.next(), signal);
      }
    }
  }

  /** A node that is registered already: the labels that are ours are made right. */
  async function reconcile(existing: Node, signal: AbortSignal): Promise<Node> {
    const wanted = { ...defaultLabels(identity), ...identity.labels };
    const labels = Object.fromEntries(Object.entries(wanted).filter(([key, value]) => existing.metadata.labels?.[key] !== value));
    if (Object.keys(labels).length === 0) return existing;
    return client.patch(Node, nodeName, 'strategic', { metadata: { labels } }, { signal });
  }

  const withoutHeartbeats = (status: NodeStatus | undefined) => ({
    ...status,
    conditions: status?.conditions?.map(({ lastHeartbeatTime: _, ...rest }) => rest),
  });

  async function report(signal: AbortSignal): Promise<void> {
    const before = await client.get(Node, nodeName, { signal, resourceVersion: '0' }).catch((error) => {
      // Somebody deleted the node while the kubelet lives: it comes back.
      if (hasReason(error, 'NotFound')) return undefined;
      throw error;
    });
    if (!before) return register(signal);
    node = before;
    await takePodCIDR(before);
    const cordoned = before.spec.unschedulable ?? false;
    if (cordoned !== unschedulable) tell([cordoned ? 'NodeNotSchedulable' : 'NodeSchedulable']);
    unschedulable = cordoned;
    const status = await currentStatus(before.status);
    const merged: NodeStatus = { ...before.status, ...status, conditions: [...others(before), ...(status.conditions ?? [])] };
    const changed = !isDeepStrictEqual(sorted(withoutHeartbeats(merged)), sorted(withoutHeartbeats(before.status)));
    if (!changed && clock.now() - lastReportMs < goDurationMs(config.nodeStatusReportFrequency)) return;
    const patch = { status: { ...changes(before.status, status), conditions: status.conditions } };
    node = await client.patch(Node, nodeName, 'strategic', patch, { subresource: 'status', signal });
    lastReportMs = clock.now();
    tell(conditionEvents(before.status?.conditions ?? [], status.conditions ?? []));
  }

  async function takePodCIDR(current: Node): Promise<void> {
    const cidr = config.podCIDR || (current.spec.podCIDRs?.join(',') ?? current.spec.podCIDR ?? '');
    if (cidr === '' || cidr === podCIDR) return;
    podCIDR = cidr;
    await onPodCIDR(cidr);
  }

  async function renewLease(signal: AbortSignal): Promise<void> {
    const spec = { holderIdentity: nodeName, leaseDurationSeconds: config.nodeLeaseDurationSeconds, renewTime: microTimestamp(clock) };
    const owner = node && { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: node.metadata.uid ?? '' };
    if (lease) {
      try {
        lease = await client.update(Lease, { ...lease, spec: { ...lease.spec, ...spec } }, { namespace: leaseNamespace, signal });
        return;
      } catch (error) {
        if (!hasReason(error, 'Conflict') && !hasReason(error, 'NotFound')) throw error;
        lease = undefined;
      }
    }
    try {
      const existing = await client.get(Lease, nodeName, { namespace: leaseNamespace, signal });
      lease = await client.update(Lease, { ...existing, spec: { ...existing.spec, ...spec } }, { namespace: leaseNamespace, signal });
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw error;
      const draft = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: nodeName, namespace: leaseNamespace, ...(owner ? { ownerReferences: [owner] } : {}) },
        spec,
      };
      lease = await client.create(Lease, draft, { namespace: leaseNamespace, signal });
    }
  }

  /** Runs `turn` each period, sooner after a failure, until the signal is aborted. */
  async function every(
    periodMs: number,
    what: string,
    signal: AbortSignal,
    turn: () => Promise<void>,
    wait: (ms: number) => Promise<void>,
  ): Promise<void> {
    // As upstream's lease: 200 ms to 7 s. Who gets through first tells the informers.
    const backoff = createBackoff(clock, random, { initialMs: 200, maxMs: 7000, jitter: 0 });
    while (!signal.aborted) {
      let delayMs = periodMs;
      try {
        await turn();
        backoff.reset();
      } catch (error) {
        if (signal.aborted) return;
        delayMs = Math.min(periodMs, backoff.next());
        logger.warn({ err: error }, what);
      }
      await wait(delayMs).catch(() => undefined);
    }
  }

  /** Sleeps for a period, or until somebody says that the status may have changed. */
  async function untilNudged(ms: number, signal: AbortSignal): Promise<void> {
    const early = new AbortController();
    nudge = () => early.abort();
    if (!touched) await clock.sleep(ms, AbortSignal.any([signal, early.signal])).catch(() => undefined);
    touched = false;
  }

  return {
    node: () => node,
    allocatable: () => node?.status?.allocatable ?? allocatable,
    async refresh(signal) {
      node = await client.get(Node, nodeName, { signal });
    },
    networkNotReady: () => problems.network,
    runtimeNotReady: () => problems.runtime,
    touch() {
      touched = true;
      nudge();
    },
    registered: registered.promise,
    async run(signal) {
      if (announces) events.node('Normal', 'Starting', 'Starting kubelet.');
      if (!config.registerNode) {
        node = await client.get(Node, nodeName, { signal });
        registered.resolve();
      } else await register(signal);
      const updateMs = goDurationMs(config.nodeStatusUpdateFrequency);
      const looks = createBackoff(clock, random, { initialMs: 100, maxMs: updateMs });
      const renewMs = (config.nodeLeaseDurationSeconds * 1000) / 4;
      await Promise.all([
        every(
          updateMs,
          'Unable to update node status',
          signal,
          () => report(signal),
          // Its range of pod addresses comes soon after it has registered, if at all.
          (ms) => untilNudged(podCIDR === '' ? Math.min(ms, looks.next()) : ms, signal),
        ),
        every(
          renewMs,
          'Failed to update lease',
          signal,
          () => renewLease(signal),
          (ms) => clock.sleep(ms, signal),
        ),
      ]);
    },
  };

  /** Conditions that are not the kubelet's. */
  function others(current: Node) {
    const own = new Set(['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready']);
    return (current.status?.conditions ?? []).filter((c) => !own.has(c.type));
  }

  function changes(before: NodeStatus | undefined, next: NodeStatus): Partial<NodeStatus> {
    const entries = Object.entries(next).filter(
      ([key, value]) => key !== 'conditions' && !isDeepStrictEqual(before?.[key as keyof NodeStatus], value),
    );
    const patch: Record<string, unknown> = Object.fromEntries(entries);
    // Addresses merge by their type: say that these are all.
    if (Array.isArray(patch.addresses)) patch.addresses = [...patch.addresses, { $patch: 'replace' }];
    return patch;
  }
}

/** Conditions in order of type, so that two lists compare. */
function sorted<T extends { conditions?: { type: string }[] | undefined }>(status: T): T {
  return { ...status, conditions: [...(status.conditions ?? [])].sort((a, b) => (a.type < b.type ? -1 : 1)) };
}
