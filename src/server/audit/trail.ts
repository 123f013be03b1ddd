/** One request on its way into the audit log: its event, stage by stage. */
import { formatGoDuration, StatusError } from '../../api/index.ts';
import { type Clock, microTimestamp } from '../../time/index.ts';
import type { Answer, AuditNotes, RequestContext } from '../exchange.ts';
import { plainAnswer } from '../representation/encode.ts';
import type { UserInfo } from '../request.ts';
import type { AuditBackend } from './backend.ts';
import type { AuditEvent, AuditUser, ObjectReference, ResponseStatus, Stage } from './event.ts';
import type { AuditMetrics } from './metrics.ts';
import type { RequestAudit } from './policy.ts';

const maxUserAgentLength = 1024;
/** From then on an event tells where the time went (k8s.io/apiserver's WithAudit). */
const slowMs = 500;

export interface AuditTrail extends AuditNotes {
  /** False where the event must be stored but can't (--audit-log-mode=blocking-strict). */
  received(): Promise<boolean>;
  /** The answer is known and about to be sent; of a long-running request, about to begin. */
  answered(answer: Answer): void | Promise<void>;
  /** The answer has been sent. */
  finished(): void | Promise<void>;
  /** The request has been refused before anybody knew who asks: its only event. */
  refused(answer: Answer): void | Promise<void>;
  /** The request failed in a way that nobody foresaw. */
  panicked(error: unknown): void;
}

/** Where a request came from: what proxies say, then the connection itself. */
function sourceIps(context: RequestContext): string[] {
  const given = (context.header('x-forwarded-for') ?? '').split(',').map((ip) => ip.trim());
  const ips = given.filter((ip) => ip !== '');
  const real = context.header('x-real-ip')?.trim();
  if (real && !ips.includes(real)) ips.push(real);
  const remote = context.remoteAddress.replace(/^::ffff:(?=\d+\.)/, '');
  if (remote !== '' && ips.at(-1) !== remote) ips.push(remote);
  return ips;
}

const auditUser = ({ name, uid, groups, extra }: UserInfo): AuditUser => ({
  ...(name === '' ? {} : { username: name }),
  ...(uid ? { uid } : {}),
  ...(groups.length > 0 ? { groups } : {}),
  ...(extra && Object.keys(extra).length > 0 ? { extra } : {}),
});

function objectReference({ info }: RequestContext): ObjectReference | undefined {
  if (!info.isResourceRequest) return undefined;
  const { resource, namespace, name, apiGroup, apiVersion, subresource } = info;
  const given = { resource, namespace, name, apiGroup, apiVersion, subresource };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''));
}

/** An object without its managed fields; lists and tables without those of their items. */
export function withoutManagedFields(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const object = value as { metadata?: { managedFields?: unknown }; items?: unknown[]; rows?: { object?: unknown }[] };
  const { metadata, items, rows } = object;
  const { managedFields, ...kept } = metadata ?? {};
  return {
    ...object,
    ...(managedFields === undefined ? {} : { metadata: kept }),
    ...(Array.isArray(items) ? { items: items.map(withoutManagedFields) } : {}),
    ...(Array.isArray(rows) ? { rows: rows.map((row) => ({ ...row, object: withoutManagedFields(row.object) })) } : {}),
  };
}

function statusOf(answer: Answer): ResponseStatus {
  if (answer.type === 'hijacked') return { metadata: {}, code: 101 };
  if (answer.type !== 'object') return { metadata: {}, code: 'status' in answer ? answer.status : 200 };
  const code = answer.status;
  // What is no Status has none of these, except fields of the same names and other meaning.
  const object = answer.item.object as {
    kind?: unknown;
    status?: string;
    message?: string;
    reason?: string;
    details?: ResponseStatus['details'];
  };
  if (object.kind !== 'Status') return { metadata: {}, code };
  const { status, message, reason, details } = object;
  return {
    metadata: {},
    ...(status ? { status } : {}),
    ...(message ? { message } : {}),
    ...(reason ? { reason } : {}),
    ...(details ? { details } : {}),
    code,
  };
}

export interface TrailOptions {
  context: RequestContext;
  /** Who asks, before they act as somebody else. */
  user: UserInfo;
  longRunning: boolean;
  wanted: RequestAudit;
  clock: Clock;
  backend: AuditBackend;
  metrics: AuditMetrics;
}

