/** The kubelet's ear on the runtime: waits until it answers, then hears what happens to containers. */
import type { KubeletContext } from './context.ts';
import type { PodObserver } from './pod/observed-pod.ts';
import type { PodWorker } from './workers/worker-contract.ts';
import type { KnownPod } from './workers/worker-set.ts';

interface Options {
  context: Pick<KubeletContext, 'runtime' | 'clock' | 'logger'>;
  observer: PodObserver;
  workers: ReadonlyMap<string, PodWorker>;
  /** The runtime has gone, or come back: the node's status tells of it. */
  onChange(): void;
}

const retryMs = 1000;

/** Wakes the workers whose containers the runtime tells of; when the runtime goes away, looks at everything once it is back. */
export async function followRuntime({ context, observer, workers, onChange }: Options, signal: AbortSignal): Promise<void> {
  const { runtime, clock, logger } = context;
  while (!signal.aborted) {
    try {
      for await (const event of runtime.events(signal)) {
        // What starts, a worker has started.
        if (event.type === 'created' || event.type === 'started') continue;
        // It may have been seen ended, without a word of why.
        if (event.type === 'oom') observer.changed(event.containerId);
        const uid = observer.podOf(event.containerId);
        if (uid) workers.get(uid)?.wake();
        if (event.type === 'deleted') observer.removed(event.containerId);
      }
    } catch (error) {
      if (signal.aborted) return;
      logger.warn({ err: error }, 'the stream of runtime events ended');
    }
    onChange();
    await clock.sleep(retryMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    const isBack = await runtime.version({}).then(
      () => true,
      () => false,
    );
    if (!isBack) continue;
    // The node is Ready again, and says so at once.
    onChange();
    for (const worker of workers.values()) worker.wake();
  }
}

/** The pods that the runtime has something of, by uid, once it answers. `onDown` is told why it does not. */
export async function untilRuntimeAnswers(
  { context: { clock, logger }, observer }: Pick<Options, 'context' | 'observer'>,
  onDown: (problem: string) => void,
  signal: AbortSignal,
): Promise<Map<string, KnownPod>> {
  for (;;) {
    try {
      return await observer.listPods(signal);
    } catch (error) {
      signal.throwIfAborted();
      onDown(`container runtime is down: ${error instanceof Error ? error.message : String(error)}`);
      logger.warn({ err: error }, 'the container runtime does not answer yet');
      await clock.sleep(retryMs, signal);
    }
  }
}
