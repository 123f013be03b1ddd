/** A pod as the runtime has it: what is, as opposed to what its spec wants. */
import type { cri, Runtime } from '../../runtime/index.ts';
import { RuntimeError } from '../../runtime/index.ts';
import {
  containerHashAnnotation,
  containerNameLabel,
  podNameLabel,
  podNamespaceLabel,
  podUidLabel,
  restartCountAnnotation,
} from '../containers/labels.ts';

export interface ObservedSandbox {
  id: string;
  attempt: number;
  ready: boolean;
  createdAtMs: number;
  ips: readonly string[];
  status: cri.PodSandboxStatus;
}

export interface ObservedContainer {
  id: string;
  name: string;
  sandboxId: string;
  restartCount: number;
  /** Of the spec that it was made from. */
  hash: string;
  state: 'created' | 'running' | 'exited' | 'unknown';
  createdAtMs: number;
  startedAtMs: number;
  finishedAtMs: number;
  exitCode: number;
  reason: string;
  message: string;
  /** Name of the image. */
  image: string;
  /** Digest of the image, or its id. */
  imageRef: string;
  status: cri.ContainerStatus;
}

export interface ObservedPod {
  uid: string;
  name: string;
  namespace: string;
  /** Newest first. */
  sandboxes: readonly ObservedSandbox[];
  /** Newest first. */
  containers: readonly ObservedContainer[];
}

const states: Record<string, ObservedContainer['state']> = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
};

const ms = (nanoseconds: number | undefined) => Math.floor(Number(nanoseconds ?? 0) / 1e6);

export function toObservedContainer(status: cri.ContainerStatus, sandboxId: string): ObservedContainer {
  return {
    id: status.id ?? '',
    name: status.metadata?.name || (status.labels?.[containerNameLabel] ?? ''),
    sandboxId,
    restartCount: Number(status.annotations?.[restartCountAnnotation] ?? status.metadata?.attempt ?? 0),
    hash: status.annotations?.[containerHashAnnotation] ?? '',
    state: states[status.state ?? ''] ?? 'unknown',
    createdAtMs: ms(status.createdAt),
    startedAtMs: ms(status.startedAt),
    finishedAtMs: ms(status.finishedAt),
    exitCode: status.exitCode ?? 0,
    reason: status.reason ?? '',
    message: status.message ?? '',
    image: status.image?.image ?? '',
    imageRef: status.imageRef ?? '',
    status,
  };
}

function toObservedSandbox(status: cri.PodSandboxStatus): ObservedSandbox {
  const ips = [status.network?.ip, ...(status.network?.additionalIps ?? []).map((a) => a.ip)].filter((ip) => ip !== undefined && ip !== '');
  return {
    id: status.id ?? '',
    attempt: status.metadata?.attempt ?? 0,
    ready: status.state === 'SANDBOX_READY',
    createdAtMs: ms(status.createdAt),
    ips: ips.filter((ip) => ip !== undefined),
    status,
  };
}

export function newestContainer(pod: ObservedPod | undefined, name: string): ObservedContainer | undefined {
  return pod?.containers.find((c) => c.name === name);
}

/** A container that never starts or ends again: its status can be remembered. */
const isFinal = (status: cri.ContainerStatus) => status.state === 'CONTAINER_EXITED';

export interface PodObserver {
  /** Asks the runtime. Undefined where it has nothing of this pod. */
  observe(uid: string, signal?: AbortSignal): Promise<ObservedPod | undefined>;
  /** All that the runtime has of pods, by uid; containers' details only for those that `observe` would need. */
  listPods(signal?: AbortSignal): Promise<Map<string, { uid: string; name: string; namespace: string }>>;
  /** Whose container or sandbox this is, as far as it has been seen. */
  podOf(id: string): string | undefined;
  /** Tells of a container or sandbox that was just made, before its first event. */
  learn(id: string, uid: string): void;
  forget(uid: string): void;
  /** The runtime says something else of a container now, even if it had ended. */
  changed(id: string): void;
  /** The runtime has removed a container or sandbox. */
  removed(id: string): void;
}

export function podObserver(runtime: Runtime): PodObserver {
  const owners = new Map<string, string>();
  const finished = new Map<string, cri.ContainerStatus>();
  let changes = 0;
  const learn = (id: string, uid: string) => void owners.set(id, uid);

  const absentIfGone = (error: unknown): undefined => {
    if (error instanceof RuntimeError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  };

  async function containerStatus(id: string, signal?: AbortSignal): Promise<cri.ContainerStatus | undefined> {
    const known = finished.get(id);
    if (known) return known;
    const before = changes;
    const { status } = await runtime
      .containerStatus({ containerId: id }, signal ? { signal } : {})
      .catch((e) => absentIfGone(e) ?? { status: undefined });
    if (status && isFinal(status) && changes === before) finished.set(id, status);
    return status;
  }

  return {
    learn,
    podOf: (id) => owners.get(id),
    forget(uid) {
      for (const [id, owner] of owners) {
        if (owner !== uid) continue;
        owners.delete(id);
        finished.delete(id);
      }
    },
    changed(id) {
      finished.delete(id);
      // Nor is what is being asked for now remembered.
      changes++;
    },
    removed(id) {
      owners.delete(id);
      finished.delete(id);
    },
    async observe(uid, signal) {
      const options = signal ? { signal } : {};
      const filter = { labelSelector: { [podUidLabel]: uid } };
      const [{ items = [] }, { containers = [] }] = await Promise.all([
        runtime.listPodSandbox({ filter }, options),
        runtime.listContainers({ filter }, options),
      ]);
      if (items.length === 0 && containers.length === 0) return undefined;
      for (const { id } of items) if (id) learn(id, uid);
      for (const { id } of containers) if (id) learn(id, uid);
      const [sandboxes, statuses] = await Promise.all([
        Promise.all(
          items.map(async ({ id }) => {
            const { status } = await runtime
              .podSandboxStatus({ podSandboxId: id ?? '' }, options)
              .catch((e) => absentIfGone(e) ?? { status: undefined });
            return status;
          }),
        ),
        Promise.all(
          containers.map(async (c) => {
            const status = await containerStatus(c.id ?? '', signal);
            return status ? toObservedContainer(status, c.podSandboxId ?? '') : undefined;
          }),
        ),
      ]);
      const labels = items[0]?.labels ?? containers[0]?.labels ?? {};
      return {
        uid,
        name: labels[podNameLabel] ?? '',
        namespace: labels[podNamespaceLabel] ?? '',
        sandboxes: sandboxes
          .filter((s) => s !== undefined)
          .map(toObservedSandbox)
          .sort((a, b) => b.createdAtMs - a.createdAtMs || b.attempt - a.attempt),
        containers: statuses
          .filter((c) => c !== undefined)
          .sort((a, b) => b.createdAtMs - a.createdAtMs || b.restartCount - a.restartCount),
      };
    },
    async listPods(signal) {
      const options = signal ? { signal } : {};
      const [{ items = [] }, { containers = [] }] = await Promise.all([
        runtime.listPodSandbox({}, options),
        runtime.listContainers({}, options),
      ]);
      const pods = new Map<string, { uid: string; name: string; namespace: string }>();
      for (const { id, labels } of [...items, ...containers]) {
        const uid = labels?.[podUidLabel];
        if (!uid || !id) continue;
        learn(id, uid);
        pods.set(uid, { uid, name: labels[podNameLabel] ?? '', namespace: labels[podNamespaceLabel] ?? '' });
      }
      return pods;
    },
  };
}
