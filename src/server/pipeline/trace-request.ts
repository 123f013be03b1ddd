/** The spans of a request: its own, under OpenTelemetry's names, and those of the filters, of what its verb does and of its answer (k8s.io/apiserver's WithTracing). */
import { parseTraceParent, type Span, spanKind, type Tracer, within } from '../../observability/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import type { RequestInfo } from '../request.ts';
import { shortAuditId } from './context.ts';
import { scopeOf } from './request-metrics.ts';

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

/** As upstream's encoders name themselves. */
function encoderName({ apiGroup, apiVersion }: RequestInfo, mediaType: string): string {
  const encoder = mediaType.includes('protobuf')
    ? 'protobuf'
    : JSON.stringify({ name: 'json', pretty: 'false', yaml: String(mediaType.includes('yaml')), strict: 'false' });
  return JSON.stringify({ encodeGV: apiGroup === '' ? apiVersion : `${apiGroup}/${apiVersion}`, encoder, name: 'versioning' });
}

export class RequestTrace {
  readonly root: Span;
  readonly #context: RequestContext;
  #verb: Span | undefined;
  #writing: Span | undefined;

  constructor(root: Span, context: RequestContext) {
    this.root = root;
    this.#context = context;
  }

  /** Lists have spans below theirs instead. */
  get #tells(): boolean {
    return this.#context.info.verb !== 'list';
  }

  /** Does what the request asks for; its span lasts until it is answered. */
  async handle(work: () => Promise<Answer>): Promise<Answer> {
    const context = this.#context;
    const { apiGroup, apiVersion, namespace, name: objectName, resource, subresource, verb: requestVerb } = context.info;
    const name = context.info.isResourceRequest ? verbNames[requestVerb] : undefined;
    if (name === undefined) return work();
    const verb = this.root.child(name, {
      'audit-id': shortAuditId(context),
      url: context.path,
      'user-agent': context.userAgent,
      client: context.remoteAddress,
      accept: context.accept,
      protocol: context.protocol,
      'api-group': apiGroup,
      'api-version': apiVersion,
      ...{ namespace, name: objectName, resource, subresource, verb: requestVerb },
      scope: scopeOf(context.info),
    });
    this.#verb = verb;
    context.milestone = (what, attributes) => verb.event(what, attributes);
    try {
      return await within(verb, work);
    } catch (error) {
      verb.fail(error);
      throw error;
    }
  }

  /** The answer is about to be sent, in this form. */
  answered(answer: Answer, mediaType: string | undefined): void {
    if (this.#tells) this.#verb?.event('About to write a response');
    if (answer.type !== 'object' && answer.type !== 'list') return;
    const context = this.#context;
    this.#writing = (this.#verb ?? this.root).child('SerializeObject', {
      'audit-id': shortAuditId(context),
      method: context.method,
      url: context.path,
      protocol: context.protocol,
      ...(mediaType === undefined ? {} : { mediaType, encoder: encoderName(context.info, mediaType) }),
    });
    this.#writing.event('About to start writing response');
  }

  finished(status: number, bytes: number): void {
    this.#writing?.event('Write call succeeded', { size: bytes });
    this.#writing?.end();
    if (this.#tells) this.#verb?.event('Writing http response done');
    this.#verb?.end();
    this.root.set({ 'http.response.status_code': status, 'http.response.body.size': bytes });
    if (status >= 500) this.root.fail('');
    this.root.end();
  }
}

/** Begins the trace of a request whose user is known; undefined where it is not recorded. */
export function beginTrace(tracer: Tracer, context: RequestContext, startedMs: number): RequestTrace | undefined {
  const { method, info, path, query } = context;
  const isTrusted = context.user.groups.some((group) => trusted.has(group));
  const parent = isTrusted ? parseTraceParent(context.header('traceparent')) : undefined;
  const target = query.size === 0 ? path : `${path}?${query}`;
  const root = tracer.begin(spanName(method, info), {
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
  return root && new RequestTrace(root, context);
}
