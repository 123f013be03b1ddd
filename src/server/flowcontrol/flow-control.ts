/** Flow control as the server's flags say: API priority and fairness, the plain limits in flight, or none. */
import type { RequestLimiter } from './limiter.ts';
import { type InFlightLimits, maxInFlight } from './max-in-flight.ts';
import { createPriorityAndFairness, type PriorityAndFairness, type PriorityAndFairnessOptions } from './priority-and-fairness.ts';

export interface FlowControlOptions extends Partial<InFlightLimits> {
  /** --enable-priority-and-fairness. Default true. */
  priorityAndFairness?: boolean;
  /** Shows queues and who waits in them below /debug/api_priority_and_fairness (--profiling). Default false. */
  dumps?: boolean;
}

const defaults: InFlightLimits = { maxRequestsInFlight: 400, maxMutatingRequestsInFlight: 200 };

export interface FlowControl {
  limiter: RequestLimiter;
  /** Undefined where only requests in flight are counted. */
  fairness: PriorityAndFairness | undefined;
}

export function createFlowControl(options: FlowControlOptions, given: Omit<PriorityAndFairnessOptions, 'totalSeats'>): FlowControl {
  const limits = { ...defaults, ...options };
  const totalSeats = limits.maxRequestsInFlight + limits.maxMutatingRequestsInFlight;
  // As upstream: without any limit there is nothing to be fair about.
  if (options.priorityAndFairness === false || totalSeats <= 0) return { limiter: maxInFlight(limits), fairness: undefined };
  const fairness = createPriorityAndFairness({ ...given, totalSeats });
  return { limiter: fairness, fairness };
}
