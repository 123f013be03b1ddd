/** How long admission takes, by plugin and by step, with upstream's names and labels. */
import type { Registry } from 'prom-client';
import { type HistogramCell, histograms } from '../../observability/index.ts';
import type { Clock } from '../../time/index.ts';
import type { AdmissionRequest } from '../request.ts';

const buckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5];

export type AdmissionType = 'admit' | 'validate';

export interface AdmissionMetrics {
  /** The present, for `note`. */
  now(): number;
  /** Notes how long a plugin, or with no name a whole step, has taken since `startedMs`, and how it ended. Answers the present. */
  note(name: string | undefined, type: AdmissionType, request: AdmissionRequest, startedMs: number, rejected: boolean): number;
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
  /** By name and operation, then by what has happened. */
  const known = new Map<string | undefined, Map<string, (HistogramCell | undefined)[]>>();
  const cellsOf = (name: string | undefined, operation: string) => {
    let ofName = known.get(name);
    if (ofName === undefined) {
      ofName = new Map();
      known.set(name, ofName);
    }
    let cells = ofName.get(operation);
    if (cells === undefined) {
      cells = [];
      ofName.set(operation, cells);
    }
    return cells;
  };
  return {
    now: () => clock.monotonic(),
    note(name, type, { operation }, startedMs, rejected) {
      const cells = cellsOf(name, operation);
      const which = (type === 'admit' ? 0 : 2) + (rejected ? 1 : 0);
      let cell = cells[which];
      if (cell === undefined) {
        const labels = { type, operation, rejected: String(rejected) };
        cell = name === undefined ? steps.with(labels) : plugins.with({ name, ...labels });
        cells[which] = cell;
      }
      const presentMs = clock.monotonic();
      cell.observe((presentMs - startedMs) / 1000);
      return presentMs;
    },
  };
}
