/**
 * The end of a server, in upstream's order (k8s.io/apiserver's lifecycle signals): it is no longer ready; after a delay, in which
 * load balancers learn of that, it takes no new requests; what lives long ends; requests in flight finish.
 */
import type { Clock } from '../time/index.ts';
import type { RequestLifetime } from './request-lifetime.ts';

export interface ShutdownOptions {
  /** Still serving, but not ready, for so long (--shutdown-delay-duration). Default 0. */
  delaySeconds?: number;
  /** Keeps listening while requests in flight finish, and sends others away for a while (--shutdown-send-retry-after). Default false. */
  sendRetryAfter?: boolean;
  /**
   * What lives long is ended bit by bit over so long, so that clients do not all come to the other servers at once
   * (--shutdown-watch-termination-grace-period). Default 0: all at once.
   */
  watchGraceSeconds?: number;
}

/** However much time there is: clients of so many can come to the other servers at once. */
const leastPerSecond = 200;

const shuttingDown = new Error('the API server is shutting down');

export class Lifecycle {
  readonly #clock: Clock;
  readonly #options: ShutdownOptions;
  readonly #ending = new AbortController();
  /** Of requests that live long. */
  readonly #long = new Set<RequestLifetime>();
  #inFlight = 0;
  #drained = Promise.withResolvers<void>();
  #isShuttingDown = false;
  #isDelayOver = false;

  constructor(clock: Clock, options: ShutdownOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** Whether the end has begun: readyz fails from then on. */
  get isShuttingDown(): boolean {
    return this.#isShuttingDown;
  }

  /** Aborted when what lives long has to end. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** Whether new requests are sent away. */
  get sendsAway(): boolean {
    return this.#isDelayOver && this.#options.sendRetryAfter === true;
  }

  /** A request has come; `long`: it lives until its client or the server ends it. The result is called when it has been answered. */
  enter(lifetime: RequestLifetime, long: boolean): () => void {
    if (!long) {
      this.#inFlight++;
      return () => {
        if (--this.#inFlight === 0) this.#drained.resolve();
      };
    }
    if (this.#ending.signal.aborted) lifetime.end(shuttingDown);
    this.#long.add(lifetime);
    return () => void this.#long.delete(lifetime);
  }

  /** Ends what lives long at an even rate, but no slower than there is reason to. */
  async #endGradually(graceMs: number): Promise<void> {
    const lifetimes = [...this.#long];
    for (const lifetime of lifetimes) {
      // Whose client has gone meanwhile leaves more time to the others' servers.
      if (!this.#long.delete(lifetime)) continue;
      lifetime.end(shuttingDown);
      await this.#clock.sleep(Math.min(graceMs / lifetimes.length, 1000 / leastPerSecond));
    }
  }

  /** Resolves when no more requests are to be taken: the caller then closes its listeners. */
  async shutDown(drainMs: number): Promise<void> {
    if (this.#isShuttingDown) return;
    this.#isShuttingDown = true;
    const { delaySeconds = 0, sendRetryAfter = false } = this.#options;
    if (delaySeconds > 0) await this.#clock.sleep(delaySeconds * 1000);
    this.#isDelayOver = true;
    if (this.#options.watchGraceSeconds) await this.#endGradually(this.#options.watchGraceSeconds * 1000);
    this.#ending.abort(shuttingDown);
    for (const lifetime of this.#long) lifetime.end(shuttingDown);
    this.#long.clear();
    if (!sendRetryAfter || this.#inFlight === 0) return;
    this.#drained = Promise.withResolvers();
    const timer = this.#clock.setTimer(drainMs, () => this.#drained.resolve(), { background: true });
    await this.#drained.promise;
    timer.cancel();
  }
}
