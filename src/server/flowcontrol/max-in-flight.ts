/** --enable-priority-and-fairness=false: so many requests at once and no more (k8s.io/apiserver's WithMaxInFlightLimit). */
import type { RequestLimiter } from './limiter.ts';

const reading = new Set(['get', 'list', 'watch']);
const privileged = 'system:masters';

export interface InFlightLimits {
  /** --max-requests-inflight; 0: none. */
  maxRequestsInFlight: number;
  /** --max-mutating-requests-inflight; 0: none. */
  maxMutatingRequestsInFlight: number;
}

const unlimited = () => {};

export function maxInFlight({ maxRequestsInFlight, maxMutatingRequestsInFlight }: InFlightLimits): RequestLimiter {
  const room = (limit: number) => {
    let left = limit;
    return (): (() => void) | undefined => {
      if (limit <= 0) return unlimited;
      if (left <= 0) return undefined;
      left--;
      return () => void left++;
    };
  };
  const read = room(maxRequestsInFlight);
  const write = room(maxMutatingRequestsInFlight);
  return {
    admit({ info, user }) {
      // What lives long is not in flight.
      if (info.verb === 'watch') return { release: unlimited };
      const release = (reading.has(info.verb) ? read : write)();
      // Those who could mend an overloaded server are never kept out.
      return { release: release ?? (user.groups.includes(privileged) ? unlimited : undefined) };
    },
  };
}
