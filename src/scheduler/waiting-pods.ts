import type { Clock, Timer } from '../time/index.ts';
import { type Status, status } from './framework/status.ts';

interface Waiting {
  readonly plugins: Set<string>;
  readonly timers: Timer[];
  readonly settle: (answer: Status | undefined) => void;
}

/** Pods that Permit plugins hold back between the decision and the binding. */
export class WaitingPods {
  readonly #clock: Clock;
  readonly #pods = new Map<string, Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when all plugins allow the pod (undefined), or one rejects it or has let its time pass. */
  wait(uid: string, timeoutsMs: ReadonlyMap<string, number>): Promise<Status | undefined> {
    const { promise, resolve } = Promise.withResolvers<Status | undefined>();
    const settle = (answer: Status | undefined) => {
      for (const timer of waiting.timers) timer.cancel();
      this.#pods.delete(uid);
      resolve(answer);
    };
    const waiting: Waiting = { plugins: new Set(timeoutsMs.keys()), timers: [], settle };
    for (const [plugin, timeoutMs] of timeoutsMs) {
      const message = `rejected due to timeout after waiting ${timeoutMs / 1000}s at plugin ${plugin}`;
      waiting.timers.push(this.#clock.setTimer(timeoutMs, () => settle(status(plugin, 'Unschedulable', message))));
    }
    this.#pods.set(uid, waiting);
    return promise;
  }

  allow(uid: string, plugin: string): void {
    const waiting = this.#pods.get(uid);
    if (waiting?.plugins.delete(plugin) && waiting.plugins.size === 0) waiting.settle(undefined);
  }

  /** Answers whether the pod waited. */
  reject(uid: string, plugin: string, message: string): boolean {
    const waiting = this.#pods.get(uid);
    waiting?.settle(status(plugin, 'Unschedulable', message));
    return waiting !== undefined;
  }
}
