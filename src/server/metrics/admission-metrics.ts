/** How long admission takes, by plugin and by step, with upstream's names and labels. */
import type { Registry } from 'prom-client';
import { type HistogramCell, histograms } from '../../observability/index.ts';
import type { Clock } from '../../time/index.ts';
import type { AdmissionRequest } from '../request.ts';

const buckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5];

export type AdmissionType = 'admit' | 'validate';

export interface AdmissionMetrics {
  /** Runs a plugin, or with no name a whole step, and notes how long it took. */
  measure(name: string | undefined, type: AdmissionType, request: AdmissionRequest, run: () => Promise<void> | void): Promise<void>;
}

export function createAdmissionMetrics(registry: Registry, clock: Clock): AdmissionMetrics {
  const plugins = histograms(registry, {
    name: 'apiserver_admission_controller_admission_duration_seconds',
    help: 'Admission controller latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).',
    buckets,
  });
  const steps = histograms(registry, {
    name: 'apiserver_admission_step_admission_duration_seconds',
    help: 'Admission sub-step latency histogram in seconds, broken out for each operation and API resource and step type (validate or admit).',
    buckets,
  });
  const known = new Map<string, HistogramCell>();
  const cellOf = (name: string | undefined, type: AdmissionType, operation: string, rejected: boolean): HistogramCell => {
    const key = `${name ?? ''} ${type} ${operation} ${rejected}`;
    let cell = known.get(key);
    if (cell === undefined) {
      const labels = { type, operation, rejected: String(rejected) };
      cell = name === undefined ? steps.with(labels) : plugins.with({ name, ...labels });
      known.set(key, cell);
    }
    return cell;
  };
  return {
    async measure(name, type, request, run) {
      const started = clock.monotonic();
      let rejected = true;
      try {
        await run();
        rejected = false;
      } finally {
        cellOf(name, type, request.operation, rejected).observe((clock.monotonic() - started) / 1000);
      }
    },
  };
}
