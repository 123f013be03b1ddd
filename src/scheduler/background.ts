import type { Logger } from 'pino';

/** Work that goes on beside the scheduling loop: bindings, status writes, deletions of victims. Its owner waits for it at the end. */
export class Background {
  readonly #tasks = new Set<Promise<void>>();
  readonly #signal: AbortSignal;
  readonly #logger: Logger | undefined;

  constructor(signal: AbortSignal, logger: Logger | undefined) {
    this.#signal = signal;
    this.#logger = logger;
  }

  get size(): number {
    return this.#tasks.size;
  }

  run(what: string, work: (signal: AbortSignal) => Promise<void>): void {
    const task: Promise<void> = work(this.#signal)
      .catch((error: unknown) => {
        if (!this.#signal.aborted) this.#logger?.error({ err: error }, what);
      })
      .finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  /** Resolves when fewer than `limit` tasks run. */
  async below(limit: number): Promise<void> {
    while (this.#tasks.size >= limit) await Promise.race(this.#tasks);
  }

  async finished(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }
}
