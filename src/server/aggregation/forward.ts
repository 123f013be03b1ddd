/** Hands a request to another API server, as the user that this server knows, and its answer back. */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { dialErrorMessage } from '../../client/index.ts';
import { spanKind, traced } from '../../observability/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import { passUpgrade, requestHeaders, responseHeaders, upgradeHeaders } from '../streaming/forwarding.ts';
import { authorityOf } from '../streaming/kubelet-connection.ts';
import { type RemoteServer, userHeaders } from './remote-server.ts';

/** As Go's http.Error answers. */
const plainError = (status: number, message: string): Answer => ({
  type: 'raw',
  status,
  contentType: 'text/plain; charset=utf-8',
  body: `${message}\n`,
  headers: { 'x-content-type-options': 'nosniff' },
});

export const unavailable = () => plainError(503, 'service unavailable');

/** A server behind must not send clients, and their credentials, elsewhere (--aggregator-reject-forwarding-redirect). */
const isRedirect = ({ statusCode = 0, headers }: IncomingMessage) => statusCode >= 300 && statusCode <= 399 && Boolean(headers.location);
const redirected = 'the backend attempted to redirect this request, which is not permitted';

/** A caller in this process hands over objects, not bytes. */
function bodyOf({ body, local, method }: RequestContext): Readable | undefined {
  if (method === 'GET' || method === 'HEAD') return undefined;
  if (!local) return body.stream();
  return body.value === undefined ? undefined : Readable.from([Buffer.from(JSON.stringify(body.value))]);
}

export async function forward(context: RequestContext, remote: RemoteServer): Promise<Answer> {
  const { method, upgrade, signal, user, query, path } = context;
  let url: URL;
  try {
    url = await remote.locate();
  } catch {
    // Upstream tells clients no more; the APIService's condition says why.
    return unavailable();
  }
  url.pathname = path;
  url.search = query.size > 0 ? `?${query}` : '';
  const failed = (error: unknown) => plainError(503, `error trying to reach service: ${dialErrorMessage(error, authorityOf(url))}`);
  const identity = userHeaders(user);
  if (upgrade !== undefined) {
    try {
      const result = await remote.upgrade({ url, method, headers: { ...upgradeHeaders(context, upgrade), ...identity }, signal });
      return await passUpgrade(result, upgrade, signal);
    } catch (error) {
      return failed(error);
    }
  }
  const body = bodyOf(context);
  const headers = {
    ...requestHeaders(context),
    ...(context.local && body ? { 'content-type': context.body.contentType } : {}),
    'x-forwarded-uri': path,
    'x-forwarded-host': authorityOf(url),
    'x-forwarded-proto': 'https',
    ...identity,
  };
  let response: IncomingMessage;
  try {
    response = await traced(
      `HTTP ${method}`,
      () => ({ 'http.request.method': method, 'url.full': url.href }),
      (span) => {
        const parent = span ? { traceparent: span.traceParent } : {};
        return remote.request({ url, method, headers: { ...headers, ...parent }, signal, ...(body ? { body } : {}) });
      },
      spanKind.client,
    );
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    return failed(error);
  }
  if (isRedirect(response)) {
    response.destroy();
    return { type: 'raw', status: 502, contentType: 'text/plain; charset=utf-8', body: redirected };
  }
  return { type: 'stream', status: response.statusCode ?? 502, headers: responseHeaders(response.headers), body: response };
}
