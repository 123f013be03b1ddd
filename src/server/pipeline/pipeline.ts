/**
 * The filters that every request passes, over HTTP and in process alike: request info, authentication (in process the identity
 * is given), impersonation, authorization, then the handler. Whatever goes wrong becomes a Status.
 */
import type { Logger } from 'pino';
import { errors, formatGoDuration, StatusError } from '../../api/index.ts';
import { spanKind, type Tracer, traced, within } from '../../observability/index.ts';
import { NoSpaceError, RequestTooLargeError } from '../../store/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import type { Auditor, AuditTrail } from '../audit/index.ts';
import { withAuthenticatedGroup } from '../authentication/union.ts';
import { type Answer, type RequestBody, type RequestContext, textAnswer, type Upgrade } from '../exchange.ts';
import type { RequestLimiter } from '../flowcontrol/index.ts';
import type { Layer } from '../latencies.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { AuthenticationMetrics } from '../metrics/access-metrics.ts';
import type { ImpersonationMetrics } from '../metrics/impersonation-metrics.ts';
import type { WatchMetrics } from '../metrics/watch-metrics.ts';
import type { Authenticator, Authorizer, Credentials, UserInfo } from '../request.ts';
import { isLongRunning } from '../request-info.ts';
import type { RequestLifetime } from '../request-lifetime.ts';
import { initialBatch } from '../storage/watch.ts';
import { AccessDenied, authorize } from './authorize.ts';
import { PipelineContext, shortAuditId } from './context.ts';
import { type Deadline, Deadlines } from './deadlines.ts';
import type { Delivery } from './delivery.ts';
import { FilterFailure, failureAnswer, timeIsUp, timeIsUpAnswer, unclear } from './filter-failure.ts';
import { asksToImpersonate, createImpersonation } from './impersonate.ts';
import { inTurn } from './in-turn.ts';
import { requestDeadlineMs } from './request-deadline.ts';
import { type RequestMetrics, scopeOf } from './request-metrics.ts';
import { statusAnswer } from './status-answer.ts';
import { beginTrace, type RequestTrace } from './trace-request.ts';

/** A request as a transport hands it in. */
export interface Incoming {
  method: string;
  path: string;
  query: URLSearchParams;
  /** Lower-case names, repeated headers repeated. */
  headers: readonly (readonly [string, string])[];
  body: RequestBody;
  /** Ends when the client has gone or the server stops; the filters end it when the time is up. */
  lifetime: RequestLifetime;
  remoteAddress: string;
  /** `HTTP/2.0`; default HTTP/1.1. */
  protocol?: string;
  /** Over HTTP: what authenticators read. */
  credentials?: Credentials;
  /** In process: who asks. */
  user?: UserInfo;
  upgrade?: Upgrade;
}

export interface Outcome {
  answer: Answer;
  warnings: readonly string[];
  auditId: string;
  retryAfterSeconds?: number;
  context: RequestContext;
  /** To be told by whoever sends the answer. */
  delivery: Delivery;
}

export interface PipelineOptions {
  clock: Clock;
  random: Random;
  logger: Logger;
  authenticators: readonly Authenticator[];
  /** Whether requests without credentials are `system:anonymous`; else they are refused (--anonymous-auth). */
  anonymous: boolean | ((path: string) => boolean);
  authorizer: Authorizer;
  requestTimeoutSeconds: number;
  metrics: RequestMetrics;
  authentication?: AuthenticationMetrics | undefined;
  impersonation?: ImpersonationMetrics | undefined;
  watches?: WatchMetrics | undefined;
  auditor?: Auditor | undefined;
  lifecycle?: Lifecycle | undefined;
  /** Lets requests in when there is room for them; default: all at once. */
  limiter?: RequestLimiter | undefined;
  /** Whether one may act as others in some things only (the feature ConstrainedImpersonation). Default true. */
  constrainedImpersonation?: boolean | undefined;
  /** Whether CBOR may be spoken (the feature CBORServingAndStorage). Default false. */
  cbor?: boolean | undefined;
  tracer?: Tracer | undefined;
  handle(context: RequestContext): Promise<Answer>;
}

