import type { Registry } from 'prom-client';
import { counters } from '../../observability/index.ts';

/**
 * What upstream counts of its two validations, one written by hand and one declared, which are to agree. Here one table says both, so
 * that they can't differ, and a panic is a request that fails: what is counted stays zero.
 */
export function registerValidationMetrics(registry: Registry): void {
  const never = (what: string, help: string) =>
    counters(registry, { name: `apiserver_validation_declarative_validation_${what}_total`, help }).with({});
  never('mismatch', 'Number of times declarative validation results differed from handwritten validation results for core types.');
  never('panic', 'Number of times declarative validation has panicked during validation.');
}
