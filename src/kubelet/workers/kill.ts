/** Stopping containers: preStop hooks and signals within the grace period, sidecars after those that they serve. */
import type { Pod } from '../../api/index.ts';
import { runHook } from '../containers/hooks.ts';
import { terminationGracePeriodAnnotation } from '../containers/labels.ts';
import type { KubeletContext } from '../context.ts';
import { findContainer, isSidecar } from '../pod/containers.ts';
import { formatPod } from '../pod/identity.ts';
import type { ObservedContainer, ObservedPod } from '../pod/observed-pod.ts';

type Context = Pick<KubeletContext, 'runtime' | 'clock' | 'events' | 'hollow' | 'logger'>;

/** However short the grace, a container has this long between SIGTERM and SIGKILL. */
const minimumGraceSeconds = 2;
/** For the runtime to answer after the grace period. */
const runtimeSlackMs = 120_000;

export interface KillContainerOptions {
  graceSeconds: number;
  message?: string;
  podIP: string;
  signal: AbortSignal;
}

export async function killContainer(context: Context, pod: Pod, observed: ObservedContainer, options: KillContainerOptions): Promise<void> {
  const { runtime, clock, events, logger } = context;
  const { graceSeconds, signal, podIP } = options;
  events.pod(pod, 'Normal', 'Killing', options.message ?? `Stopping container ${observed.name}`, observed.name);
  const container = findContainer(pod, observed.name)?.container;
  const preStop = container?.lifecycle?.preStop;
  let left = graceSeconds;
  if (container && preStop && graceSeconds > 0 && observed.state === 'running') {
    const began = clock.monotonic();
    const enough = new AbortController();
    const timer = clock.setTimer(graceSeconds * 1000, () => enough.abort(), { background: true });
    try {
      await runHook(preStop, container, observed.id, podIP, context, AbortSignal.any([signal, enough.signal]));
    } catch (error) {
      signal.throwIfAborted();
      const about = { pod: formatPod(pod), container: observed.name };
      if (enough.signal.aborted) logger.info({ ...about, graceSeconds }, 'PreStop hook not completed in grace period');
      else {
        logger.warn({ ...about, err: error }, 'PreStop hook failed');
        // What the hook printed may be secret: events are for more eyes than logs.
        events.pod(pod, 'Warning', 'FailedPreStopHook', 'PreStopHook failed', observed.name);
      }
    } finally {
      timer.cancel();
    }
    left -= Math.ceil((clock.monotonic() - began) / 1000);
  }
  const timeout = Math.max(minimumGraceSeconds, left);
  await runtime.stopContainer({ containerId: observed.id, timeout }, { signal, timeoutMs: timeout * 1000 + runtimeSlackMs });
}

/** Stops all of a pod's containers and its sandboxes. */
export async function killPod(context: Context, pod: Pod, observed: ObservedPod, graceSeconds: number, signal: AbortSignal): Promise<void> {
  const { runtime, clock } = context;
  const began = clock.monotonic();
  const podIP = observed.sandboxes[0]?.ips[0] ?? '';
  const alive = observed.containers.filter((c) => c.state === 'running' || c.state === 'created');
  const order = (pod.spec.initContainers ?? []).filter(isSidecar).map((c) => c.name);
  const stop = (container: ObservedContainer) =>
    killContainer(context, pod, container, {
      graceSeconds: Math.max(0, graceSeconds - Math.floor((clock.monotonic() - began) / 1000)),
      podIP,
      signal,
    });
  await Promise.all(alive.filter((c) => !order.includes(c.name)).map(stop));
  for (const name of order.reverse()) for (const container of alive) if (container.name === name) await stop(container);
  await Promise.all(observed.sandboxes.filter((s) => s.ready).map(({ id }) => runtime.stopPodSandbox({ podSandboxId: id }, { signal })));
}

/** How long a pod has to end: what its deletion says, or its spec, or (for one that only the runtime knows) what its containers carry. */
export function gracePeriodOf(pod: Pod, observed?: ObservedPod): number {
  const carried = observed?.containers[0]?.status.annotations?.[terminationGracePeriodAnnotation];
  // Integers of 64 bits may be bigints.
  return Number(pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? carried ?? 30);
}
