/**
 * V8 looks for garbage when much is allocated, so what a burst of work has left behind stays resident for as long as a process is idle
 * after it. A component that has come to rest collects it and gives the memory back, once for each time that it has grown.
 */
import type { Clock } from '../time/index.ts';

export interface RestOptions {
  clock: Clock;
  /** V8's own, which --expose-gc makes known. */
  collect: () => void;
  /** Processor time that the process has used so far, ms. */
  cpuMs: () => number;
  residentBytes: () => number;
}

const lookEveryMs = 10_000;
/** A process is at rest that uses less of a core. */
const restShare = 0.05;
/** Less than this is not worth a pause. */
const worthBytes = 12 * 2 ** 20;
/** Of a large process, a larger part: its collections take longer. */
const worthShare = 0.1;

/** Runs until the signal is aborted. */
export async function collectAtRest({ clock, collect, cpuMs, residentBytes }: RestOptions, signal: AbortSignal): Promise<void> {
  let collectedBytes = 0;
  for (;;) {
    const [beginMs, beginCpuMs] = [clock.monotonic(), cpuMs()];
    await clock.sleep(lookEveryMs, signal);
    const share = (cpuMs() - beginCpuMs) / (clock.monotonic() - beginMs);
    const resident = residentBytes();
    // Others give memory back, too.
    collectedBytes = Math.min(collectedBytes, resident);
    if (share > restShare || resident - collectedBytes < Math.max(worthBytes, worthShare * resident)) continue;
    collect();
    collectedBytes = residentBytes();
  }
}

/** The same for this process (only of last resort V8 gives back the pages that have become free); nothing where V8 has not been asked to offer it. */
export function collectThisProcessAtRest(clock: Clock, signal: AbortSignal): void {
  const { gc } = globalThis;
  if (gc === undefined) return;
  const cpuMs = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  collectAtRest(
    {
      clock,
      collect: () => gc({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
      cpuMs,
      residentBytes: () => process.memoryUsage.rss(),
    },
    signal,
  ).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
