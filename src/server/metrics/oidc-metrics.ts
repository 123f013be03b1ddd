/** What tokens of OpenID Connect's providers take, and how current their keys are, with upstream's metric names. */
import type { Registry } from 'prom-client';
import { type Cell, gauges, histograms } from '../../observability/index.ts';
import type { Clock } from '../../time/index.ts';
import { hashOf } from './hash-of.ts';

export interface OidcMetrics {
  /** A token of this issuer has been looked at. */
  authenticated(issuer: string, result: 'success' | 'failure', seconds: number): void;
  /** Its keys have been asked for; undefined: in vain. */
  keysFetched(issuer: string, keySet: string | undefined): void;
}

/** `serverId`: which API server this is among those of a cluster; told by its hash. */
export function createOidcMetrics(registry: Registry, clock: Clock, serverId: string): OidcMetrics {
  const prefix = 'apiserver_authentication_jwt_authenticator_';
  const id = { apiserver_id_hash: hashOf(serverId) };
  const latencies = histograms(registry, {
    name: `${prefix}latency_seconds`,
    help: 'Latency of jwt authentication operations in seconds. This is the time spent authenticating a token for cache miss only (i.e. when the token is not found in the cache).',
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  });
  const fetches = gauges(registry, {
    name: `${prefix}jwks_fetch_last_timestamp_seconds`,
    help: 'Timestamp of the last successful or failed JWKS fetch split by result, api server identity and jwt issuer for the JWT authenticator.',
  });
  const keySets = gauges(registry, {
    name: `${prefix}jwks_fetch_last_key_set_info`,
    help: 'Information about the last JWKS fetched by the JWT authenticator with hash as label, split by api server identity and jwt issuer.',
  });
  /** By issuer. */
  const present = new Map<string, Cell>();
  return {
    authenticated: (issuer, result, seconds) => latencies.with({ result, jwt_issuer_hash: hashOf(issuer) }).observe(seconds),
    keysFetched(issuer, keySet) {
      const labels = { jwt_issuer_hash: hashOf(issuer), ...id };
      fetches.with({ result: keySet === undefined ? 'failure' : 'success', ...labels }).value = clock.now() / 1000;
      if (keySet === undefined) return;
      const before = present.get(issuer);
      if (before) keySets.drop(before.labels);
      const cell = keySets.with({ ...labels, hash: hashOf(keySet) });
      cell.value = 1;
      present.set(issuer, cell);
    },
  };
}
