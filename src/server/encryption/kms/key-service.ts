/** A key management service: Kubernetes' KMS v2 plugin API, gRPC over a unix socket. */
import {
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import type { Clock } from '../../../time/index.ts';
import { type EncryptionMetrics, grpcCodeName } from '../metrics.ts';
import descriptor from '../schema/kms-v2.json' with { type: 'json' };

export interface KmsStatus {
  version: string;
  healthz: string;
  keyId: string;
}

export interface KmsCiphertext {
  ciphertext: Buffer;
  keyId: string;
  annotations: Record<string, Buffer>;
}

export interface KeyService {
  status(): Promise<KmsStatus>;
  /** `uid` names the request in both sides' logs. */
  encrypt(uid: string, plaintext: Buffer): Promise<KmsCiphertext>;
  decrypt(uid: string, sealed: KmsCiphertext): Promise<Buffer>;
  close(): void;
}

export interface KeyServiceOptions {
  /** The provider's name in the configuration. */
  name: string;
  /** `unix:///path`, or `unix:///@name` for a socket without a file. */
  endpoint: string;
  timeoutMs: number;
  clock: Clock;
  metrics: EncryptionMetrics;
}

let definition: ServiceClientConstructor | undefined;

/** The client's constructor, with the definition for servers. */
export function keyManagementService(): ServiceClientConstructor {
  // A JSON file of ours in protobufjs' form.
  const load = () =>
    loadPackageDefinition(fromJSON(descriptor as Parameters<typeof fromJSON>[0], { defaults: true, objects: true, keepCase: true }))
      .v2 as GrpcObject;
  definition ??= load().KeyManagementService as ServiceClientConstructor;
  return definition;
}

/** grpc-js dials again after this long at most, so that a plugin that comes back is found soon. */
const longestBackoffMs = 1000;

/** Connects when it is first asked; a plugin that is not there yet is waited for, for the timeout. */
export function openKeyService({ name, endpoint, timeoutMs, clock, metrics }: KeyServiceOptions): KeyService {
  const { pathname } = new URL(endpoint);
  const path = decodeURIComponent(pathname);
  const client = new (keyManagementService())(
    // grpc-js knows no `unix-abstract:`; it hands the path on as it is, and a leading NUL makes a name of it.
    path.startsWith('/@') ? `unix:\0${path.slice(2)}` : `unix:${path}`,
    credentials.createInsecure(),
    {
      'grpc.default_authority': 'localhost',
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': longestBackoffMs,
    },
  );

  const call = <R>(method: 'Status' | 'Encrypt' | 'Decrypt', request: object): Promise<R> => {
    const started = clock.monotonic();
    const note = (code: number) =>
      metrics.kmsCall(name, `/v2.KeyManagementService/${method}`, (clock.monotonic() - started) / 1000, grpcCodeName(code));
    return new Promise<R>((resolve, reject) => {
      const send = client[method];
      if (typeof send !== 'function') throw new Error(`the KMS API has no ${method}`);
      send.call(
        client,
        request,
        new Metadata({ waitForReady: true }),
        // gRPC's deadline is wall time of this process, whatever clock the cluster has.
        { deadline: new Date(Date.now() + timeoutMs) },
        (error: ServiceError | null, answer: R) => {
          note(error?.code ?? 0);
          if (error) reject(new KmsError(error, timeoutMs));
          else resolve(answer);
        },
      );
    });
  };

  return {
    status: () => call<KmsStatus>('Status', {}),
    async encrypt(uid, plaintext) {
      const answer = await call<KmsCiphertext>('Encrypt', { plaintext, uid });
      return { ...answer, annotations: { ...answer.annotations } };
    },
    decrypt: async (uid, { ciphertext, keyId, annotations }) =>
      (await call<{ plaintext: Buffer }>('Decrypt', { ciphertext, uid, keyId, annotations })).plaintext,
    close: () => client.close(),
  };
}

/** A call that failed, as Go's gRPC tells it. */
export class KmsError extends Error {
  /** gRPC's. */
  readonly code: number;
  constructor(cause: ServiceError, timeoutMs: number) {
    const name = grpcCodeName(cause.code);
    const details = name === 'DeadlineExceeded' ? `context deadline exceeded (after ${timeoutMs} ms)` : cause.details;
    super(`rpc error: code = ${name} desc = ${details}`, { cause });
    this.name = 'KmsError';
    this.code = cause.code;
  }
}
