/**
 * A client of an etcd cluster. It talks to one member for as long as that one answers and has a leader, and goes on to the next when
 * not; what is read is asked for again there, what is written only where it has surely not been done.
 */
import { type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js';
import type { Clock } from '../time/index.ts';
import { type EtcdMember, type EtcdTls, etcdMember } from './etcd-member.ts';
import type { EtcdService } from './etcd-proto.ts';

/** An answer of etcd that is an error, or no answer. */
export class EtcdError extends Error {
  /** etcd's own words, such as `etcdserver: mvcc: required revision has been compacted`. */
  readonly details: string;
  constructor(what: string, endpoints: readonly string[], cause: ServiceError) {
    super(`etcd at ${endpoints.join(', ')}: ${what}: ${cause.details || cause.message}`, { cause });
    this.name = 'EtcdError';
    this.details = cause.details;
  }
}

export interface EtcdClientOptions {
  /** `https://HOST:PORT`, `http://HOST:PORT` or `HOST:PORT`; several are members of one cluster. */
  endpoints: readonly string[];
  tls?: EtcdTls | undefined;
  /** Where etcd's authentication is enabled. */
  user?: { name: string; password: string } | undefined;
  clock: Clock;
  /** How long a request looks for a member that serves it. Default 10 s, which an election takes several times. */
  patienceMs?: number | undefined;
}

export interface EtcdClient {
  /** `idempotent`: may be done twice, as reads may. */
  call<R>(service: EtcdService, method: string, request: object, options?: { idempotent?: boolean }): Promise<R>;
  stream<Q, R>(service: EtcdService, method: string): Promise<ClientDuplexStream<Q, R>>;
  /** Of the member that the stream is from, such as `3.5.9`; '' where it does not say. */
  versionOf(stream: object): Promise<string>;
  /** Whether somebody else may serve what has failed so; then the next member has its turn. */
  isElsewhere(error: unknown, stream: object): boolean;
  /** Whether these words of a member mean that it no longer knows the user by the token, which is then asked for anew. */
  isForgotten(reason: string): boolean;
  close(): void;
}

/** etcd gives up after five seconds and two elections; its own words are better than ours. */
const writeTimeoutMs = 10_000;
const readTimeoutMs = 3000;
const pauseMs = 100;
/** What etcd 3.4 says to a watch with a token that it no longer knows is "permission denied"; it knows an unused one for five minutes. */
const tokenPatienceMs = 60_000;

/** Failures of a member rather than of the request. */
function isMembersFault({ code, details }: ServiceError): boolean {
  return code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED || /no leader|request timed out|leader changed/.test(details);
}

/** Nothing of the request has reached etcd's log. */
const isUnsent = ({ code, details }: ServiceError) =>
  code === status.UNAVAILABLE && /^No connection established|^Name resolution failed|ECONNREFUSED|etcdserver: no leader/.test(details);

const isStaleToken = ({ code, details }: ServiceError) => code === status.UNAUTHENTICATED && details.includes('invalid auth token');

export function etcdClient({ endpoints, tls, user, clock, patienceMs = 10_000 }: EtcdClientOptions): EtcdClient {
  const members = endpoints.map((endpoint) => etcdMember(endpoint, tls, clock));
  if (members.length === 0) throw new Error('etcd needs an endpoint');
  const streamMembers = new WeakMap<object, EtcdMember>();
  const lifetime = new AbortController();
  let turn = 0;
  let token: Promise<string> | undefined;
  let tokenAtMs = 0;
  const present = (): EtcdMember => members[turn % members.length] as EtcdMember;

  /** The next member has its turn, unless another request has seen to that. */
  const leave = (member: EtcdMember) => {
    if (member !== present()) return;
    turn++;
    // Watches on it may hang without end; they go on elsewhere from where they are.
    if (members.length > 1) member.dropStreams();
  };

  const authenticated = (): Promise<string | undefined> => {
    if (!user) return Promise.resolve(undefined);
    if (token) return token;
    tokenAtMs = clock.monotonic();
    token = present()
      .unary<{ token: string }>('Auth', 'Authenticate', { name: user.name, password: user.password }, { timeoutMs: readTimeoutMs })
      .then((answer) => answer.token);
    const asked = token;
    asked.catch(() => {
      if (token === asked) token = undefined;
    });
    return asked;
  };

  return {
    async call<R>(service: EtcdService, method: string, request: object, { idempotent = false } = {}): Promise<R> {
      const until = clock.monotonic() + patienceMs;
      for (let tries = 1, renewed = false; ; tries++) {
        const member = present();
        let sent = false;
        try {
          const held = user && (await authenticated());
          sent = true;
          return await member.unary<R>(service, method, request, { timeoutMs: idempotent ? readTimeoutMs : writeTimeoutMs, token: held });
        } catch (error) {
          // What a call rejects with.
          const failure = error as ServiceError;
          if (isStaleToken(failure) && !renewed) {
            renewed = true;
            token = undefined;
            continue;
          }
          const fault = isMembersFault(failure);
          if (fault) leave(member);
          const again = fault && (idempotent || !sent || isUnsent(failure)) && clock.monotonic() < until && !lifetime.signal.aborted;
          if (!again) throw new EtcdError(method, endpoints, failure);
          // All have had a turn: an election, or a restart, takes a moment.
          if (tries % members.length === 0) await clock.sleep(pauseMs, lifetime.signal).catch(() => {});
        }
      }
    },

    async stream<Q, R>(service: EtcdService, method: string) {
      const held = await authenticated();
      const member = present();
      const stream = member.stream<Q, R>(service, method, held);
      streamMembers.set(stream, member);
      return stream;
    },

    async versionOf(stream) {
      const member = streamMembers.get(stream);
      const options = { timeoutMs: readTimeoutMs, token: await authenticated() };
      const status = member?.unary<{ version: string }>('Maintenance', 'Status', {}, options);
      // Where it gives no answer, its watch will fare no better, and says why.
      return (await status?.catch(() => undefined))?.version ?? '';
    },

    isForgotten(reason) {
      const isOld = clock.monotonic() - tokenAtMs > tokenPatienceMs;
      if (!user || !(reason.includes('invalid auth token') || (isOld && reason.includes('permission denied')))) return false;
      token = undefined;
      return true;
    },

    isElsewhere(error, stream) {
      // What a stream fails with.
      const failure = error as ServiceError;
      if (isStaleToken(failure)) {
        token = undefined;
        return true;
      }
      const member = streamMembers.get(stream);
      const dropped = failure.code === status.CANCELLED && member !== present();
      if (!dropped && !isMembersFault(failure)) return false;
      if (member) leave(member);
      return true;
    },

    close: () => {
      lifetime.abort();
      for (const member of members) member.close();
    },
  };
}
