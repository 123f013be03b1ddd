/** One member of an etcd cluster: its channel, and the streams that are open on it. */
import {
  type ChannelCredentials,
  type ClientDuplexStream,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import type { Clock } from '../time/index.ts';
import { type EtcdService, etcdService } from './etcd-proto.ts';

export interface EtcdTls {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
}

/** A gRPC client's methods by name. */
type Methods = Record<string, (...args: unknown[]) => unknown> & { close(): void };
type Stream<Q, R> = ClientDuplexStream<Q, R>;

export interface UnaryOptions {
  timeoutMs: number;
  token?: string | undefined;
}

export interface EtcdMember {
  readonly address: string;
  /** Rejects with a ServiceError; DEADLINE_EXCEEDED when there was no answer in time. */
  unary<R>(service: EtcdService, method: string, request: object, options: UnaryOptions): Promise<R>;
  stream<Q, R>(service: EtcdService, method: string, token: string | undefined): Stream<Q, R>;
  /** Ends what is open on it: it has stopped answering. */
  dropStreams(): void;
  close(): void;
}

/** `endpoint` is `https://HOST:PORT`, `http://HOST:PORT` or `HOST:PORT` (with TLS where `tls` is given). */
export function etcdMember(endpoint: string, tls: EtcdTls | undefined, clock: Clock): EtcdMember {
  const scheme = /^(https?|unixs?):\/\//.exec(endpoint)?.[1];
  const address = endpoint.slice(scheme ? scheme.length + 3 : 0).replace(/\/$/, '');
  const isTls = scheme === undefined ? tls !== undefined : scheme.endsWith('s');
  const channel: ChannelCredentials = isTls ? credentials.createSsl(tls?.ca, tls?.key, tls?.cert) : credentials.createInsecure();
  const clients = new Map<EtcdService, Methods>();
  const streams = new Set<Stream<never, never>>();

  const clientOf = (service: EtcdService): Methods => {
    let client = clients.get(service);
    if (!client) {
      const Client = etcdService(service);
      // The generated client has its methods as members, which its type does not say.
      client = new Client(address, channel, {
        'grpc.max_receive_message_length': -1,
        'grpc.max_send_message_length': -1,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 2000,
        // A member that is cut off says nothing: this is how an idle watch learns of it.
        // etcd takes one ping every five seconds and hangs up on more.
        'grpc.keepalive_time_ms': 7000,
        'grpc.keepalive_timeout_ms': 3000,
      }) as unknown as Methods;
      clients.set(service, client);
    }
    return client;
  };

  /** etcd refuses at once, instead of letting a request wait, when the member knows of no leader. */
  const metadata = (token: string | undefined): Metadata => {
    const data = new Metadata();
    data.set('hasleader', 'true');
    if (token) data.set('token', token);
    return data;
  };

  return {
    address,
    unary: <R>(service: EtcdService, method: string, request: object, { timeoutMs, token }: UnaryOptions) =>
      new Promise<R>((resolve, reject) => {
        let late = false;
        const timer = clock.setTimer(timeoutMs, () => {
          late = true;
          call.cancel();
        });
        const answered = (error: ServiceError | null, response: R) => {
          timer.cancel();
          if (!error) return resolve(response);
          if (late) reject(Object.assign(error, { code: status.DEADLINE_EXCEEDED, details: 'context deadline exceeded' }));
          else reject(error);
        };
        const client = clientOf(service);
        const headers = metadata(token);
        const call = withoutStack(() => client[method]?.(request, headers, answered)) as ClientUnaryCall;
      }),
    stream: <Q, R>(service: EtcdService, method: string, token: string | undefined) => {
      const stream = clientOf(service)[method]?.(metadata(token)) as Stream<Q, R>;
      const known = stream as unknown as Stream<never, never>;
      streams.add(known);
      stream.once('close', () => streams.delete(known));
      // Whoever reads it is told; it may end before anybody does.
      stream.on('error', () => {});
      return stream;
    },
    dropStreams: () => {
      for (const stream of streams) stream.cancel();
    },
    close: () => {
      for (const stream of streams) stream.cancel();
      for (const client of clients.values()) client.close();
    },
  };
}

/** grpc-js notes the stack of whoever makes a call, for an error that may come of it: a tenth of what the call costs, and of no use here. */
function withoutStack<R>(call: () => R): R {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return call();
  } finally {
    Error.stackTraceLimit = limit;
  }
}
