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

export function maxInFlight({ maxRequestsInFlight, maxMutatingRequestsInFlight }: InFlightLimits): RequestLimiter {
  const room = (limit: number) => {
    let left = limit;
    return {
      take(force: boolean): (() => void) | undefined {
        if (limit > 0 && left <= 0 && !force) return undefined;
        left--;
        return () => void left++;
      },
    };
  };
  const reads = room(maxRequestsInFlight);
  const writes = room(maxMutatingRequestsInFlight);
  return {
    admit({ info, user }) {
      // Those who could mend an overloaded server are never kept out.
      return { release: (reading.has(info.verb) ? reads : writes).take(user.groups.includes(privileged)) };
    },
  };
}
