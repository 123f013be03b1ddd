import { errors } from '../../api/index.ts';
import type { Clock } from '../../time/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import { type Admission, type RequestLimiter, tooManyRequestsMessage } from '../flowcontrol/index.ts';

/**
 * Runs a request when the limiter lets it, and tells the limiter when it is done; a watch is done for it when it has been
 * initialized. Requests that live long otherwise (logs, exec, proxies) pass it by.
 */
export async function inTurn(
  context: RequestContext,
  limiter: RequestLimiter,
  long: boolean,
  clock: Clock,
  proceed: (context: RequestContext) => Promise<Answer>,
): Promise<Answer> {
  const isWatch = context.info.verb === 'watch';
  if (long && !isWatch) return proceed(context);
  const given = limiter.admit(context);
  let admission: Admission;
  if (given instanceof Promise) {
    const startedMs = clock.monotonic();
    admission = await given;
    context.latencies?.add('apf-queue-wait', clock.monotonic() - startedMs);
  } else admission = given;
  context.admission = admission;
  const { release } = admission;
  if (release === undefined) return refusal(context, admission.retryAfterSeconds ?? 1);
  let isInitializing = false;
  try {
    if (isWatch) context.initialized = release;
    const answer = await proceed(context);
    isInitializing = answer.type === 'watch';
    // Who leaves before then needs its seats no longer.
    if (isInitializing) context.signal.addEventListener('abort', release, { once: true });
    return answer;
  } finally {
    if (!isInitializing) release();
  }
}

/** In process as the Status that upstream's clients make of the plain text that upstream sends. */
function refusal(context: RequestContext, retryAfterSeconds: number): Answer {
  if (context.local) throw errors.tooManyRequests(tooManyRequestsMessage, retryAfterSeconds);
  return {
    type: 'raw',
    status: 429,
    contentType: 'text/plain; charset=utf-8',
    body: `${tooManyRequestsMessage}\n`,
    headers: { 'retry-after': String(retryAfterSeconds), 'x-content-type-options': 'nosniff' },
  };
}
