/** etcd's gRPC API v3, as loaded from its descriptor. Messages carry etcd's own field names; 64-bit integers are numbers. */
import { type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import descriptor from './schema/etcd-v3.json' with { type: 'json' };

export type EtcdService = 'KV' | 'Watch' | 'Lease' | 'Maintenance' | 'Cluster' | 'Auth';

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

let services: GrpcObject | undefined;

/** One of etcd's services: a client's constructor, with the definition for servers. */
export function etcdService(name: EtcdService): ServiceClientConstructor {
  // A JSON file of ours in protobufjs' form.
  const definition = () =>
    fromJSON(descriptor as Parameters<typeof fromJSON>[0], { longs: Number, enums: String, defaults: true, arrays: true, keepCase: true });
  services ??= loadPackageDefinition(definition()).etcdserverpb as GrpcObject;
  return services[name] as ServiceClientConstructor;
}
