import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

type Labels = Readonly<Record<string, string>>;

/** Makes a controller's own metrics; where nobody collects them, they do nothing. A term that begins anew goes on with what there is. */
export interface ControllerMetrics {
  counter(name: string, help: string, labels: readonly string[]): (of: Labels, by?: number) => void;
  histogram(name: string, help: string, labels: readonly string[], buckets: readonly number[]): (of: Labels, seconds: number) => void;
  gauge(name: string, help: string, labels: readonly string[]): { set(of: Labels, value: number): void; remove(of: Labels): void };
}

const nothing = () => undefined;
export const noMetrics: ControllerMetrics = {
  counter: () => nothing,
  histogram: () => nothing,
  gauge: () => ({ set: nothing, remove: nothing }),
};

export function createControllerMetrics(registry: Registry): ControllerMetrics {
  const registers = [registry];
  return {
    counter(name, help, labelNames) {
      // Whoever has made one of this name has made it here.
      const known = registry.getSingleMetric(name) as Counter | undefined;
      const metric = known ?? new Counter({ name, help, labelNames: [...labelNames], registers });
      return (of, by = 1) => metric.inc(of, by);
    },
    histogram(name, help, labelNames, buckets) {
      const known = registry.getSingleMetric(name) as Histogram | undefined;
      const metric = known ?? new Histogram({ name, help, labelNames: [...labelNames], buckets: [...buckets], registers });
      return (of, seconds) => metric.observe(of, seconds);
    },
    gauge(name, help, labelNames) {
      const known = registry.getSingleMetric(name) as Gauge | undefined;
      const metric = known ?? new Gauge({ name, help, labelNames: [...labelNames], registers });
      return { set: (of, value) => metric.set(of, value), remove: (of) => metric.remove(of) };
    },
  };
}
