/** etcd's gRPC API v3, as far as the store needs it. Messages carry etcd's own field names; 64-bit integers are numbers. */
import {
  type ChannelCredentials,
  type ClientDuplexStream,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import descriptor from './schema/etcd-v3.json' with { type: 'json' };

export interface EtcdKeyValue {
  key: Buffer;
  value: Buffer;
  create_revision: number;
  mod_revision: number;
  version: number;
  lease: number;
}

export interface Header {
  revision: number;
}

export interface RangeResponse {
  header: Header;
  kvs: EtcdKeyValue[];
  more: boolean;
  count: number;
}

export interface TxnResponse {
  header: Header;
  succeeded: boolean;
  responses: { response_range?: RangeResponse }[];
}

export interface WatchResponse {
  header: Header;
  created: boolean;
  canceled: boolean;
  compact_revision: number;
  cancel_reason: string;
  events: { type: 'PUT' | 'DELETE'; kv: EtcdKeyValue; prev_kv?: EtcdKeyValue | null }[];
}

export interface EtcdTls {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
}

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

type Service = 'KV' | 'Watch' | 'Lease' | 'Maintenance';
/** A gRPC client's methods by name. */
type Methods = Record<string, (...args: unknown[]) => unknown> & { close(): void };

export interface EtcdClient {
  call<R>(service: Service, method: string, request: object): Promise<R>;
  stream<Q, R>(service: Service, method: string): ClientDuplexStream<Q, R>;
  close(): void;
}

export function etcdClient(endpoints: readonly string[], tls: EtcdTls | undefined): EtcdClient {
  // A JSON file of ours in protobufjs' form.
  const definition = fromJSON(descriptor as Parameters<typeof fromJSON>[0], {
    longs: Number,
    enums: String,
    defaults: true,
    arrays: true,
    keepCase: true,
  });
  const services = loadPackageDefinition(definition).etcdserverpb as GrpcObject;
  const channel: ChannelCredentials = tls ? credentials.createSsl(tls.ca, tls.key, tls.cert) : credentials.createInsecure();
  // Several members are tried in turn; grpc-js takes such a list as addresses.
  const target = endpoints.length === 1 ? (endpoints[0] ?? '') : `ipv4:${endpoints.join(',')}`;
  const clients = new Map<Service, Methods>();
  const clientOf = (service: Service): Methods => {
    let client = clients.get(service);
    if (!client) {
      const Client = services[service] as ServiceClientConstructor;
      // The generated client has its methods as members, which its type does not say.
      client = new Client(target, channel, {
        'grpc.max_receive_message_length': -1,
        'grpc.max_send_message_length': -1,
        'grpc.keepalive_time_ms': 30_000,
        'grpc.keepalive_timeout_ms': 10_000,
      }) as unknown as Methods;
      clients.set(service, client);
    }
    return client;
  };
  return {
    call: <R>(service: Service, method: string, request: object) =>
      new Promise<R>((resolve, reject) => {
        clientOf(service)[method]?.(request, (error: ServiceError | null, response: R) => {
          if (error) reject(new EtcdError(method, endpoints, error));
          else resolve(response);
        });
      }),
    stream: <Q, R>(service: Service, method: string) => clientOf(service)[method]?.() as ClientDuplexStream<Q, R>,
    close: () => {
      for (const client of clients.values()) client.close();
    },
  };
}
