/** What decides when a request may run: API priority and fairness, or the plain limits of requests in flight. */
import type { RequestContext } from '../exchange.ts';

/** A request that has been let in. */
export interface Admission {
  /** For the X-Kubernetes-PF-* headers. */
  readonly flowSchemaUid?: string;
  readonly priorityLevelUid?: string;
  /** Undefined: refused. */
  readonly release: (() => void) | undefined;
  /** Of who is refused: when to try again. Default 1. */
  readonly retryAfterSeconds?: number;
}

export interface RequestLimiter {
  /** Called for every request but those that live long; for watches until they have been initialized. */
  admit(context: RequestContext): Admission | Promise<Admission>;
}

/** Upstream's words for those who come back too soon. */
export const tooManyRequestsMessage = 'Too many requests, please try again later.';
