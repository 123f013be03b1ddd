/**
 * When a request is over: its client has gone, its time is up, or the server stops. Most requests are answered before anybody asks
 * for the signal, and an AbortSignal with its listeners costs as much as the rest of a GET; so it is made for who asks.
 */
export class RequestLifetime {
  #end: { reason: Error } | undefined;
  #controller: AbortController | undefined;
  #onEnd: ((reason: Error) => void) | undefined;

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Aborted with the reason of the end. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#end !== undefined) this.#controller.abort(this.#end.reason);
    }
    return this.#controller.signal;
  }

  /** The first reason holds. */
  end(reason: Error): void {
    if (this.#end !== undefined) return;
    this.#end = { reason };
    this.#onEnd?.(reason);
    this.#controller?.abort(reason);
  }

  /** Settles as `work`, or rejects with the reason of the end where that comes first. One at a time. */
  bound<T>(work: Promise<T>): Promise<T> {
    if (this.#end !== undefined) {
      // Nobody waits for it any more.
      work.catch(() => {});
      return Promise.reject(this.#end.reason);
    }
    return new Promise((resolve, reject) => {
      this.#onEnd = reject;
      work.then(
        (value) => {
          this.#onEnd = undefined;
          resolve(value);
        },
        (error: unknown) => {
          this.#onEnd = undefined;
          reject(error);
        },
      );
    });
  }
}
