/** The kubelet: makes the pods bound to its node run, and tells the API how they are. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { goDurationMs, Pod, RuntimeClass, Service } from '../api/index.ts';
import { createEventBroadcaster, createInformer } from '../client/index.ts';
import { noCgroups } from './cgroups/pod-cgroups.ts';
import { effectiveConfiguration, maxContainerRestartMs } from './config.ts';
import { hostResolver, type ResolverConfig } from './containers/dns.ts';
import type { KubeletContext } from './context.ts';
import { podEvents } from './events.ts';
import { type EvictionManager, evictionManager } from './eviction/eviction-manager.ts';
import { refusedUnderPressure } from './eviction/thresholds.ts';
import { garbageCollector } from './gc/garbage-collector.ts';
import { imagePuller } from './images/image-puller.ts';
import type { Kubelet, KubeletOptions } from './kubelet-options.ts';
import { kubeletMetrics } from './metrics.ts';
import { type NodeAgent, nodeAgent } from './node/node-agent.ts';
import { nodeAllocatable, nodeCapacity } from './node/node-object.ts';
import { admitPod, judgeResize } from './pod/admission.ts';
import { configSource, isMirrorPod, isStaticPod, podKey, uidOf } from './pod/identity.ts';
import { newestContainer, podObserver } from './pod/observed-pod.ts';
import { containerLogPath, kubeletPaths } from './pod/paths.ts';
import { refusedSysctl } from './pod/sysctls.ts';
import { probeManager } from './probes/probe-manager.ts';
import { mirrorPods } from './sources/mirror-pods.ts';
import { objectSource } from './sources/object-source.ts';
import { staticPods } from './sources/static-pods.ts';
import { nodeSummary } from './stats/summary.ts';
import { statusManager } from './status/status-manager.ts';
import { systemMounter } from './volumes/mounter.ts';
import { volumeManager } from './volumes/volume-manager.ts';
import { type PodWorker, podWorker } from './workers/pod-worker.ts';
import { backOff } from './workers/restart-back-off.ts';
import { containerStarter } from './workers/start-container.ts';

const hollowResolver: ResolverConfig = { servers: [], searches: [], options: [] };

export function createKubelet(options: KubeletOptions): Kubelet {
  const { client, runtime, clock, random, nodeName } = options;
  const logger = options.logger.child({ component: 'kubelet', node: nodeName });
  const config = effectiveConfiguration(options.config);
  const hollow = options.hollow ?? false;
  const paths = kubeletPaths(options.rootDir, config.podLogsDir);
  const broadcaster = createEventBroadcaster({ client, clock, random, logger });
  const events = podEvents(broadcaster.recorder('kubelet', nodeName), nodeName, (pod) => mirrors.get(podKey(pod))?.metadata.uid);
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
    nodeIPs: options.nodeIPs,
    hollow,
  };
  const workers = new Map<string, PodWorker>();
  /** Mirror pods by namespace and name. */
  const mirrors = new Map<string, Pod>();
  const statics = new Map<string, Pod>();
  const observer = podObserver(runtime);
  const cgroups = options.cgroups ?? noCgroups;
  const ran = new AbortController();
  let agent: NodeAgent | undefined;
  let evictions: EvictionManager | undefined;
  const metrics = kubeletMetrics(options.registry, nodeName, () => workers.values());
  const pressure = () => evictions?.pressure() ?? { memory: false, disk: false, pid: false };
  let health: string | undefined = 'the kubelet has not started';
  let parts: ReturnType<typeof assemble> | undefined;
  const registered = Promise.withResolvers<void>();

  const wake = (uid: string) => workers.get(uid)?.wake();
  const allocatable = () => agent?.allocatable() ?? nodeAllocatable(nodeCapacity(options.machine, config.maxPods), config);

  function assemble(signal: AbortSignal) {
    const ownServices = options.services ? undefined : createInformer({ client, clock, random, logger }, Service);
    const services = options.services ?? ownServices;
    const apiPods = createInformer({ client, clock, random, logger }, Pod, { fieldSelector: `spec.nodeName=${nodeName}` });
    const objects = objectSource({ client, clock, random, logger, signal, onChange: wake });
    const probes = probeManager(context, wake);
    const images = imagePuller({ ...context, secret: (namespace, name) => objects.secret(namespace, name, signal) });
    const volumes = volumeManager({ context, objects, mounter: options.mounter ?? systemMounter, allocatable });
    const apiPod = (pod: Pod) => {
      if (isStaticPod(pod)) return mirrors.get(podKey(pod));
      const found = apiPods.lister.get(pod.metadata.name ?? '', pod.metadata.namespace);
      return found && uidOf(found) === uidOf(pod) ? found : undefined;
    };
    const statuses = statusManager({ client, clock, random, logger, signal, apiPod });
    const restarts = backOff(clock, Math.min(10_000, maxContainerRestartMs(config)), maxContainerRestartMs(config));
    const listServices = () => services?.lister.list() ?? [];
    const startContainer = containerStarter({ context, objects, observer, services: listServices, allocatable, images });
    return { ownServices, services, apiPods, objects, probes, images, volumes, statuses, restarts, startContainer };
  }

  function newWorker(pod: Pod, fresh: boolean, signal: AbortSignal): PodWorker {
    if (!parts) throw new Error('the kubelet does not run');
    const { probes, statuses, volumes, images, restarts, startContainer, objects } = parts;
    const worker = podWorker(
      {
        context,
        observer,
        statuses,
        probes,
        volumes,
        images,
        cgroups,
        restarts,
        startContainer,
        resolver: () => (hollow ? Promise.resolve(hollowResolver) : hostResolver(config.resolvConf)),
        async runtimeHandler(className) {
          return (await client.get(RuntimeClass, className)).handler;
        },
        admit(candidate) {
          const others = [...workers.values()].filter(
            (w) => w.state !== 'terminated' && w.pod !== candidate && uidOf(w.pod) !== uidOf(candidate),
          );
          const node = agent?.node();
          if (isStaticPod(candidate) || !node) return undefined;
          const running = others.map((w) => w.pod);
          return (
            refusedUnderPressure(candidate, pressure()) ??
            refusedSysctl(candidate, config.allowedUnsafeSysctls) ??
            admitPod(candidate, running, node, allocatable())
          );
        },
        admitResize(candidate) {
          const others = [...workers.values()].filter((w) => w.state !== 'terminated' && uidOf(w.pod) !== uidOf(candidate));
          return judgeResize(
            candidate,
            others.map((w) => w.pod),
            allocatable(),
          );
        },
        onFreed() {
          for (const other of workers.values()) if (other.resizeDeferred) other.wake();
        },
        onStarted: (seconds) => metrics.podStarted(seconds),
        networkNotReady: () => agent?.networkNotReady(),
        onGone(uid) {
          workers.delete(uid);
          probes.forgetPod(uid);
          statuses.forget(uid);
          images.forget(uid);
          restarts.forget(`${uid}/`);
          objects.unregister(uid);
          observer.forget(uid);
          const last = worker.pod;
          // A static pod that was replaced under its name: the new one has waited for this.
          const successor = statics.get(podKey(last));
          if (successor && uidOf(successor) !== uid) dispatch(successor, signal);
          if (!hollow)
            removeFiles(last).catch((error) => logger.error({ err: error, pod: podKey(last) }, 'could not remove what a pod left behind'));
        },
      },
      pod,
      { fresh },
      signal,
    );
    workers.set(uidOf(pod), worker);
    return worker;
  }

  async function removeFiles(pod: Pod): Promise<void> {
    await Promise.all([
      rm(paths.pod(uidOf(pod)), { recursive: true, force: true }),
      rm(paths.podLogs(pod), { recursive: true, force: true }),
    ]);
  }

  /** A pod that this node should run, new or changed. */
  function dispatch(pod: Pod, signal: AbortSignal, fresh = true): void {
    const present = workers.get(uidOf(pod));
    if (!hollow && !present?.pod.metadata.deletionTimestamp) parts?.objects.register(pod);
    if (present) {
      present.update(pod);
      return;
    }
    // Two pods of one name follow each other: the later waits until the earlier is gone.
    const predecessor = [...workers.values()].find((w) => podKey(w.pod) === podKey(pod));
    if (predecessor && isStaticPod(pod)) {
      predecessor.removed();
      return;
    }
    const worker = newWorker(pod, fresh, signal);
    worker.update(pod);
  }

  function watchApi(signal: AbortSignal, known: ReadonlyMap<string, unknown>): void {
    if (!parts) return;
    const { apiPods, statuses } = parts;
    const seen = (pod: Pod) => {
      if (!isMirrorPod(pod)) {
        dispatch(pod, signal, !known.has(uidOf(pod)));
        statuses.apiChanged(uidOf(pod));
        return;
      }
      mirrors.set(podKey(pod), pod);
      const original = statics.get(podKey(pod));
      if (original) statuses.apiChanged(uidOf(original));
      if (!original || pod.metadata.deletionTimestamp) reconcileMirror(pod);
    };
    apiPods.addHandler({
      add: seen,
      update: seen,
      delete(pod) {
        if (isMirrorPod(pod)) {
          mirrors.delete(podKey(pod));
          const original = statics.get(podKey(pod));
          if (original)
            mirrorManager.ensure(original, undefined).catch((error) => logger.error({ err: error }, 'Failed creating a mirror pod'));
          return;
        }
        workers.get(uidOf(pod))?.removed();
      },
    });
  }

  const mirrorManager = mirrorPods(context, () => {
    const node = agent?.node();
    return node && { name: nodeName, uid: node.metadata.uid ?? '' };
  });

  let staticsRead = config.staticPodPath === '';
  function reconcileMirror(mirror: Pod): void {
    if (!staticsRead) return;
    const original = statics.get(podKey(mirror));
    const act = original ? mirrorManager.ensure(original, mirror) : mirrorManager.remove(mirror);
    act.catch((error) => logger.error({ err: error, pod: podKey(mirror) }, 'Failed to reconcile a mirror pod'));
  }

  async function watchStatic(signal: AbortSignal, known: ReadonlyMap<string, unknown>, onRead: () => void): Promise<void> {
    if (config.staticPodPath === '') return onRead();
    for await (const pods of staticPods({ path: config.staticPodPath, nodeName, clock, logger }, signal)) {
      const present = new Set(pods.map(uidOf));
      for (const [key, pod] of statics) {
        if (present.has(uidOf(pod))) continue;
        statics.delete(key);
        workers.get(uidOf(pod))?.removed();
      }
      for (const pod of pods) {
        if (uidOf(statics.get(podKey(pod)) ?? pod) === uidOf(pod) && workers.has(uidOf(pod))) continue;
        statics.set(podKey(pod), pod);
        dispatch(pod, signal, !known.has(uidOf(pod)));
        mirrorManager
          .ensure(pod, mirrors.get(podKey(pod)))
          .catch((error) => logger.error({ err: error, pod: podKey(pod) }, 'Failed creating a mirror pod'));
      }
      staticsRead = true;
      for (const mirror of [...mirrors.values()]) if (!statics.has(podKey(mirror))) reconcileMirror(mirror);
      onRead();
    }
  }

  /** What the runtime has of pods that nobody wants any more. */
  function removeOrphans(known: ReadonlyMap<string, { uid: string; name: string; namespace: string }>, signal: AbortSignal): void {
    for (const { uid, name, namespace } of known.values()) {
      if (workers.has(uid)) continue;
      logger.info({ uid, pod: `${namespace}/${name}` }, 'Removing a pod that is no longer wanted');
      const pod: Pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace, uid, resourceVersion: '', creationTimestamp: '', annotations: { [configSource]: 'api' } },
        spec: { containers: [], terminationGracePeriodSeconds: 2 },
      };
      newWorker(pod, false, signal).removed();
    }
  }

  /** Directories of pods that are in neither the runtime nor the API: left by a kubelet that was killed. */
  async function removeStaleDirectories(): Promise<void> {
    if (hollow || !parts) return;
    const uids = await readdir(paths.pods).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    for (const uid of uids) {
      if (workers.has(uid)) continue;
      await parts.volumes.remove(uid);
      await cgroups.remove(uid);
      await rm(join(paths.pods, uid), { recursive: true, force: true });
    }
  }

  /** Wakes the workers whose containers the runtime tells of; when the runtime goes away, looks at everything once it is back. */
  async function followRuntime(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const event of runtime.events(signal)) {
          // What starts, a worker has started.
          if (event.type === 'created' || event.type === 'started') continue;
          const uid = observer.podOf(event.containerId);
          if (uid) wake(uid);
          if (event.type === 'deleted') observer.removed(event.containerId);
        }
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ err: error }, 'the stream of runtime events ended');
      }
      agent?.touch();
      await clock.sleep(1000, signal).catch(() => undefined);
      if (signal.aborted) return;
      const back = await runtime.version({}).then(
        () => true,
        () => false,
      );
      if (!back) continue;
      // The node is Ready again, and says so at once.
      agent?.touch();
      for (const worker of workers.values()) worker.wake();
    }
  }

  /** The safety net under events that were missed. */
  async function relist(signal: AbortSignal): Promise<void> {
    const periodMs = goDurationMs(config.syncFrequency);
    while (!signal.aborted) {
      await clock.sleep(periodMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      for (const worker of workers.values()) if (worker.state !== 'terminated' || worker.pod.metadata.deletionTimestamp) worker.wake();
    }
  }

  async function untilRuntimeAnswers(signal: AbortSignal): Promise<Map<string, { uid: string; name: string; namespace: string }>> {
    for (;;) {
      try {
        return await observer.listPods(signal);
      } catch (error) {
        signal.throwIfAborted();
        health = `container runtime is down: ${error instanceof Error ? error.message : String(error)}`;
        logger.warn({ err: error }, 'the container runtime does not answer yet');
        await clock.sleep(1000, signal);
      }
    }
  }

  function statusOf(worker: PodWorker): Pod {
    const status = parts?.statuses.get(uidOf(worker.pod));
    return status ? { ...worker.pod, status: { ...worker.pod.status, ...status } } : worker.pod;
  }

  const workerOf = (namespace: string, name: string) =>
    [...workers.values()].findLast((w) => w.pod.metadata.namespace === namespace && w.pod.metadata.name === name);

  return {
    nodeName,
    config,
    hollow,
    registered: registered.promise,
    touch: () => agent?.touch(),
    async run(given) {
      const signal = AbortSignal.any([given, ran.signal]);
      parts = assemble(signal);
      const { apiPods, ownServices, services } = parts;
      const identity = {
        nodeName,
        hostname: context.hostname,
        nodeIPs: options.nodeIPs,
        labels: options.labels ?? {},
        taints: options.taints ?? [],
        machine: options.machine,
        config,
      };
      agent = nodeAgent({
        context,
        identity,
        pressure,
        async onPodCIDR(podCidr) {
          await runtime.updateRuntimeConfig({ runtimeConfig: { networkConfig: { podCidr } } });
          agent?.touch();
        },
      });
      agent.registered.then(() => registered.resolve(), registered.reject);
      if (!hollow) await mkdir(paths.pods, { recursive: true });
      const garbage = garbageCollector(context, () => workers.values());
      if (!hollow)
        evictions = evictionManager(context, {
          workers: () => workers.values(),
          onChange: () => agent?.touch(),
          reclaimDisk: (until) => garbage.reclaimDisk(until),
        });
      const tasks: Promise<unknown>[] = [agent.run(signal), apiPods.run(signal), followRuntime(signal)];
      if (ownServices) tasks.push(ownServices.run(signal));
      try {
        const known = await untilRuntimeAnswers(signal);
        await Promise.race([agent.registered, Promise.all(tasks)]);
        // Environments name services: without them no container can start.
        await services?.whenSynced(signal);
        health = undefined;
        watchApi(signal, known);
        const staticRead = Promise.withResolvers<void>();
        tasks.push(watchStatic(signal, known, staticRead.resolve));
        await Promise.race([Promise.all([apiPods.whenSynced(signal), staticRead.promise]), ...tasks]);
        if (!signal.aborted) {
          removeOrphans(known, signal);
          await removeStaleDirectories();
          tasks.push(relist(signal), evictions?.run(signal) ?? Promise.resolve(), garbage.run(signal));
        }
        await Promise.all(tasks);
      } catch (error) {
        if (!given.aborted) throw error;
      } finally {
        ran.abort();
        broadcaster.close();
        await Promise.allSettled(tasks);
      }
    },
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
      await parts?.statuses.idle();
      await broadcaster.flush();
    },
  };
}
