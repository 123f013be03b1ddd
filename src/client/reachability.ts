/**
 * Whether a server answers, as all who ask it find together. After a failure each waits longer and longer by itself; when one of
 * them has got through, the others need not wait on: what a minute's outage would otherwise cost is up to a minute more.
 */
export interface Reachability {
  /** A request came back with no answer: refused, cut off, timed out. */
  lost(): void;
  /** The server has answered, whatever it said. */
  answered(): void;
  /** Calls the listener each time the server answers after having been lost, until the returned function is called. */
  onReturn(listener: () => void): () => void;
}

export function createReachability(): Reachability {
  const listeners = new Set<() => void>();
  let isLost = false;
  return {
    lost() {
      isLost = true;
    },
    answered() {
      if (!isLost) return;
      isLost = false;
      for (const listener of [...listeners]) listener();
    },
    onReturn(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
