import { errors } from '../../api/index.ts';
import { type Answer, type RequestContext, textAnswer } from '../exchange.ts';
import { withoutMarkup } from './markup.ts';
import { statusAnswer } from './status-answer.ts';

/** A filter could not do its part of a request: no fault of the client's, and no Status (k8s.io/apiserver's responsewriters.InternalError). */
export class FilterFailure extends Error {
  override readonly name = 'FilterFailure';
}

/** As it came, but for escapes. */
const requestUri = ({ path, query }: RequestContext): string => (query.size > 0 ? `${path}?${query}` : path);

/** A line of text that no browser takes for HTML; in process a Status, as clients make of it. */
export function failureAnswer(context: RequestContext, message: string): Answer {
  if (context.local) return statusAnswer(errors.internal(message));
  const body = withoutMarkup(`Internal Server Error: ${JSON.stringify(requestUri(context))}: ${message}\n`);
  return { type: 'raw', status: 500, contentType: 'text/plain; charset=utf-8', body, headers: { 'x-content-type-options': 'nosniff' } };
}

/** What clients are told that ask to watch, or proxy, and don't say what (k8s.io/apiserver's WithRequestInfo). */
export const unclear = (context: RequestContext): Answer =>
  failureAnswer(context, `failed to create RequestInfo: unable to determine kind and namespace from url, ${requestUri(context)}`);

/** Ends a request that takes longer than it may. */
export const timeIsUp = errors.timeout('request did not complete within the allotted timeout');

/**
 * What k8s.io/apiserver's timeout filter writes, which knows nothing of what the client accepts: JSON, which Go's server takes for
 * text. In process a Status, as everywhere.
 */
export function timeIsUpAnswer(context: RequestContext): Answer {
  if (context.local) return statusAnswer(timeIsUp);
  const { metadata, status, message, reason, code } = timeIsUp.status;
  return textAnswer(`${JSON.stringify({ metadata, status, message, reason, details: {}, code })}\n`, 504);
}
