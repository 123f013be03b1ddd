/** The kubelet: makes the pods bound to its node run, and tells the API how they are. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Pod, Service } from '../api/index.ts';
import { createEventBroadcaster, createInformer } from '../client/index.ts';
import { noCgroups } from './cgroups/pod-cgroups.ts';
import { effectiveConfiguration, maxContainerRestartMs } from './config.ts';
import type { KubeletContext } from './context.ts';
import { podEvents } from './events.ts';
import { evictionManager } from './eviction/eviction-manager.ts';
import { garbageCollector } from './gc/garbage-collector.ts';
import { imagePuller } from './images/image-puller.ts';
import type { Kubelet, KubeletOptions } from './kubelet-options.ts';
import { kubeletMetrics } from './metrics/kubelet-metrics.ts';
import { measuredRuntime } from './metrics/measured-runtime.ts';
import { type NodeAgent, nodeAgent } from './node/node-agent.ts';
import { nodeAllocatable, nodeCapacity } from './node/node-object.ts';
import { isStaticPod, podKey, uidOf } from './pod/identity.ts';
import { newestContainer, podObserver } from './pod/observed-pod.ts';
import { containerLogPath, kubeletPaths } from './pod/paths.ts';
import { probeManager } from './probes/probe-manager.ts';
import { followRuntime, untilRuntimeAnswers } from './runtime-watch.ts';
import { objectSource } from './sources/object-source.ts';
import { podSources } from './sources/pod-sources.ts';
import { nodeSummary } from './stats/summary.ts';
import { type StatusManager, statusManager } from './status/status-manager.ts';
import { systemMounter } from './volumes/mounter.ts';
import { volumeManager } from './volumes/volume-manager.ts';
import { backOff } from './workers/restart-back-off.ts';
import { containerStarter } from './workers/start-container.ts';
import type { PodWorker } from './workers/worker-contract.ts';
import { workerSet } from './workers/worker-set.ts';

export function createKubelet(options: KubeletOptions): Kubelet {
  const { client, clock, random, nodeName, registry } = options;
  const logger = options.logger.child({ component: 'kubelet', node: nodeName });
  const config = effectiveConfiguration(options.config);
  const hollow = options.hollow ?? false;
  // Simulated ones are too many to time.
  const runtime = registry && !hollow ? measuredRuntime(options.runtime, registry, () => clock.monotonic()) : options.runtime;
  const paths = kubeletPaths(options.rootDir, config.podLogsDir);
  const broadcaster = createEventBroadcaster({ client, clock, random, logger });
  /** Mirror pods and the static pods they show, by namespace and name. */
  const mirrors = new Map<string, Pod>();
  const statics = new Map<string, Pod>();
  const events = podEvents(broadcaster.recorder('kubelet', nodeName), nodeName, (pod) => mirrors.get(podKey(pod))?.metadata.uid);
  const workers = new Map<string, PodWorker>();
  const allWorkers = () => workers.values();
  const metrics = kubeletMetrics(registry, nodeName, allWorkers);
  const context: KubeletContext = {
    nodeName,
    hostname: options.hostname ?? nodeName,
    client,
    runtime,
    clock,
    random,
    logger,
    config,
    paths,
    machine: options.machine,
    events,
    metrics,
    nodeIPs: options.nodeIPs,
    hollow,
  };
  const observer = podObserver(runtime);
  const cgroups = options.cgroups ?? noCgroups;
  const garbage = garbageCollector(context, allWorkers);
  const evictions = evictionManager(context, { workers: allWorkers, onChange: touch, reclaimDisk: garbage.reclaimDisk });
  const registered = Promise.withResolvers<void>();
  const stop = new AbortController();
  let agent: NodeAgent | undefined;
  let statuses: StatusManager | undefined;
  let health: string | undefined = 'the kubelet has not started';

  function touch(): void {
    agent?.touch();
  }

  const node = {
    node: () => agent?.node(),
    allocatable: () => agent?.allocatable() ?? nodeAllocatable(nodeCapacity(options.machine, config.maxPods), config),
    refresh: async (signal: AbortSignal) => agent?.refresh(signal),
    pressure: () => evictions.pressure(),
    networkNotReady: () => agent?.networkNotReady(),
  };

  function register(): NodeAgent {
    const identity = {
      nodeName,
      hostname: context.hostname,
      nodeIPs: options.nodeIPs,
      labels: options.labels ?? {},
      taints: options.taints ?? [],
      machine: options.machine,
      config,
    };
    return nodeAgent({
      context,
      identity,
      pressure: node.pressure,
      announces: !hollow,
      async onPodCIDR(podCidr) {
        await runtime.updateRuntimeConfig({ runtimeConfig: { networkConfig: { podCidr } } });
        touch();
      },
    });
  }

  /** All that workers work with. */
  function assemble(signal: AbortSignal) {
    const dependencies = { client, clock, random, logger };
    const wake = (uid: string) => workers.get(uid)?.wake();
    const ownServices = options.services ? undefined : createInformer(dependencies, Service);
    const services = options.services ?? ownServices;
    const apiPods = createInformer(dependencies, Pod, { fieldSelector: `spec.nodeName=${nodeName}` });
    const objects = objectSource({ ...dependencies, signal, onChange: wake });
    const images = imagePuller({ ...context, secret: (namespace, name) => objects.secret(namespace, name, signal) });
    const apiPod = (pod: Pod) => {
      if (isStaticPod(pod)) return mirrors.get(podKey(pod));
      const found = apiPods.lister.get(pod.metadata.name ?? '', pod.metadata.namespace);
      return found && uidOf(found) === uidOf(pod) ? found : undefined;
    };
    const { allocatable } = node;
    const longestMs = maxContainerRestartMs(config);
    const ownStatuses = statusManager({ ...dependencies, signal, apiPod });
    const set = workerSet(
      {
        context,
        workers,
        observer,
        cgroups,
        objects,
        images,
        node,
        statuses: ownStatuses,
        probes: probeManager(context, wake),
        volumes: volumeManager({ context, objects, mounter: options.mounter ?? systemMounter, allocatable }),
        restarts: backOff(clock, Math.min(10_000, longestMs), longestMs),
        startContainer: containerStarter({
          context,
          objects,
          observer,
          images,
          allocatable,
          services: () => services?.lister.list() ?? [],
        }),
        successorOf: (pod) => statics.get(podKey(pod)),
        onStarted: (seconds) => metrics.podStarted(seconds),
        onSynced: (operation, seconds) => metrics.podSynced(operation, seconds),
      },
      signal,
    );
    return { ownServices, services, apiPods, statuses: ownStatuses, set };
  }

  async function run(given: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([given, stop.signal]);
    const { ownServices, services, apiPods, set, ...parts } = assemble(signal);
    statuses = parts.statuses;
    agent = register();
    agent.registered.then(() => registered.resolve(), registered.reject);
    if (!hollow) await mkdir(paths.pods, { recursive: true });
    const listening = { context, observer, workers, onChange: touch };
    const tasks: Promise<unknown>[] = [agent.run(signal), apiPods.run(signal), followRuntime(listening, signal)];
    if (ownServices) tasks.push(ownServices.run(signal));
    try {
      const known = await untilRuntimeAnswers(
        listening,
        (problem) => {
          health = problem;
        },
        signal,
      );
      await Promise.race([agent.registered, Promise.all(tasks)]);
      // Environments name services: without them no container can start.
      await services?.whenSynced(signal);
      health = undefined;
      const sources = podSources({
        context,
        apiPods,
        statuses,
        workers,
        dispatch: set.dispatch,
        node: node.node,
        mirrors,
        statics,
        known,
      });
      tasks.push(sources.watchStatic(signal));
      // What is not wanted is known only when all that is wanted is.
      await Promise.race([Promise.all([apiPods.whenSynced(signal), sources.staticRead]), Promise.all(tasks)]);
      if (!signal.aborted) {
        set.removeOrphans(known.values());
        await set.removeStaleDirectories();
        tasks.push(set.relist(), garbage.run(signal));
        if (!hollow) tasks.push(evictions.run(signal));
      }
      await Promise.all(tasks);
    } catch (error) {
      if (!given.aborted) throw error;
    } finally {
      stop.abort();
      broadcaster.close();
      await Promise.allSettled(tasks);
    }
  }

  function statusOf(worker: PodWorker): Pod {
    const status = statuses?.get(uidOf(worker.pod));
    return status ? { ...worker.pod, status: { ...worker.pod.status, ...status } } : worker.pod;
  }

  const workerOf = (namespace: string, name: string) =>
    [...workers.values()].findLast((w) => w.pod.metadata.namespace === namespace && w.pod.metadata.name === name);

  return {
    nodeName,
    config,
    hollow,
    registered: registered.promise,
    touch,
    run,
    pods: () => [...workers.values()].map(statusOf),
    pod(namespace, name) {
      const worker = workerOf(namespace, name);
      return worker && statusOf(worker);
    },
    async findContainer(namespace, name, container) {
      const worker = workerOf(namespace, name);
      if (!worker) return undefined;
      const { pod } = worker;
      const wanted =
        container || pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'] || (pod.spec.containers[0]?.name ?? '');
      const observed = await observer.observe(uidOf(pod));
      const found = newestContainer(observed, wanted);
      if (!found) return undefined;
      const log = (restartCount: number) => join(paths.podLogs(pod), containerLogPath(wanted, restartCount));
      return {
        pod: statusOf(worker),
        containerId: found.id,
        sandboxId: found.sandboxId,
        running: found.state === 'running',
        logPath: log(found.restartCount),
        previousLogPath: found.restartCount > 0 ? log(found.restartCount - 1) : undefined,
      };
    },
    async findSandbox(namespace, name) {
      const worker = workerOf(namespace, name);
      const observed = worker && (await observer.observe(uidOf(worker.pod)));
      return observed?.sandboxes.find((s) => s.ready)?.id;
    },
    summary: (wanted) => nodeSummary(context, [...workers.values()].map(statusOf), wanted),
    health: () => health ?? agent?.runtimeNotReady(),
    async idle() {
      for (const worker of workers.values()) await worker.idle();
      await statuses?.idle();
      await broadcaster.flush();
    },
  };
}
