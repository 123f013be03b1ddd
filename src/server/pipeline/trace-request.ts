/** The spans of a request: its own, under OpenTelemetry's names, and that of what its verb does (k8s.io/apiserver's WithTracing). */
import { parseTraceParent, type Span, spanKind, type Tracer, traced, within } from '../../observability/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import type { RequestInfo } from '../request.ts';
import { shortAuditId } from './context.ts';

const verbNames: Readonly<Record<string, string>> = {
  create: 'Create',
  update: 'Update',
  patch: 'Patch',
  delete: 'Delete',
  deletecollection: 'Delete',
  get: 'Get',
  list: 'List',
};

/** `POST /api/v1/namespaces/{:namespace}/pods`: few enough to be counted by. */
function spanName(method: string, info: RequestInfo): string {
  if (!info.isResourceRequest) return method;
  const group = info.apiGroup === '' ? '/api' : `/apis/${info.apiGroup}`;
  const namespace = info.namespace === '' ? '' : '/namespaces/{:namespace}';
  const name = info.name === '' ? '' : '/{:name}';
  const subresource = info.subresource === '' ? '' : `/${info.subresource}`;
  return `${method} ${group}/${info.apiVersion}${namespace}/${info.resource}${name}${subresource}`;
}

/** Whose trace contexts are believed: others could fill anybody's traces. */
const trusted = new Set(['system:masters', 'system:monitoring']);

/** Begins the span of a request whose user is known; undefined where it is not recorded. */
export function beginRequestSpan(tracer: Tracer, context: RequestContext, startedMs: number): Span | undefined {
  const { method, info, path, query } = context;
  const isTrusted = context.user.groups.some((group) => trusted.has(group));
  const parent = isTrusted ? parseTraceParent(context.header('traceparent')) : undefined;
  const target = query.size === 0 ? path : `${path}?${query}`;
  return tracer.begin(spanName(method, info), {
    kind: spanKind.server,
    parent,
    startedMs,
    attributes: {
      'http.request.method': method,
      'http.target': target,
      'url.path': path,
      'user_agent.original': context.userAgent,
      'client.address': context.remoteAddress,
      'audit-id': shortAuditId(context),
    },
  });
}

/** Does what the request asks for, as part of its span. */
export function inRequestSpan(span: Span, context: RequestContext, handle: () => Promise<Answer>): Promise<Answer> {
  const name = context.info.isResourceRequest ? verbNames[context.info.verb] : undefined;
  if (name === undefined) return within(span, handle);
  const attributes = () => ({
    'audit-id': shortAuditId(context),
    method: context.method,
    url: context.path,
    'user-agent': context.userAgent,
    client: context.remoteAddress,
    accept: context.accept,
  });
  return within(span, () => traced(name, attributes, handle));
}
