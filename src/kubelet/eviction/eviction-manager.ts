/** Watches memory and disk, and ends pods before the node runs out of memory. */
import { readFile, statfs } from 'node:fs/promises';
import { goDurationMs } from '../../api/index.ts';
import { podUidLabel } from '../containers/labels.ts';
import type { KubeletContext } from '../context.ts';
import type { Pressure } from '../node/conditions.ts';
import { memInfo } from '../node/machine.ts';
import { uidOf } from '../pod/identity.ts';
import type { PodWorker } from '../workers/pod-worker.ts';
import { evictionMessage, type Observations, pressureOf, rankForMemory, type Shortage, shortages } from './thresholds.ts';

export interface EvictionManager {
  pressure(): Pressure;
  run(signal: AbortSignal): Promise<void>;
}

interface Options {
  workers(): Iterable<PodWorker>;
  /** The node's conditions have changed. */
  onChange(): void;
  observe?: (context: KubeletContext) => Promise<Observations>;
}

const periodMs = 10_000;
const relaxed: Pressure = { memory: false, disk: false, pid: false };

async function observeMachine({ paths }: KubeletContext): Promise<Observations> {
  const [meminfo, disk] = await Promise.all([readFile('/proc/meminfo', 'utf8'), statfs(paths.root)]);
  return new Map([
    ['memory.available', { available: memInfo(meminfo, 'MemAvailable'), capacity: memInfo(meminfo, 'MemTotal') }],
    ['nodefs.available', { available: disk.bavail * disk.bsize, capacity: disk.blocks * disk.bsize }],
    ['nodefs.inodesFree', { available: disk.ffree, capacity: disk.files }],
  ]);
}

export function evictionManager(context: KubeletContext, { workers, onChange, observe = observeMachine }: Options): EvictionManager {
  const { clock, config, runtime, events, logger } = context;
  const transitionMs = goDurationMs(config.evictionPressureTransitionPeriod);
  const lastShort = new Map<keyof Pressure, number>();
  let current = relaxed;

  /** A condition holds on for a while after its cause is gone, so that it does not flap. */
  function hold(now: Pressure): Pressure {
    const held = (key: keyof Pressure) => {
      if (now[key]) lastShort.set(key, clock.now());
      const since = lastShort.get(key);
      return since !== undefined && (now[key] || clock.now() - since < transitionMs);
    };
    return { memory: held('memory'), disk: held('disk'), pid: held('pid') };
  }

  async function evictForMemory(shortage: Shortage): Promise<void> {
    const { stats = [] } = await runtime.listContainerStats({});
    const usage = new Map<string, number>();
    for (const { attributes, memory } of stats) {
      const uid = attributes?.labels?.[podUidLabel] ?? '';
      usage.set(uid, (usage.get(uid) ?? 0) + Number(memory?.workingSetBytes?.value ?? 0));
    }
    const running = [...workers()].filter((w) => w.state === 'syncing');
    const bytes = (uid: string) => usage.get(uid) ?? 0;
    const [victim] = rankForMemory(
      running.map((w) => w.pod),
      (pod) => bytes(uidOf(pod)),
    );
    const worker = victim && running.find((w) => w.pod === victim);
    if (!worker) return;
    const message = evictionMessage(victim, shortage, bytes(uidOf(victim)));
    events.node('Warning', 'EvictionThresholdMet', 'Attempting to reclaim memory');
    events.pod(victim, 'Warning', 'Evicted', message);
    worker.terminate({ graceSeconds: 0, verdict: { reason: 'Evicted', message } });
  }

  return {
    pressure: () => current,
    async run(signal) {
      while (!signal.aborted) {
        try {
          const list = shortages(config.evictionHard, await observe(context));
          const next = hold(pressureOf(list));
          const changed = (['memory', 'disk', 'pid'] as const).some((key) => next[key] !== current[key]);
          current = next;
          if (changed) onChange();
          const memory = list.find(({ signal: name }) => name === 'memory.available');
          if (memory) await evictForMemory(memory);
        } catch (error) {
          logger.warn({ err: error }, 'Eviction manager: failed to look at the machine');
        }
        await clock.sleep(periodMs, signal).catch(() => undefined);
      }
    },
  };
}
