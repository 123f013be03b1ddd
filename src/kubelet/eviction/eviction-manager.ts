/** Watches memory, disk and processes, and ends pods before the node runs out; ends those too that use more disk than they may. */
import { readFile, statfs } from 'node:fs/promises';
import { goDurationMs, type Pod } from '../../api/index.ts';
import { containerNameLabel, podUidLabel } from '../containers/labels.ts';
import type { KubeletContext } from '../context.ts';
import type { Pressure } from '../node/conditions.ts';
import { memInfo } from '../node/machine.ts';
import { isCriticalPod, uidOf } from '../pod/identity.ts';
import { containerBytes, storageUsage, totalBytes, writableLayers } from '../stats/storage-usage.ts';
import type { PodWorker } from '../workers/worker-contract.ts';
import { exceededStorage, hasStorageLimits } from './local-storage.ts';
import {
  evictionMessage,
  type Observations,
  type PodUsage,
  pressureOf,
  rankPods,
  resourceOf,
  type Shortage,
  shortages,
} from './thresholds.ts';

export interface EvictionManager {
  pressure(): Pressure;
  run(signal: AbortSignal): Promise<void>;
}

interface Options {
  workers(): Iterable<PodWorker>;
  /** The node's conditions have changed. */
  onChange(): void;
  /** Removes what nobody uses any more: dead containers, images. */
  reclaimDisk(signal: AbortSignal): Promise<void>;
  observe?: (context: KubeletContext) => Promise<Observations>;
}

/** Why a pod is evicted, and how. */
interface Cause {
  message: string;
  /** An eviction signal, or the name of the limit that the pod exceeds. */
  signal: string;
  graceSeconds: number;
  /** For the node's sake, rather than for what the pod did. */
  disrupts: boolean;
}

const periodMs = 10_000;
const relaxed: Pressure = { memory: false, disk: false, pid: false };

async function observeMachine({ paths }: KubeletContext): Promise<Observations> {
  const [meminfo, disk, threads, pidMax] = await Promise.all([
    readFile('/proc/meminfo', 'utf8'),
    statfs(paths.root),
    readFile('/proc/loadavg', 'utf8'),
    readFile('/proc/sys/kernel/pid_max', 'utf8'),
  ]);
  const space = { available: disk.bavail * disk.bsize, capacity: disk.blocks * disk.bsize };
  // `1/234`: threads that run, and that there are.
  const tasks = Number(/\/(\d+)/.exec(threads)?.[1] ?? 0);
  return new Map([
    ['memory.available', { available: memInfo(meminfo, 'MemAvailable'), capacity: memInfo(meminfo, 'MemTotal') }],
    ['nodefs.available', space],
    ['imagefs.available', space],
    ['nodefs.inodesFree', { available: disk.ffree, capacity: disk.files }],
    ['pid.available', { available: Number(pidMax) - tasks, capacity: Number(pidMax) }],
  ]);
}

