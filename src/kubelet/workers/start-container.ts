/** Starting one container: image, environment, mounts, create, start, postStart. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ContainerStatus, Pod, PodStatus, ResourceList, Service } from '../../api/index.ts';
import type { cri } from '../../runtime/index.ts';
import { containerConfig } from '../containers/container-config.ts';
import { hostsFile, podHostname } from '../containers/dns.ts';
import { ContainerConfigError, containerEnvironment } from '../containers/environment.ts';
import { runHook } from '../containers/hooks.ts';
import { containerMounts } from '../containers/mounts.ts';
import type { KubeletContext } from '../context.ts';
import { ImageError, type ImagePuller } from '../images/image-puller.ts';
import { formatPod, isHostNetwork, uidOf } from '../pod/identity.ts';
import { newestContainer, type ObservedContainer, type ObservedPod, type PodObserver } from '../pod/observed-pod.ts';
import { containerLogPath } from '../pod/paths.ts';
import { removedForRestart } from '../pod/restart-all.ts';
import type { ObjectSource } from '../sources/object-source.ts';
import type { MountedVolume } from '../volumes/volume-manager.ts';
import type { Start } from './actions.ts';
import { killContainer } from './kill.ts';

/** Why a container did not start; `reason` is what it then waits with. */
export class StartError extends Error {
  readonly reason: string;
  /** When to try again, where that is known better than by the worker's own back-off. */
  readonly retryAtMs: number | undefined;
  constructor(reason: string, message: string, retryAtMs?: number) {
    super(message);
    this.reason = reason;
    this.retryAtMs = retryAtMs;
  }
}

export interface StartDependencies {
  context: KubeletContext;
  objects: ObjectSource;
  observer: PodObserver;
  services(): Iterable<Service>;
  allocatable(): ResourceList;
  images: ImagePuller;
}

export interface SandboxInUse {
  id: string;
  config: cri.PodSandboxConfig;
  ips: readonly string[];
}

export interface StartInput {
  pod: Pod;
  start: Start;
  /** Being made present. Rejects with ImageError. */
  image: Promise<cri.Image>;
  sandbox: SandboxInUse;
  volumes: ReadonlyMap<string, MountedVolume>;
  observed: ObservedPod | undefined;
  /** The last that was said of the pod: runs of which the runtime has nothing any more. */
  status: PodStatus | undefined;
  signal: AbortSignal;
}

/** Throws StartError. */
export type ContainerStarter = (input: StartInput) => Promise<void>;

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** How often a container has run before, of which the runtime has `last` and the API was told `known`. */
function runsBefore(last: ObservedContainer | undefined, known: ContainerStatus | undefined): number {
  if (last) return last.restartCount + 1;
  if (!known) return 0;
  const { containerID, lastState, restartCount } = known;
  // What was removed for all containers to start again was counted then.
  if (!containerID && lastState?.terminated?.reason === removedForRestart.reason) return restartCount;
  return containerID || lastState?.terminated ? restartCount + 1 : 0;
}

/** Writes the pod's /etc/hosts; where the container's first address is not known yet there is none to write. */
export async function writeHostsFile(context: KubeletContext, pod: Pod, ips: readonly string[]): Promise<boolean> {
  if (context.hollow || (ips.length === 0 && !isHostNetwork(pod))) return false;
  const path = context.paths.etcHosts(uidOf(pod));
  await mkdir(dirname(path), { recursive: true });
  const host = isHostNetwork(pod) ? await readFile('/etc/hosts', 'utf8') : undefined;
  await writeFile(path, hostsFile(pod, ips, podHostname(pod, context.hostname, context.config.clusterDomain), host), { mode: 0o644 });
  return true;
}

