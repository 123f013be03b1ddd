/** Keeps what pods leave behind in bounds: dead containers, images, logs. */
import { goDurationMs, quantityValue } from '../../api/index.ts';
import type { KubeletContext } from '../context.ts';
import type { PodWorker } from '../workers/worker-contract.ts';
import { removeDeadContainers } from './dead-containers.ts';
import { imageCollector } from './image-collector.ts';
import { rotateLog } from './log-rotation.ts';

export interface GarbageCollector {
  run(signal: AbortSignal): Promise<void>;
  /** Removes all that nobody uses, now: the disk is short. */
  reclaimDisk(signal: AbortSignal): Promise<void>;
}

const containerPeriodMs = 60_000;
const imagePeriodMs = 300_000;

export function garbageCollector(context: KubeletContext, workers: () => Iterable<PodWorker>): GarbageCollector {
  const { clock, runtime, logger, config, hollow } = context;
  const images = imageCollector(context);

  async function every(periodMs: number, what: string, signal: AbortSignal, turn: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(periodMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      await turn().catch((error) => {
        if (!signal.aborted) logger.warn({ err: error }, what);
      });
    }
  }

  async function containers(signal: AbortSignal): Promise<void> {
    for (const { observed } of workers()) if (observed) await removeDeadContainers(context, observed, signal);
  }

  async function logs(signal: AbortSignal): Promise<void> {
    const limits = { maxBytes: quantityValue(config.containerLogMaxSize), maxFiles: config.containerLogMaxFiles };
    for (const { observed } of workers()) {
      for (const { state, id, status } of observed?.containers ?? []) {
        if (state !== 'running' || !status.logPath) continue;
        try {
          await rotateLog(status.logPath, limits, new Date(clock.now()), () => runtime.reopenContainerLog({ containerId: id }, { signal }));
        } catch (error) {
          signal.throwIfAborted();
          // One log's trouble (its container has just ended) is none of the others'.
          logger.warn({ err: error, path: status.logPath }, 'Failed to rotate log for container');
        }
      }
    }
  }

  return {
    async run(signal) {
      const tasks = [every(containerPeriodMs, 'Container garbage collection failed', signal, () => containers(signal))];
      if (!hollow)
        tasks.push(
          every(imagePeriodMs, 'Image garbage collection failed', signal, () => images.collect(signal)),
          every(goDurationMs(config.containerLogMonitorInterval), 'Log rotation failed', signal, () => logs(signal)),
        );
      await Promise.all(tasks);
    },
    async reclaimDisk(signal) {
      await containers(signal);
      await images.removeUnused(signal);
    },
  };
}