const anonymousUser: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
/** Asked by who wants to know whether the server ends, and how. */
const watchedPaths = ['/readyz', '/livez', '/healthz', '/metrics'];

/** Who is served while the server ends: its own components, and those that look how it does (k8s.io/apiserver's isRequestExemptFromRetryAfter). */
const isServedToTheEnd = ({ local, path, userAgent }: RequestContext): boolean =>
  local || userAgent.startsWith('kube-apiserver/') || watchedPaths.some((prefix) => path.startsWith(prefix));

/** What clients are told that come while the server ends (k8s.io/apiserver's WithRetryAfter). */
const sentAway: Answer = {
  type: 'raw',
  status: 429,
  contentType: 'text/plain; charset=utf-8',
  body: 'The apiserver is shutting down, please try again later.\n',
  headers: { connection: 'close', 'retry-after': '5', 'x-content-type-options': 'nosniff' },
};

/** What Go's server answers by itself. */
const noUrl = textAnswer('400 Bad Request', 400);

/** What a Status says of when to come again. Objects that are stored are not looked at: that would decode them. */
function retryAfterOf(answer: Answer): number | undefined {
  if (answer.type !== 'object' || answer.status < 400) return undefined;
  return (answer.item.object as { details?: { retryAfterSeconds?: number } }).details?.retryAfterSeconds;
}

const noAttributes = () => ({});
const noAnnotations: ReadonlyMap<string, string> = new Map();

/** Of a connection that a handler has taken over, the code of the switch. */
function statusCode(answer: Answer): number {
  if (answer.type === 'hijacked') return 101;
  return 'status' in answer ? answer.status : 200;
}

/** Of a connection's certificate the user is known at once; a promise only where somebody has to be asked. Throws Unauthorized. */
function authenticate(options: PipelineOptions, credentials: Credentials, path: string, startedMs: number): UserInfo | Promise<UserInfo> {
  const { authenticators, anonymous, logger, authentication } = options;
  let refused = false;
  // Another authenticator may still know these credentials.
  const noteRefusal = (error: unknown): undefined => {
    refused = true;
    logger.debug({ err: error }, 'Unable to authenticate the request');
  };
  const known = (user: UserInfo) => {
    authentication?.attempted(user, startedMs);
    if (credentials.certificate !== undefined && authentication) authentication.certificate(credentials.certificate.notAfter);
    return user;
  };
  const whole = (user: UserInfo) => known(withAuthenticatedGroup(user));
  const attempt = (from: number): UserInfo | Promise<UserInfo> => {
    for (let i = from; i < authenticators.length; i++) {
      let answer: ReturnType<Authenticator['authenticate']>;
      try {
        answer = authenticators[i]?.authenticate(credentials);
      } catch (error) {
        answer = noteRefusal(error);
      }
      if (answer instanceof Promise) return answer.catch(noteRefusal).then((user) => (user === undefined ? attempt(i + 1) : whole(user)));
      if (answer !== undefined) return whole(answer);
    }
    const isAllowed = typeof anonymous === 'function' ? anonymous(path) : anonymous;
    if (refused || !isAllowed || /^bearer \S/i.test(credentials.header('authorization') ?? '')) {
      authentication?.attempted(undefined, startedMs);
      throw errors.unauthorized();
    }
    return known(anonymousUser);
  };
  return attempt(0);
}