export function containerStarter({ context, objects, observer, services, allocatable, images }: StartDependencies): ContainerStarter {
  const { runtime, events, random, paths, logger, metrics } = context;

  return async ({ pod, start, image: pulled, sandbox, volumes, observed, status, signal }) => {
    const { container, sort } = start;
    const about = (type: 'Normal' | 'Warning', reason: string, message: string) => events.pod(pod, type, reason, message, container.name);
    const present = <T>(image: Promise<T>): Promise<T> =>
      image.catch((error) => {
        if (!(error instanceof ImageError)) throw error;
        about('Warning', 'Failed', `Error: ${error.reason}`);
        throw new StartError(error.reason, error.message, error.retryAtMs);
      });
    const image = await present(pulled);
    let imageVolumes = 0;
    for (const { name } of container.volumeMounts ?? []) {
      const { reference, pullPolicy } = volumes.get(name)?.image ?? {};
      if (!reference) continue;
      metrics.imageVolumes('requested', 1);
      imageVolumes++;
      await present(
        images.ensure(pod, { name: container.name, image: reference, ...(pullPolicy ? { imagePullPolicy: pullPolicy } : {}) }, signal),
      );
    }

    const last = newestContainer(observed, container.name);
    const said = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
    const restartCount = runsBefore(
      last,
      said.find((s) => s.name === container.name),
    );

    let config: cri.ContainerConfig;
    try {
      const sources = {
        configMap: (namespace: string, name: string) => objects.configMap(namespace, name, signal),
        secret: (namespace: string, name: string) => objects.secret(namespace, name, signal),
        services,
        node: { name: context.nodeName, ips: context.nodeIPs },
        allocatable: allocatable(),
      };
      const env = await containerEnvironment(pod, container, sandbox.ips, sources, (message) =>
        about('Warning', 'InvalidEnvironmentVariableNames', message),
      );
      const nonce = Math.floor(random.next() * 2 ** 32)
        .toString(16)
        .padStart(8, '0');
      const withHosts = sandbox.ips.length > 0 || isHostNetwork(pod);
      const mounts = await containerMounts({ pod, container, volumes, env, paths, hostsFile: withHosts, hollow: context.hollow, nonce });
      const target =
        sort === 'ephemeral' && 'targetContainerName' in container
          ? newestContainer(observed, container.targetContainerName ?? '')
          : undefined;
      config = containerConfig({
        pod,
        container,
        restartCount,
        image,
        env,
        mounts,
        context,
        ...(target ? { targetContainerId: target.id } : {}),
      });
      if (!context.hollow)
        await mkdir(join(paths.podLogs(pod), dirname(containerLogPath(container.name, restartCount))), { recursive: true });
    } catch (error) {
      signal.throwIfAborted();
      about('Warning', 'Failed', `Error: ${textOf(error)}`);
      throw new StartError(error instanceof ContainerConfigError ? 'CreateContainerConfigError' : 'CreateContainerError', textOf(error));
    }

    let containerId: string;
    try {
      containerId =
        (await runtime.createContainer({ podSandboxId: sandbox.id, config, sandboxConfig: sandbox.config }, { signal })).containerId ?? '';
    } catch (error) {
      signal.throwIfAborted();
      about('Warning', 'Failed', `Error: ${textOf(error)}`);
      metrics.imageVolumes('failed', imageVolumes);
      throw new StartError('CreateContainerError', textOf(error));
    }
    metrics.imageVolumes('mounted', imageVolumes);
    observer.learn(containerId, uidOf(pod));
    about('Normal', 'Created', 'Container created');

    try {
      await runtime.startContainer({ containerId }, { signal });
    } catch (error) {
      signal.throwIfAborted();
      about('Warning', 'Failed', `Error: ${textOf(error)}`);
      throw new StartError('RunContainerError', textOf(error));
    }
    about('Normal', 'Started', 'Container started');

    const postStart = container.lifecycle?.postStart;
    if (!postStart) return;
    try {
      await runHook(postStart, container, containerId, sandbox.ips[0] ?? '', context, signal);
    } catch (error) {
      signal.throwIfAborted();
      // What the hook printed may be secret: events are for more eyes than logs.
      about('Warning', 'FailedPostStartHook', 'PostStartHook failed');
      logger.warn({ err: error, pod: formatPod(pod), container: container.name }, 'Failed to execute PostStartHook');
      const { containers = [] } = (await observer.observe(uidOf(pod), signal)) ?? {};
      const running = containers.find((c) => c.id === containerId);
      if (running) {
        const graceSeconds = Number(pod.spec.terminationGracePeriodSeconds ?? 30);
        const options = { graceSeconds, message: 'FailedPostStartHook', podIP: sandbox.ips[0] ?? '', signal };
        await killContainer(context, pod, running, options);
      }
      throw new StartError('PostStartHookError', textOf(error));
    }
  };
}
