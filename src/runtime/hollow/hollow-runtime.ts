/**
 * A container runtime that only pretends: sandboxes get addresses, containers start at once and run until they are stopped or
 * their exit plan says so, every image can be pulled. It costs a few objects a pod, so that thousands of nodes fit in a process.
 */
import type { Clock, Random, Timer } from '../../time/index.ts';
import { type cri, type Runtime, RuntimeError, type RuntimeEvent } from '../runtime.ts';
import { type AddressPool, addressPool } from './address-pool.ts';
import { eventFeed } from './event-feed.ts';
import { type ExitPlan, exitPlan } from './exit-plan.ts';
import { hollowImages } from './hollow-images.ts';

export interface HollowRuntimeOptions {
  clock: Clock;
  random: Random;
  /** Where pod addresses come from until `updateRuntimeConfig` names another range. */
  podCIDR?: string;
  /** How long a pull takes. */
  pullMs?: number;
  /** Which images exist; the others fail to pull with NOT_FOUND. Default: all. */
  imageExists?: (image: string) => boolean;
  /** Answers execSync (exec probes and hooks). Default: exit code by the same rules as a container's command, else 0. */
  exec?: (container: cri.ContainerStatus, command: readonly string[]) => { exitCode: number; stdout?: string; stderr?: string };
}

/** The runtime, and the strings a test or a simulation pulls. */
export interface HollowRuntime extends Runtime {
  /** Makes a running container exit. */
  exit(containerId: string, exitCode: number, reason?: string): void;
  /** What the `NetworkReady` condition says. */
  setNetworkReady(ready: boolean): void;
}

/** How a program ends that a signal ends: 128 and the signal's number. */
const terminated = 128 + 15;
const killed = 128 + 9;

interface Sandbox {
  status: cri.PodSandboxStatus;
  annotations: Record<string, string>;
}

interface Container {
  status: cri.ContainerStatus;
  sandboxId: string;
  plan: ExitPlan | undefined;
  timer?: Timer;
}

const subset = (wanted: Record<string, string> | undefined, labels: Record<string, string> | undefined) =>
  Object.entries(wanted ?? {}).every(([k, v]) => labels?.[k] === v);

