/** Which kinds of service accounts' tokens are used, with upstream's metric names. */
import type { Registry } from 'prom-client';
import { type Cell, counters } from '../../observability/index.ts';

export interface ServiceAccountMetrics {
  /** Tokens of Secrets. */
  legacy: Cell;
  legacyAuto: Cell;
  legacyManual: Cell;
  legacyInvalid: Cell;
  /** Tokens of pods that should have been read anew. */
  stale: Cell;
  valid: Cell;
}

export function createServiceAccountMetrics(registry: Registry): ServiceAccountMetrics {
  const counter = (name: string, help: string) => counters(registry, { name: `serviceaccount_${name}`, help }).with({});
  return {
    legacy: counter('legacy_tokens_total', 'Cumulative legacy service account tokens used'),
    legacyAuto: counter('legacy_auto_token_uses_total', 'Cumulative auto-generated legacy tokens used'),
    legacyManual: counter('legacy_manual_token_uses_total', 'Cumulative manually created legacy tokens used'),
    legacyInvalid: counter('invalid_legacy_auto_token_uses_total', 'Cumulative invalid auto-generated legacy tokens used'),
    stale: counter('stale_tokens_total', 'Cumulative stale projected service account tokens used'),
    valid: counter('valid_tokens_total', 'Cumulative valid projected service account tokens used'),
  };
}
