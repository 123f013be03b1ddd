/**
 * The filters that every request passes, over HTTP and in process alike: request info, authentication (in process the identity
 * is given), impersonation, authorization, then the handler. Whatever goes wrong becomes a Status.
 */
import type { Logger } from 'pino';
import { errors, StatusError } from '../../api/index.ts';
import type { Clock, Random } from '../../time/index.ts';
import type { Answer, RequestBody, RequestContext, Upgrade } from '../exchange.ts';
import { newUid } from '../registry/identity.ts';
import type { Authenticator, Authorizer, Credentials, UserInfo } from '../request.ts';
import { isLongRunning, parseRequestInfo } from '../request-info.ts';
import { authorize } from './authorize.ts';
import { impersonate } from './impersonate.ts';
import type { RequestMetrics } from './request-metrics.ts';

/** A request as a transport hands it in. */
export interface Incoming {
  method: string;
  path: string;
  query: URLSearchParams;
  /** Lower-case names, repeated headers repeated. */
  headers: readonly (readonly [string, string])[];
  body: RequestBody;
  /** Aborted when the client has gone. */
  signal: AbortSignal;
  remoteAddress: string;
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
}

export interface PipelineOptions {
  clock: Clock;
  random: Random;
  logger: Logger;
  authenticators: readonly Authenticator[];
  /** Whether requests without credentials are `system:anonymous`; else they are refused (--anonymous-auth). */
  anonymous: boolean;
  authorizer: Authorizer;
  requestTimeoutSeconds: number;
  metrics: RequestMetrics;
  handle(context: RequestContext): Promise<Answer>;
}

const anonymousUser: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
/** --authorization-always-allow-paths' default. */
const alwaysAllowed = new Set(['/healthz', '/readyz', '/livez']);

export function statusAnswer(error: StatusError): Answer {
  return { type: 'object', status: error.code, item: { object: error.status } };
}

async function authenticate({ authenticators, anonymous, logger }: PipelineOptions, credentials: Credentials): Promise<UserInfo> {
  let refused = false;
  for (const authenticator of authenticators) {
    try {
      const user = await authenticator.authenticate(credentials);
      if (user !== undefined)
        return user.groups.includes('system:authenticated') || user.name === 'system:anonymous'
          ? user
          : { ...user, groups: [...user.groups, 'system:authenticated'] };
    } catch (error) {
      // Another authenticator may still know these credentials.
      refused = true;
      logger.debug({ err: error }, 'Unable to authenticate the request');
    }
  }
  if (refused || !anonymous || /^bearer /i.test(credentials.header('authorization') ?? '')) throw errors.unauthorized();
  return anonymousUser;
}

function contextOf(incoming: Incoming, random: Random, signal: AbortSignal): RequestContext {
  const warnings: string[] = [];
  const values = (name: string) => incoming.headers.filter(([key]) => key === name).map(([, value]) => value);
  const header = (name: string) => incoming.headers.find(([key]) => key === name)?.[1];
  const auditId = header('audit-id');
  return {
    method: incoming.method,
    path: incoming.path,
    query: incoming.query,
    info: parseRequestInfo(incoming.method, incoming.path, incoming.query),
    user: incoming.user ?? anonymousUser,
    auditId: auditId && auditId.length <= 64 ? auditId : newUid(random),
    remoteAddress: incoming.remoteAddress,
    accept: values('accept').join(','),
    userAgent: header('user-agent') ?? '',
    header,
    headerValues: values,
    rawHeaders: incoming.headers,
    body: incoming.body,
    signal,
    warn(message) {
      if (message !== '' && !warnings.includes(message)) warnings.push(message);
    },
    warnings,
    auditAnnotation(key, value) {
      this.audit?.annotate(key, value);
    },
    ...(incoming.upgrade === undefined ? {} : { upgrade: incoming.upgrade }),
    local: incoming.user !== undefined,
  };
}

/** Settles as `work`, or rejects with the signal's reason where that comes first. */
function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason);
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  return promise;
}

export function createPipeline(options: PipelineOptions): (incoming: Incoming) => Promise<Outcome> {
  const { clock, random, authorizer, metrics, logger } = options;

  const run = async (context: RequestContext, incoming: Incoming): Promise<Answer> => {
    const badEscape = /%(?![0-9a-f]{2}).{0,2}/i.exec(context.path);
    if (badEscape !== null) throw errors.badRequest(`invalid URL escape ${JSON.stringify(badEscape[0])}`);
    if (incoming.credentials !== undefined) context.user = await authenticate(options, incoming.credentials);
    await impersonate(context, authorizer);
    if (!alwaysAllowed.has(context.path)) await authorize(context, authorizer);
    return options.handle(context);
  };

  const failure = (context: RequestContext, error: unknown): Answer => {
    if (error instanceof StatusError) return statusAnswer(error);
    logger.error({ err: error, method: context.method, path: context.path, auditId: context.auditId }, 'a request failed unexpectedly');
    return statusAnswer(errors.internal(error instanceof Error ? error.message : String(error)));
  };

  return async (incoming) => {
    const deadline = new AbortController();
    // A request that may live long needs no second signal.
    const context = contextOf(incoming, random, AbortSignal.any([incoming.signal, deadline.signal]));
    const long = isLongRunning(context.info);
    const done = metrics.begin(context, long);
    const timer = long
      ? undefined
      : clock.setTimer(
          options.requestTimeoutSeconds * 1000,
          () => deadline.abort(errors.timeout('request did not complete within the allotted timeout')),
          { background: true },
        );
    let answer: Answer;
    try {
      answer = long ? await run(context, incoming) : await within(run(context, incoming), context.signal);
    } catch (error) {
      answer = failure(context, error);
    } finally {
      timer?.cancel();
    }
    const status = answer.type === 'object' ? (answer.item.object as { details?: { retryAfterSeconds?: number } }) : undefined;
    const retryAfterSeconds = answer.type === 'object' && answer.status >= 400 ? status?.details?.retryAfterSeconds : undefined;
    done('status' in answer ? answer.status : 200);
    return {
      answer,
      warnings: context.warnings,
      auditId: context.auditId,
      context,
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    };
  };
}
