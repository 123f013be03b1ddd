/** Where a node's pods come from: the API and a folder of static pods, which the API shows as mirror pods. */
import type { Node, Pod } from '../../api/index.ts';
import type { Informer } from '../../client/index.ts';
import type { KubeletContext } from '../context.ts';
import { isMirrorPod, podKey, uidOf } from '../pod/identity.ts';
import type { StatusManager } from '../status/status-manager.ts';
import type { PodWorker } from '../workers/worker-contract.ts';
import type { WorkerSet } from '../workers/worker-set.ts';
import { mirrorPods } from './mirror-pods.ts';
import { staticPods } from './static-pods.ts';

export interface PodSourcesOptions {
  context: KubeletContext;
  apiPods: Informer<Pod>;
  statuses: StatusManager;
  workers: ReadonlyMap<string, PodWorker>;
  dispatch: WorkerSet['dispatch'];
  node(): Node | undefined;
  /** By namespace and name; kept up to date by the sources. */
  mirrors: Map<string, Pod>;
  statics: Map<string, Pod>;
  /** What the runtime had when the kubelet started, by uid. */
  known: ReadonlyMap<string, unknown>;
}

export interface PodSources {
  /** Until the signal is aborted. */
  watchStatic(signal: AbortSignal): Promise<void>;
  /** Resolves when the folder has been read once. */
  readonly staticRead: Promise<void>;
}

/** Begins to hand on what the API says; static pods are read by `watchStatic`. */
export function podSources(options: PodSourcesOptions): PodSources {
  const { context, apiPods, statuses, workers, dispatch, node, mirrors, statics, known } = options;
  const { config, nodeName, clock, logger } = context;
  const isFresh = (pod: Pod) => !known.has(uidOf(pod));
  const mirrorManager = mirrorPods(context, () => {
    const object = node();
    return object && { name: nodeName, uid: object.metadata.uid ?? '' };
  });
  const staticRead = Promise.withResolvers<void>();
  let hasRead = config.staticPodPath === '';
  if (hasRead) staticRead.resolve();

  const failed = (pod: Pod, what: string) => (error: unknown) => logger.error({ err: error, pod: podKey(pod) }, what);
  const ensureMirror = (pod: Pod, mirror: Pod | undefined): void => {
    mirrorManager.ensure(pod, mirror).catch(failed(pod, 'Failed creating a mirror pod'));
  };

  function reconcileMirror(mirror: Pod): void {
    if (!hasRead) return;
    const original = statics.get(podKey(mirror));
    if (original) ensureMirror(original, mirror);
    else mirrorManager.remove(mirror).catch(failed(mirror, 'Failed to reconcile a mirror pod'));
  }

  const seen = (pod: Pod) => {
    if (!isMirrorPod(pod)) {
      dispatch(pod, isFresh(pod));
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
      if (!isMirrorPod(pod)) {
        workers.get(uidOf(pod))?.removed();
        return;
      }
      mirrors.delete(podKey(pod));
      const original = statics.get(podKey(pod));
      if (original) ensureMirror(original, undefined);
    },
  });

  return {
    staticRead: staticRead.promise,
    async watchStatic(signal) {
      if (config.staticPodPath === '') return;
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
          dispatch(pod, isFresh(pod));
          ensureMirror(pod, mirrors.get(podKey(pod)));
        }
        hasRead = true;
        for (const mirror of [...mirrors.values()]) if (!statics.has(podKey(mirror))) reconcileMirror(mirror);
        staticRead.resolve();
      }
    },
  };
}
