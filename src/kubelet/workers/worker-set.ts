/** All pods of this node, a worker each: made when a pod comes, let go of when it is gone, with all that was kept for it. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { goDurationMs, type Node, type Pod, type ResourceList, RuntimeClass } from '../../api/index.ts';
import type { PodCgroups } from '../cgroups/pod-cgroups.ts';
import { hostResolver, type ResolverConfig } from '../containers/dns.ts';
import type { KubeletContext } from '../context.ts';
import { refusedUnderPressure } from '../eviction/thresholds.ts';
import type { Pressure } from '../node/conditions.ts';
import { admitPod, judgeResize } from '../pod/admission.ts';
import { configSource, isStaticPod, podKey, uidOf } from '../pod/identity.ts';
import { refusedSysctl } from '../pod/sysctls.ts';
import type { ObjectSource } from '../sources/object-source.ts';
import { podWorker } from './pod-worker.ts';
import type { PodWorker, PodWorkerDependencies } from './worker-contract.ts';

/** What workers know of their node. */
export interface NodeView {
  node(): Node | undefined;
  allocatable(): ResourceList;
  refresh(signal: AbortSignal): Promise<void>;
  pressure(): Pressure;
  networkNotReady(): string | undefined;
}

export interface WorkerSetOptions
  extends Pick<
    PodWorkerDependencies,
    'observer' | 'statuses' | 'probes' | 'volumes' | 'images' | 'restarts' | 'startContainer' | 'onStarted' | 'onSynced'
  > {
  context: KubeletContext;
  cgroups: PodCgroups;
  objects: ObjectSource;
  node: NodeView;
  /** The static pod of the same name that has waited until this one is gone. */
  successorOf(pod: Pod): Pod | undefined;
  /** By uid; the set adds and removes. */
  workers: Map<string, PodWorker>;
}

/** A pod that the runtime has something of. */
export interface KnownPod {
  uid: string;
  name: string;
  namespace: string;
}

export interface WorkerSet {
  /** A pod that this node should run, new or changed. `fresh`: the runtime has nothing of it. */
  dispatch(pod: Pod, fresh: boolean): void;
  /** Ends what the runtime has of pods that nobody wants any more. */
  removeOrphans(known: Iterable<KnownPod>): void;
  /** Removes directories of pods that are in neither the runtime nor the API: left by a kubelet that was killed. */
  removeStaleDirectories(): Promise<void>;
  /** Looks at every pod now and then: the safety net under events that were missed. */
  relist(): Promise<void>;
}

const simulatedResolver: ResolverConfig = { servers: [], searches: [], options: [] };

export function workerSet(options: WorkerSetOptions, signal: AbortSignal): WorkerSet {
  const { context, cgroups, objects, node, workers, observer, statuses, probes, volumes, images, restarts } = options;
  const { client, clock, config, hollow, logger, paths } = context;

  /** The other pods that this node has promised something. */
  const othersThan = (pod: Pod) =>
    [...workers.values()].filter((w) => w.state !== 'terminated' && uidOf(w.pod) !== uidOf(pod)).map((w) => w.pod);

  function forget(worker: PodWorker, uid: string): void {
    workers.delete(uid);
    probes.forgetPod(uid);
    statuses.forget(uid);
    images.forget(uid);
    restarts.forget(`${uid}/`);
    objects.unregister(uid);
    observer.forget(uid);
    const last = worker.pod;
    const successor = options.successorOf(last);
    if (successor && uidOf(successor) !== uid) dispatch(successor, true);
    if (!hollow)
      removeFiles(last).catch((error) => logger.error({ err: error, pod: podKey(last) }, 'could not remove what a pod left behind'));
  }

  async function removeFiles(pod: Pod): Promise<void> {
    await Promise.all([
      rm(paths.pod(uidOf(pod)), { recursive: true, force: true }),
      rm(paths.podLogs(pod), { recursive: true, force: true }),
    ]);
  }

  function add(pod: Pod, fresh: boolean): PodWorker {
    const worker: PodWorker = podWorker(
      {
        ...options,
        resolver: () => (hollow ? Promise.resolve(simulatedResolver) : hostResolver(config.resolvConf)),
        runtimeHandler: async (className) => (await client.get(RuntimeClass, className)).handler,
        admit(candidate) {
          const object = node.node();
          if (isStaticPod(candidate) || !object) return undefined;
          return (
            refusedUnderPressure(candidate, node.pressure()) ??
            refusedSysctl(candidate, config.allowedUnsafeSysctls) ??
            admitPod(candidate, othersThan(candidate), object, node.allocatable())
          );
        },
        refreshNode: (cancel) => node.refresh(cancel),
        admitResize: (candidate) => judgeResize(candidate, othersThan(candidate), node.allocatable()),
        onFreed() {
          for (const other of workers.values()) if (other.resizeDeferred) other.wake();
        },
        networkNotReady: () => node.networkNotReady(),
        onGone: (uid) => forget(worker, uid),
      },
      pod,
      { fresh },
      signal,
    );
    workers.set(uidOf(pod), worker);
    return worker;
  }

  function dispatch(pod: Pod, fresh: boolean): void {
    const present = workers.get(uidOf(pod));
    if (!hollow && !present?.pod.metadata.deletionTimestamp) objects.register(pod);
    // Two static pods of one name follow each other: the later waits until the earlier is gone.
    const predecessor = isStaticPod(pod) ? [...workers.values()].find((w) => podKey(w.pod) === podKey(pod)) : undefined;
    if (present) present.update(pod);
    else if (predecessor) predecessor.removed();
    else add(pod, fresh).update(pod);
  }

  return {
    dispatch,
    removeOrphans(known) {
      for (const { uid, name, namespace } of known) {
        if (workers.has(uid)) continue;
        logger.info({ uid, pod: `${namespace}/${name}` }, 'Removing a pod that is no longer wanted');
        const pod: Pod = {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name, namespace, uid, resourceVersion: '', creationTimestamp: '', annotations: { [configSource]: 'api' } },
          spec: { containers: [], terminationGracePeriodSeconds: 2 },
        };
        add(pod, false).removed();
      }
    },
    async removeStaleDirectories() {
      if (hollow) return;
      const uids = await readdir(paths.pods).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return [];
        throw error;
      });
      for (const uid of uids) {
        if (workers.has(uid)) continue;
        await volumes.remove(uid);
        await cgroups.remove(uid);
        await rm(join(paths.pods, uid), { recursive: true, force: true });
      }
    },
    async relist() {
      const periodMs = goDurationMs(config.syncFrequency);
      while (!signal.aborted) {
        await clock.sleep(periodMs, signal).catch(() => undefined);
        if (signal.aborted) return;
        for (const worker of workers.values()) if (worker.state !== 'terminated' || worker.pod.metadata.deletionTimestamp) worker.wake();
      }
    },
  };
}
