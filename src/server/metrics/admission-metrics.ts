/** How long admission takes, by plugin and by step, with upstream's names and labels. */
import type { Registry } from 'prom-client';
import { type HistogramCell, histograms } from '../../observability/index.ts';
import type { Clock } from '../../time/index.ts';
import type { AdmissionRequest } from '../request.ts';

const buckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5];

export type AdmissionType = 'admit' | 'validate';

export interface AdmissionMetrics {
  /** Runs a plugin, or with no name a whole step, and notes how long it took. What is done at once is no promise. */
  measure(name: string | undefined, type: AdmissionType, request: AdmissionRequest, run: () => Promise<void> | void): Promise<void> | void;
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
  /** By name, then by what has happened. */
  const known = new Map<string, Map<string, HistogramCell>>();
  const cellOf = (name: string | undefined, type: AdmissionType, operation: string, rejected: boolean): HistogramCell => {
    let cells = known.get(name ?? '');
    if (cells === undefined) {
      cells = new Map();
      known.set(name ?? '', cells);
    }
    const key = type + operation + rejected;
    let cell = cells.get(key);
    if (cell === undefined) {
      const labels = { type, operation, rejected: String(rejected) };
      cell = name === undefined ? steps.with(labels) : plugins.with({ name, ...labels });
      cells.set(key, cell);
    }
    return cell;
  };
  return {
    measure(name, type, { operation }, run) {
      const started = clock.monotonic();
      const note = (rejected: boolean) => cellOf(name, type, operation, rejected).observe((clock.monotonic() - started) / 1000);
      const refused = (error: unknown): never => {
        note(true);
        throw error;
      };
      let answer: Promise<void> | void;
      try {
        answer = run();
      } catch (error) {
        return refused(error);
      }
      if (answer === undefined) note(false);
      else return answer.then(() => note(false), refused);
    },
  };
}