export function hollowRuntime(options: HollowRuntimeOptions): HollowRuntime {
  const { clock, random } = options;
  const sandboxes = new Map<string, Sandbox>();
  const containers = new Map<string, Container>();
  const feed = eventFeed<RuntimeEvent>();
  const images = hollowImages(options);
  let pool: AddressPool = addressPool(options.podCIDR ?? '10.88.0.0/16');
  let networkReady = true;

  const nanos = () => clock.now() * 1e6;
  const newId = () =>
    Array.from({ length: 8 }, () =>
      Math.floor(random.next() * 2 ** 32)
        .toString(16)
        .padStart(8, '0'),
    ).join('');
  const emit = (type: RuntimeEvent['type'], containerId: string) => feed.push({ type, containerId });

  function sandboxOf(id = ''): Sandbox {
    const sandbox = sandboxes.get(id);
    if (!sandbox) throw new RuntimeError('NOT_FOUND', `an error occurred when try to find sandbox: not found`);
    return sandbox;
  }

  function containerOf(id = ''): Container {
    const container = containers.get(id);
    if (!container) throw new RuntimeError('NOT_FOUND', `an error occurred when try to find container ${JSON.stringify(id)}: not found`);
    return container;
  }

  function finish(container: Container, exitCode: number, reason: string): void {
    if (container.status.state === 'CONTAINER_EXITED') return;
    container.timer?.cancel();
    container.status = { ...container.status, state: 'CONTAINER_EXITED', finishedAt: nanos(), exitCode, reason };
    emit('stopped', container.status.id ?? '');
  }

  function release(sandbox: Sandbox): void {
    const ip = sandbox.status.network?.ip;
    if (ip) pool.release(ip);
  }

  const members = (sandboxId: string | undefined) => [...containers.values()].filter((c) => c.sandboxId === sandboxId);

  function removeOne(container: Container): void {
    finish(container, killed, 'Error');
    containers.delete(container.status.id ?? '');
    emit('deleted', container.status.id ?? '');
  }

  const unimplemented = (method: string) => async (): Promise<never> => {
    throw new RuntimeError('UNIMPLEMENTED', `${method} is not available in the hollow runtime`);
  };

  return {
    name: 'hollow',
    ...images,
    version: async () => ({ version: '0.1.0', runtimeName: 'hollow', runtimeVersion: '1.0.0', runtimeApiVersion: 'v1' }),
    status: async () => ({
      status: {
        conditions: [
          { type: 'RuntimeReady', status: true },
          networkReady
            ? { type: 'NetworkReady', status: true }
            : {
                type: 'NetworkReady',
                status: false,
                reason: 'NetworkPluginNotReady',
                message: 'Network plugin returns error: cni plugin not initialized',
              },
        ],
      },
      runtimeHandlers: [{ name: '', features: { recursiveReadOnlyMounts: true } }],
      features: { supplementalGroupsPolicy: true },
    }),
    async updateRuntimeConfig({ runtimeConfig }) {
      const podCidr = runtimeConfig?.networkConfig?.podCidr?.split(',').find((c) => !c.includes(':'));
      if (podCidr) pool = addressPool(podCidr);
      return {};
    },

    async runPodSandbox({ config = {}, runtimeHandler }) {
      const id = newId();
      const hostNetwork = config.linux?.securityContext?.namespaceOptions?.network === 'NODE';
      if (!hostNetwork && !networkReady) {
        throw new RuntimeError('UNKNOWN', `failed to setup network for sandbox ${JSON.stringify(id)}: cni plugin not initialized`);
      }
      const annotations = config.annotations ?? {};
      sandboxes.set(id, {
        annotations,
        status: {
          id,
          state: 'SANDBOX_READY',
          createdAt: nanos(),
          labels: config.labels ?? {},
          annotations,
          network: { ip: hostNetwork ? '' : pool.take() },
          ...(config.metadata ? { metadata: config.metadata } : {}),
          ...(runtimeHandler ? { runtimeHandler } : {}),
        },
      });
      emit('started', id);
      return { podSandboxId: id };
    },
    async stopPodSandbox({ podSandboxId }) {
      const sandbox = sandboxes.get(podSandboxId ?? '');
      if (!sandbox || sandbox.status.state === 'SANDBOX_NOTREADY') return {};
      for (const container of members(podSandboxId)) finish(container, killed, 'Error');
      release(sandbox);
      sandbox.status = { ...sandbox.status, state: 'SANDBOX_NOTREADY', network: { ip: '' } };
      emit('stopped', podSandboxId ?? '');
      return {};
    },
    async removePodSandbox({ podSandboxId }) {
      const sandbox = sandboxes.get(podSandboxId ?? '');
      if (!sandbox) return {};
      for (const container of members(podSandboxId)) removeOne(container);
      release(sandbox);
      sandboxes.delete(podSandboxId ?? '');
      emit('deleted', podSandboxId ?? '');
      return {};
    },
    podSandboxStatus: async ({ podSandboxId }) => ({ status: sandboxOf(podSandboxId).status }),
    listPodSandbox: async ({ filter }) => ({
      items: [...sandboxes.values()]
        .map((s) => s.status)
        .filter(
          (s) =>
            (!filter?.id || s.id === filter.id) &&
            (!filter?.state || s.state === filter.state.state) &&
            subset(filter?.labelSelector, s.labels),
        ),
    }),

    async createContainer({ podSandboxId, config = {} }) {
      const sandbox = sandboxOf(podSandboxId);
      const image = images.find(config.image?.image ?? '');
      if (!image) throw new RuntimeError('NOT_FOUND', `failed to resolve image ${JSON.stringify(config.image?.image)}: not found`);
      const id = newId();
      const plan = exitPlan(config.metadata?.name ?? '', [...(config.command ?? []), ...(config.args ?? [])], sandbox.annotations);
      containers.set(id, {
        sandboxId: podSandboxId ?? '',
        plan,
        status: {
          id,
          state: 'CONTAINER_CREATED',
          createdAt: nanos(),
          // As containerd: the name, not the id that the container was made from.
          image: { image: config.image?.userSpecifiedImage || (image.repoTags?.[0] ?? '') },
          imageRef: image.repoDigests?.[0] ?? '',
          imageId: image.id ?? '',
          labels: config.labels ?? {},
          annotations: config.annotations ?? {},
          mounts: config.mounts ?? [],
          ...(config.metadata ? { metadata: config.metadata } : {}),
          ...(config.logPath ? { logPath: config.logPath } : {}),
          ...(config.linux?.resources ? { resources: { linux: config.linux.resources } } : {}),
        },
      });
      emit('created', id);
      return { containerId: id };
    },
    async startContainer({ containerId }) {
      const container = containerOf(containerId);
      if (container.status.state !== 'CONTAINER_CREATED') {
        throw new RuntimeError('FAILED_PRECONDITION', `container ${JSON.stringify(containerId)} is in ${container.status.state} state`);
      }
      container.status = { ...container.status, state: 'CONTAINER_RUNNING', startedAt: nanos() };
      emit('started', containerId ?? '');
      const { plan } = container;
      if (plan) {
        const end = () => finish(container, plan.exitCode, plan.exitCode === 0 ? 'Completed' : 'Error');
        container.timer = clock.setTimer(plan.afterMs, end, { background: true });
      }
      return {};
    },
    async stopContainer({ containerId, timeout }) {
      const container = containers.get(containerId ?? '');
      // It ends on SIGTERM at once, as programs without a handler do: what was cut short has not succeeded, so that a Job whose pod
      // is evicted runs it again. Only without a grace period is it killed.
      if (container) finish(container, timeout === 0 ? killed : terminated, 'Error');
      return {};
    },
    async removeContainer({ containerId }) {
      const container = containers.get(containerId ?? '');
      if (container) removeOne(container);
      return {};
    },
    listContainers: async ({ filter }) => ({
      containers: [...containers.values()]
        .filter(
          ({ status, sandboxId }) =>
            (!filter?.id || status.id === filter.id) &&
            (!filter?.podSandboxId || sandboxId === filter.podSandboxId) &&
            (!filter?.state || status.state === filter.state.state) &&
            subset(filter?.labelSelector, status.labels),
        )
        .map(({ status, sandboxId }) => ({ ...status, podSandboxId: sandboxId })),
    }),
    containerStatus: async ({ containerId }) => ({ status: containerOf(containerId).status }),
    async updateContainerResources({ containerId, linux }) {
      const container = containerOf(containerId);
      if (linux) container.status = { ...container.status, resources: { linux: { ...container.status.resources?.linux, ...linux } } };
      return {};
    },
    reopenContainerLog: async () => ({}),

    async execSync({ containerId, cmd = [] }) {
      const { status } = containerOf(containerId);
      if (status.state !== 'CONTAINER_RUNNING') throw new RuntimeError('UNKNOWN', 'container is not running');
      const result = options.exec?.(status, cmd) ?? { exitCode: exitPlan('', cmd, {})?.exitCode ?? 0 };
      const encode = (text: string | undefined) => new TextEncoder().encode(text ?? '');
      return { exitCode: result.exitCode, stdout: encode(result.stdout), stderr: encode(result.stderr) };
    },
    exec: unimplemented('exec'),
    attach: unimplemented('attach'),
    portForward: unimplemented('port-forward'),

    containerStats: async ({ containerId }) => ({ stats: statsOf(containerOf(containerId).status, nanos()) }),
    listContainerStats: async ({ filter }) => ({
      stats: [...containers.values()]
        .filter(
          ({ status, sandboxId }) =>
            (!filter?.id || status.id === filter.id) && (!filter?.podSandboxId || sandboxId === filter.podSandboxId),
        )
        .filter(({ status }) => status.state === 'CONTAINER_RUNNING' && subset(filter?.labelSelector, status.labels))
        .map(({ status }) => statsOf(status, nanos())),
    }),
    podSandboxStats: async ({ podSandboxId }) => ({ stats: { attributes: attributesOf(sandboxOf(podSandboxId).status), linux: {} } }),
    listPodSandboxStats: async () => ({
      stats: [...sandboxes.values()].map(({ status }) => ({ attributes: attributesOf(status), linux: {} })),
    }),

    events: (signal) => feed.subscribe(signal),
    async close() {
      for (const container of containers.values()) container.timer?.cancel();
      feed.close();
    },
    exit: (containerId, exitCode, reason = exitCode === 0 ? 'Completed' : 'Error') => finish(containerOf(containerId), exitCode, reason),
    setNetworkReady(ready) {
      networkReady = ready;
    },
  };
}

function attributesOf({ id = '', metadata, labels = {}, annotations = {} }: cri.PodSandboxStatus): cri.PodSandboxAttributes {
  return { id, labels, annotations, ...(metadata ? { metadata } : {}) };
}

/** An idle container's usage. */
function statsOf(status: cri.ContainerStatus, timestamp: number): cri.ContainerStats {
  return {
    attributes: {
      id: status.id ?? '',
      labels: status.labels ?? {},
      annotations: {},
      ...(status.metadata ? { metadata: status.metadata } : {}),
    },
    cpu: { timestamp, usageCoreNanoSeconds: { value: 0 }, usageNanoCores: { value: 0 } },
    memory: { timestamp, workingSetBytes: { value: 0 }, usageBytes: { value: 0 } },
  };
}
