/** Metrics of encryption at rest, with upstream's names and labels. */
import { exponentialBuckets, type Registry } from 'prom-client';
import { type Cell, counters, gauges, histograms } from '../../observability/index.ts';
import type { Clock } from '../../time/index.ts';
import { hashOf } from '../metrics/hash-of.ts';

type Direction = 'from_storage' | 'to_storage';

export interface TransformationMetrics {
  /** Begins to measure; to be called with what became of it. */
  begin(direction: Direction, prefix: string): (error: Error | undefined) => void;
}

export interface EncryptionMetrics {
  /** Of values of one resource: `secrets`, `deployments.apps`. */
  of(resource: string): TransformationMetrics;
  cacheMiss(): void;
  keyGenerated(seconds: number): void;
  /** A key-encryption key of this id has been used. */
  keyUsed(direction: Direction, provider: string, keyId: string): void;
  keyInStatus(provider: string, keyId: string): void;
  invalidKeyInStatus(provider: string, problem: 'empty' | 'too_long'): void;
  kmsCall(provider: string, method: string, seconds: number, code: string): void;
  reloaded(outcome: 'success' | 'failure'): void;
  configured(hash: string): void;
}

/** Key ids are told apart by the last so many, as upstream's LRU does. */
const rememberedKeys = 10;

/** The names of gRPC's codes as Go prints them. */
const codeNames = [
  ...['OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists', 'PermissionDenied'],
  ...['ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange', 'Unimplemented', 'Internal', 'Unavailable', 'DataLoss'],
  'Unauthenticated',
];
export const grpcCodeName = (code: number): string => codeNames[code] ?? `Code(${code})`;

/** The code of the gRPC error that was at the bottom of it. */
function statusOf(error: Error | undefined): string {
  if (error === undefined) return 'OK';
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown };
    if (typeof code === 'number') return grpcCodeName(code);
  }
  return 'unknown-non-grpc';
}

/** `serverId`: which API server this is among those of a cluster; told by its hash. */
export function createEncryptionMetrics(registry: Registry, clock: Clock, serverId: string): EncryptionMetrics {
  const id = { apiserver_id_hash: hashOf(serverId) };
  const seconds = () => clock.now() / 1000;
  const durations = histograms(registry, {
    name: 'apiserver_storage_transformation_duration_seconds',
    help: 'Latencies in seconds of value transformation operations.',
    buckets: exponentialBuckets(5e-6, 2, 25),
  });
  const operations = counters(registry, {
    name: 'apiserver_storage_transformation_operations_total',
    help: "Total number of transformations. Successful transformation will have a status 'OK' and a varied status string when the transformation fails. The status, resource, and transformation_type fields can be used for alerting purposes. For example, you can monitor for encryption/decryption failures using the transformation_type (e.g., from_storage for decryption and to_storage for encryption). Additionally, these fields can be used to ensure that the correct transformers are applied to each resource.",
  });
  const misses = counters(registry, {
    name: 'apiserver_storage_envelope_transformation_cache_misses_total',
    help: 'Total number of cache misses while accessing key decryption key(KEK).',
  });
  const generations = histograms(registry, {
    name: 'apiserver_storage_data_key_generation_duration_seconds',
    help: 'Latencies in seconds of data encryption key(DEK) generation operations.',
    buckets: exponentialBuckets(5e-6, 2, 14),
  });
  const generationFailures = counters(registry, {
    name: 'apiserver_storage_data_key_generation_failures_total',
    help: 'Total number of failed data encryption key(DEK) generation operations.',
  });
  const keys = counters(registry, {
    name: 'apiserver_envelope_encryption_key_id_hash_total',
    help: 'Number of times a keyID is used split by transformation type, provider, and apiserver identity.',
  });
  const keyTimes = gauges(registry, {
    name: 'apiserver_envelope_encryption_key_id_hash_last_timestamp_seconds',
    help: 'The last time in seconds when a keyID was used.',
  });
  const statusTimes = gauges(registry, {
    name: 'apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds',
    help: 'The last time in seconds when a keyID was returned by the Status RPC call.',
  });
  const invalid = counters(registry, {
    name: 'apiserver_envelope_encryption_invalid_key_id_from_status_total',
    help: 'Number of times an invalid keyID is returned by the Status RPC call split by error.',
  });
  const calls = histograms(registry, {
    name: 'apiserver_envelope_encryption_kms_operations_latency_seconds',
    help: 'KMS operation duration with gRPC error code status total.',
    buckets: exponentialBuckets(0.0001, 2, 20),
  });
  const reloads = counters(registry, {
    name: 'apiserver_encryption_config_controller_automatic_reloads_total',
    help: 'Total number of reload successes and failures of encryption configuration split by apiserver identity.',
  });
  const reloadTimes = gauges(registry, {
    name: 'apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds',
    help: 'Timestamp of the last successful or failed automatic reload of encryption configuration split by apiserver identity.',
  });
  const info = gauges(registry, {
    name: 'apiserver_encryption_config_controller_last_config_info',
    help: 'Information about the last applied encryption configuration with hash as label, split by apiserver identity.',
  });
  misses.with({});
  generationFailures.with({});
  const hashes = new Map<string, string>();
  const hashed = (keyId: string): string => {
    const known = hashes.get(keyId);
    if (known !== undefined) return known;
    const oldest = hashes.size >= rememberedKeys ? hashes.keys().next().value : undefined;
    if (oldest !== undefined) hashes.delete(oldest);
    const hash = hashOf(keyId);
    hashes.set(keyId, hash);
    return hash;
  };
  let configuration: Cell | undefined;

  return {
    of: (resource) => ({
      begin(direction, prefix) {
        const started = clock.monotonic();
        return (error) => {
          const labels = { resource, transformation_type: direction, transformer_prefix: prefix };
          operations.with({ ...labels, status: statusOf(error) }).inc();
          if (error === undefined) durations.with(labels).observe((clock.monotonic() - started) / 1000);
        };
      },
    }),
    cacheMiss: () => misses.with({}).inc(),
    keyGenerated: (took) => generations.with({}).observe(took),
    keyUsed(direction, provider, keyId) {
      const labels = { transformation_type: direction, provider_name: provider, key_id_hash: hashed(keyId), ...id };
      keys.with(labels).inc();
      keyTimes.with(labels).value = seconds();
    },
    keyInStatus(provider, keyId) {
      statusTimes.with({ provider_name: provider, key_id_hash: hashed(keyId), ...id }).value = seconds();
    },
    invalidKeyInStatus: (provider, error) => invalid.with({ provider_name: provider, error }).inc(),
    kmsCall: (provider, method, took, code) =>
      calls.with({ provider_name: provider, method_name: method, grpc_status_code: code }).observe(took),
    reloaded(status) {
      reloads.with({ status, ...id }).inc();
      reloadTimes.with({ status, ...id }).value = seconds();
    },
    configured(hash) {
      if (configuration) info.drop(configuration.labels);
      configuration = info.with({ ...id, hash });
      configuration.value = 1;
    },
  };
}