export function createPipeline(options: PipelineOptions): (incoming: Incoming) => Promise<Outcome> {
  const { clock, random, authorizer, metrics, logger, auditor, lifecycle } = options;

  const timed = async <T>(layer: Layer, { latencies }: RequestContext, work: () => T | Promise<T>): Promise<T> => {
    const startedMs = clock.monotonic();
    const result = await work();
    latencies?.add(layer, clock.monotonic() - startedMs);
    return result;
  };

  /** The user, and from then on the audit of what they ask. Throws where an event must be stored but can't be. */
  const identify = async (auditor: Auditor, context: RequestContext, { credentials }: Incoming, long: boolean): Promise<void> => {
    /** There is no event yet that they could be added to. */
    const annotations = new Map<string, string>();
    try {
      if (credentials !== undefined) {
        credentials.notes = {
          warn: (message) => context.warn(message),
          auditAnnotation: (key, value) => void annotations.set(key, value),
        };
        const authenticating = async () => authenticate(options, credentials, context.path, clock.monotonic());
        context.user = await timed('authentication', context, authenticating);
      }
    } catch (error) {
      if (error instanceof StatusError) await auditor.refused(context, statusAnswer(error), annotations);
      throw error;
    }
    const trail = auditor.begin(context, long, annotations);
    if (trail === undefined) return;
    if (!(await trail.received())) {
      auditor.rejected();
      throw new FilterFailure('failed to store audit event');
    }
    context.audit = trail;
  };

  const proceed = async (context: RequestContext): Promise<Answer> => {
    const asked = authorize(context, authorizer);
    if (asked !== undefined) await timed('authorization', context, () => asked);
    return options.handle(context);
  };
  const admitted = (context: RequestContext, long: boolean) =>
    options.limiter ? inTurn(context, options.limiter, long, clock, proceed) : proceed(context);

  /** Of requests that are traced, until they are answered. */
  const traces = new WeakMap<RequestContext, RequestTrace>();

  /** The same with a span for each of it. */
  const admittedTraced = async (context: RequestContext, long: boolean, trace: RequestTrace): Promise<Answer> => {
    const { limiter } = options;
    const go = async () => {
      await timed('authorization', context, () => traced('authorization', noAttributes, async () => authorize(context, authorizer)));
      return trace.handle(() => options.handle(context));
    };
    if (limiter === undefined) return go();
    return inTurn(
      context,
      { admit: (asking) => traced('priorityandfairness', noAttributes, async () => limiter.admit(asking)) },
      long,
      clock,
      go,
    );
  };

  const impersonate = createImpersonation(authorizer, options.constrainedImpersonation ?? true, options.impersonation);
  const run = async (context: RequestContext, incoming: Incoming, long: boolean, startedMs: number): Promise<Answer> => {
    if (context.info.isResourceRequest && context.info.parts.length === 0) return unclear(context);
    if (lifecycle?.sendsAway && !isServedToTheEnd(context)) return sentAway;
    if (context.path.includes('%') && /%(?![0-9a-f]{2})/i.test(context.path)) return noUrl;
    const authenticating =
      incoming.credentials && options.tracer?.begin('authentication', { kind: spanKind.internal, attributes: {}, startedMs });
    try {
      if (auditor) await identify(auditor, context, incoming, long);
      else if (incoming.credentials !== undefined) {
        incoming.credentials.notes = context;
        const user = authenticate(options, incoming.credentials, context.path, startedMs);
        context.user = user instanceof Promise ? await user : user;
      }
    } finally {
      authenticating?.end();
    }
    const asks = asksToImpersonate(context);
    const trace = options.tracer && beginTrace(options.tracer, context, startedMs);
    if (trace === undefined) {
      if (asks) await timed('impersonation', context, () => impersonate(context));
      return admitted(context, long);
    }
    traces.set(context, trace);
    return within(trace.root, async () => {
      if (asks) await timed('impersonation', context, () => traced('impersonation', noAttributes, () => impersonate(context)));
      return admittedTraced(context, long, trace);
    });
  };

  /** One line for each request, as upstream's httplog has it at --v=3. */
  const logRequest = (context: RequestContext, status: number, startedMs: number) => {
    const query = context.query.toString();
    const { info, method, userAgent, remoteAddress } = context;
    const fields = {
      verb: info.isResourceRequest ? info.verb.toUpperCase() : method,
      URI: query === '' ? context.path : `${context.path}?${query}`,
      latency: formatGoDuration(BigInt(Math.round((clock.monotonic() - startedMs) * 1e6))),
      userAgent,
      'audit-ID': shortAuditId(context),
      srcIP: remoteAddress,
      ...(status === 101 ? { hijacked: true } : { resp: status }),
    };
    logger.debug(fields, 'HTTP');
  };

  /** What is counted of a watch: what it sends, and how long its beginning took. */
  const watched = (context: RequestContext, startedMs: number): Pick<Delivery, 'streamed'> => {
    const { apiGroup, apiVersion, resource } = context.info;
    const series = options.watches?.of(apiGroup, apiVersion, resource);
    if (series === undefined) return {};
    let begins = context.query.get('sendInitialEvents') === 'true';
    return {
      streamed(events, bytes) {
        series.events.inc(events);
        if (bytes !== undefined) series.sizes.observe(bytes / events, events);
        if (!begins) return;
        // The first batch that is not full of the present objects.
        series.initial.inc(events);
        begins = events >= initialBatch;
        if (!begins) series.listed(scopeOf(context.info), (clock.monotonic() - startedMs) / 1000);
      },
    };
  };

  const deliver = (
    context: RequestContext,
    answer: Answer,
    done: (status: number, bytes: number, broken: boolean) => void,
    startedMs: number,
  ): Delivery => {
    const trail = context.audit as AuditTrail | undefined; // what `identify` has set
    let status = statusCode(answer);
    let isFinished = false;
    return {
      ...(answer.type === 'watch' ? watched(context, startedMs) : {}),
      answered(sent, mediaType) {
        status = statusCode(sent);
        traces.get(context)?.answered(sent, mediaType);
        return trail?.answered(sent);
      },
      finished(bytes, broken = false) {
        if (isFinished) return;
        isFinished = true;
        done(status, bytes, broken);
        traces.get(context)?.finished(status, bytes);
        if (logger.isLevelEnabled('debug')) logRequest(context, status, startedMs);
        void trail?.finished();
      },
    };
  };

  const failure = (context: RequestContext, error: unknown): Answer => {
    if (error instanceof FilterFailure) return failureAnswer(context, error.message);
    if (error === timeIsUp) return timeIsUpAnswer(context);
    if (error instanceof AccessDenied) return { ...statusAnswer(error), headers: { 'x-content-type-options': 'nosniff' } };
    if (error instanceof StatusError) return statusAnswer(error);
    // What the store has refused is told in its own words, without a reason.
    if (error instanceof RequestTooLargeError) return statusAnswer(new StatusError(500, '', error.message));
    if (error instanceof NoSpaceError) {
      logger.error({ err: error }, 'the store has no room');
      return statusAnswer(new StatusError(500, '', error.message));
    }
    (context.audit as AuditTrail | undefined)?.panicked(error);
    logger.error(
      { err: error, method: context.method, path: context.path, auditId: shortAuditId(context) },
      'a request failed unexpectedly',
    );
    return statusAnswer(errors.internal(error instanceof Error ? error.message : String(error)));
  };

  const deadlines = new Deadlines(clock);
  return async (incoming) => {
    const { lifetime } = incoming;
    const context = new PipelineContext(incoming, anonymousUser, random);
    context.cbor = options.cbor === true;
    const long = isLongRunning(context.info);
    const startedMs = clock.monotonic();
    context.startedMs = startedMs;
    const observed = metrics.begin(context, long, startedMs);
    const leave = lifecycle?.enter(lifetime, long);
    const done = (code: number, bytes: number, broken: boolean) => {
      observed(code, bytes, broken);
      leave?.();
    };
    let answer: Answer;
    let deadline: Deadline | undefined;
    let running: Promise<Answer> | undefined;
    try {
      if (!long) {
        const grantedMs = requestDeadlineMs(context, options.requestTimeoutSeconds * 1000);
        context.deadlineMs = startedMs + grantedMs;
        deadline = deadlines.add(grantedMs, () => {
          lifetime.end(timeIsUp);
          const finish = (status: 'ok' | 'panic') => metrics.late(status);
          running?.then(
            () => finish('ok'),
            (error: unknown) => finish(error instanceof StatusError || error instanceof FilterFailure ? 'ok' : 'panic'),
          );
        });
      }
      running = run(context, incoming, long, startedMs);
      answer = long ? await running : await lifetime.bound(running);
    } catch (error) {
      answer = failure(context, error);
      // It could not be known how long it may take: refused before it was known who asks.
      if (!long && context.deadlineMs === undefined) await auditor?.refused(context, answer, noAnnotations);
    } finally {
      if (deadline) deadlines.remove(deadline);
    }
    const retryAfterSeconds = retryAfterOf(answer);
    return {
      answer,
      warnings: context.warnings,
      auditId: context.auditId,
      context,
      delivery: deliver(context, answer, done, startedMs),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    };
  };
}