export function evictionManager(
  context: KubeletContext,
  { workers, onChange, reclaimDisk, observe = observeMachine }: Options,
): EvictionManager {
  const { clock, config, runtime, events, logger, metrics, paths } = context;
  const transitionMs = goDurationMs(config.evictionPressureTransitionPeriod);
  const lastShort = new Map<keyof Pressure, number>();
  /** Since when soft thresholds have been crossed, by signal. */
  const softSince = new Map<string, number>();
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

  const running = () => [...workers()].filter((w) => w.state === 'syncing');

  /** Soft thresholds that have been crossed for longer than they may. */
  function overdue(soft: readonly Shortage[]): Shortage[] {
    for (const signal of softSince.keys()) if (!soft.some((s) => s.signal === signal)) softSince.delete(signal);
    return soft.filter(({ signal }) => {
      const since = softSince.get(signal) ?? clock.now();
      softSince.set(signal, since);
      return clock.now() - since >= goDurationMs(config.evictionSoftGracePeriod[signal] ?? '0s');
    });
  }

  function evict(worker: PodWorker, { message, signal, graceSeconds, disrupts }: Cause): void {
    metrics.evicted(signal);
    events.pod(worker.pod, 'Warning', 'Evicted', message);
    worker.terminate({ graceSeconds, verdict: { reason: 'Evicted', message }, disrupts });
  }

  /** What pods use of memory or disk, by uid. */
  async function usageOf(resource: string, candidates: readonly PodWorker[]): Promise<Map<string, PodUsage>> {
    const usage = new Map<string, PodUsage>();
    const sum = (parts: Iterable<number>) => [...parts].reduce((total, n) => total + n, 0);
    if (resource === 'ephemeral-storage') {
      const layers = await writableLayers(runtime);
      for (const { pod } of candidates) {
        const used = await storageUsage(pod, layers.get(uidOf(pod)), paths);
        usage.set(uidOf(pod), { bytes: totalBytes(pod, used), containers: containerBytes(used) });
      }
      return usage;
    }
    if (resource !== 'memory') return usage;
    const { stats = [] } = await runtime.listContainerStats({});
    for (const [uid, own] of Map.groupBy(stats, (s) => s.attributes?.labels?.[podUidLabel] ?? '')) {
      const containers = new Map(
        own.map((s) => [s.attributes?.labels?.[containerNameLabel] ?? '', Number(s.memory?.workingSetBytes?.value ?? 0)]),
      );
      usage.set(uid, { bytes: sum(containers.values()), containers });
    }
    return usage;
  }

  async function relieve(shortage: Shortage): Promise<void> {
    const resource = resourceOf(shortage.signal);
    events.node('Warning', 'EvictionThresholdMet', `Attempting to reclaim ${resource}`);
    const candidates = running();
    const usage = await usageOf(resource, candidates);
    const of = (pod: Pod) => usage.get(uidOf(pod)) ?? { bytes: 0, containers: new Map<string, number>() };
    const [victim] = rankPods(
      candidates.map((w) => w.pod),
      resource,
      (pod) => of(pod).bytes,
    );
    const worker = victim && candidates.find((w) => w.pod === victim);
    if (!worker) return;
    const graceSeconds = shortage.isSoft ? Math.min(config.evictionMaxPodGracePeriod, victim.spec.terminationGracePeriodSeconds ?? 30) : 0;
    evict(worker, { message: evictionMessage(victim, shortage, of(victim)), signal: shortage.signal, graceSeconds, disrupts: true });
  }

  async function enforceStorageLimits(): Promise<void> {
    const limited = running().filter(({ pod }) => hasStorageLimits(pod) && !isCriticalPod(pod));
    if (limited.length === 0) return;
    const layers = await writableLayers(runtime);
    for (const worker of limited) {
      const exceeded = exceededStorage(worker.pod, await storageUsage(worker.pod, layers.get(uidOf(worker.pod)), paths));
      if (exceeded) evict(worker, { message: exceeded.message, signal: exceeded.limit, graceSeconds: 0, disrupts: false });
    }
  }

  async function turn(signal: AbortSignal): Promise<void> {
    const look = async () => {
      const observed = await observe(context);
      const soft = shortages(config.evictionSoft, observed).map((shortage) => ({ ...shortage, isSoft: true }));
      return { hard: shortages(config.evictionHard, observed), soft };
    };
    const due = ({ hard, soft }: Awaited<ReturnType<typeof look>>) => [...hard, ...overdue(soft)];
    await enforceStorageLimits();
    const seen = await look();
    let list = due(seen);
    // A soft threshold shows at once, and acts later.
    const next = hold(pressureOf([...seen.hard, ...seen.soft]));
    const changed = (['memory', 'disk', 'pid'] as const).some((key) => next[key] !== current[key]);
    current = next;
    if (changed) onChange();
    if (list.some(({ signal: name }) => resourceOf(name) === 'ephemeral-storage' || resourceOf(name) === 'inodes')) {
      await reclaimDisk(signal);
      list = due(await look());
    }
    // Memory goes first: without it the node can't even reclaim the rest. One pod a turn, then another look.
    const [worst] = list.toSorted((a, b) => Number(b.signal === 'memory.available') - Number(a.signal === 'memory.available'));
    if (worst) await relieve(worst);
  }

  return {
    pressure: () => current,
    async run(signal) {
      while (!signal.aborted) {
        try {
          await turn(signal);
        } catch (error) {
          if (!signal.aborted) logger.warn({ err: error }, 'Eviction manager: failed to look at the machine');
        }
        await clock.sleep(periodMs, signal).catch(() => undefined);
      }
    },
  };
}
