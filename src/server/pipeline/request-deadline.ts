import { errors, goDurationMs } from '../../api/index.ts';
import type { RequestContext } from '../exchange.ts';

/**
 * How long a request may take: what its `timeout` parameter says, but no longer than the server grants (k8s.io/apiserver's
 * WithRequestDeadline). Throws BadRequest for what is no duration.
 */
export function requestDeadlineMs({ query }: RequestContext, grantedMs: number): number {
  const text = query.size === 0 ? null : query.get('timeout');
  if (text === null || text === '') return grantedMs;
  try {
    const asked = goDurationMs(text);
    return asked === 0 ? grantedMs : Math.min(asked, grantedMs);
  } catch (error) {
    if (error instanceof RangeError) throw errors.badRequest(`invalid timeout specified in the request URL - ${error.message}`);
    throw error;
  }
}