export function createTrail({ context, user: asking, longRunning, wanted, clock, backend, metrics }: TrailOptions): AuditTrail {
  const { level, omitStages, omitManagedFields } = wanted;
  const nowMs = clock.monotonic();
  const startedMs = context.startedMs ?? nowMs;
  const receivedAt = microTimestamp(clock, nowMs - startedMs);
  const atLeast = { request: level === 'Request' || level === 'RequestResponse', response: level === 'RequestResponse' };
  const user = auditUser(asking);
  const query = context.query.toString();
  const { userAgent } = context;
  const annotations: Record<string, string> = {};
  const trimmed = (value: unknown) => (omitManagedFields ? withoutManagedFields(value) : value);
  const reference = objectReference(context);
  const ips = sourceIps(context);
  let requestObject: unknown;
  let responseObject: unknown;
  let responseStatus: ResponseStatus | undefined;
  let isDone = false;

  /** Where the time went, of what took long. */
  const noteLatencies = () => {
    const totalMs = clock.monotonic() - startedMs;
    const layers = totalMs > slowMs ? [...(context.latencies?.entries() ?? [])] : [];
    if (layers.length === 0) return;
    const note = (layer: string, milliseconds: number) => {
      annotations[`apiserver.latency.k8s.io/${layer}`] = formatGoDuration(BigInt(Math.round(milliseconds * 1e6)));
    };
    for (const [layer, milliseconds] of layers) note(layer, milliseconds);
    note('total', totalMs);
  };
  const emit = (stage: Stage): boolean | Promise<boolean> => {
    if (stage === 'ResponseComplete') noteLatencies();
    if (omitStages.includes(stage)) return true;
    const event: AuditEvent = {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level,
      auditID: context.auditId,
      stage,
      requestURI: query === '' ? context.path : `${context.path}?${query}`,
      verb: context.info.verb,
      user,
      ...(context.impersonator === undefined ? {} : { impersonatedUser: auditUser(context.user) }),
      ...(context.impersonationConstraint === undefined
        ? {}
        : { authenticationMetadata: { impersonationConstraint: context.impersonationConstraint } }),
      ...(ips.length > 0 ? { sourceIPs: ips } : {}),
      ...(userAgent === ''
        ? {}
        : { userAgent: userAgent.length > maxUserAgentLength ? `${userAgent.slice(0, maxUserAgentLength)}...TRUNCATED` : userAgent }),
      ...(reference === undefined ? {} : { objectRef: { ...reference } }),
      ...(responseStatus === undefined ? {} : { responseStatus }),
      ...(requestObject === undefined ? {} : { requestObject }),
      ...(responseObject === undefined ? {} : { responseObject }),
      requestReceivedTimestamp: receivedAt,
      stageTimestamp: stage === 'RequestReceived' ? receivedAt : microTimestamp(clock),
      ...(Object.keys(annotations).length > 0 ? { annotations: { ...annotations } } : {}),
    };
    metrics.observed();
    return backend.process([event]);
  };
  const note = (answer: Answer): void => {
    responseStatus = statusOf(answer);
    if (atLeast.response && (answer.type === 'object' || answer.type === 'list')) responseObject = trimmed(plainAnswer(answer));
  };
  const settle = (stored: boolean | Promise<boolean>): void | Promise<void> =>
    typeof stored === 'boolean' ? undefined : stored.then(() => undefined);

  return {
    annotate(key, value, of) {
      if (of === undefined || atLeast.request) annotations[key] ??= value;
    },
    request(metadata, make) {
      if (reference !== undefined && metadata !== undefined) {
        for (const field of ['namespace', 'name', 'uid', 'resourceVersion'] as const) {
          const value = metadata[field];
          if (value && !reference[field]) reference[field] = value;
        }
      }
      if (atLeast.request) requestObject = trimmed(make());
    },
    received: async () => emit('RequestReceived'),
    answered(answer) {
      if (responseStatus !== undefined) return undefined;
      note(answer);
      if (longRunning) return settle(emit('ResponseStarted'));
      isDone = true;
      return settle(emit('ResponseComplete'));
    },
    finished() {
      if (isDone) return undefined;
      isDone = true;
      if (responseStatus === undefined) {
        responseStatus = { metadata: {}, status: 'Success', message: 'Connection closed early', code: 200 };
        if (longRunning) void emit('ResponseStarted');
      }
      return settle(emit('ResponseComplete'));
    },
    refused(answer) {
      isDone = true;
      note(answer);
      return settle(emit('ResponseStarted'));
    },
    panicked(error) {
      if (isDone || error instanceof StatusError) return;
      isDone = true;
      const message = `APIServer panic'd: ${error instanceof Error ? error.message : String(error)}`;
      responseStatus = { metadata: {}, status: 'Failure', message, reason: 'InternalError', code: 500 };
      void emit('Panic');
    },
  };
}
