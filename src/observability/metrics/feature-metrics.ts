import { Gauge, type Registry } from 'prom-client';

export interface Feature {
  name: string;
  /** Empty for what is generally available. */
  stage: string;
  enabled: boolean;
}

/** kubernetes_feature_enabled; `features` is read when somebody asks. */
export function registerFeatures(registry: Registry, features: () => Iterable<Feature>): void {
  new Gauge({
    name: 'kubernetes_feature_enabled',
    help: 'This metric records the data about the stage and enablement of a k8s feature.',
    labelNames: ['name', 'stage'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { name, stage, enabled } of features()) this.set({ name, stage }, enabled ? 1 : 0);
    },
  });
}
