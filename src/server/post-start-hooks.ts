import type { HealthCheck, HealthEndpoint } from '../observability/index.ts';

/** What is done after the start, in upstream's order and under its names; of what upstream does, what this server does. */
const order = [
  'poststarthook/start-apiserver-admission-initializer',
  'poststarthook/generic-apiserver-start-informers',
  'poststarthook/priority-and-fairness-config-consumer',
  'poststarthook/priority-and-fairness-filter',
  'poststarthook/start-apiextensions-informers',
  'poststarthook/start-apiextensions-controllers',
  'poststarthook/crd-informer-synced',
  'poststarthook/start-system-namespaces-controller',
  'poststarthook/start-kube-apiserver-coordinated-leader-election-controller',
  'poststarthook/start-cluster-authentication-info-controller',
  'poststarthook/start-kube-apiserver-identity-lease-controller',
  'poststarthook/start-kube-apiserver-identity-lease-garbage-collector',
  'poststarthook/start-legacy-token-tracking-controller',
  'poststarthook/start-service-ip-repair-controllers',
  'poststarthook/rbac/bootstrap-roles',
  'poststarthook/scheduling/bootstrap-system-priority-classes',
  'poststarthook/priority-and-fairness-config-producer',
  'poststarthook/bootstrap-controller',
  'poststarthook/start-kubernetes-service-cidr-controller',
  'poststarthook/aggregator-reload-proxy-client-cert',
  'poststarthook/start-kube-aggregator-informers',
  'poststarthook/apiservice-status-local-available-controller',
  'poststarthook/apiservice-status-remote-available-controller',
  'poststarthook/apiservice-registration-controller',
  'poststarthook/apiservice-discovery-controller',
  'poststarthook/built-in-resources-storage-version-updater',
  'poststarthook/kube-apiserver-autoregistration',
  'autoregister-completion',
  'poststarthook/apiservice-openapi-controller',
  'poststarthook/apiservice-openapiv3-controller',
] as const;

export type PostStartHook = (typeof order)[number] extends infer Name
  ? Name extends `poststarthook/${infer Short}`
    ? Short
    : Name
  : never;

export interface PostStartHooks {
  /** These are to be done yet. */
  expect(...names: PostStartHook[]): void;
  done(...names: PostStartHook[]): void;
  /** Is done when the work is. */
  run<T>(name: PostStartHook, work: Promise<T>): Promise<T>;
  /**
   * Adds a health check for each that is done or expected. `assumed`: whether /livez still takes what is expected for done
   * (--livez-grace-period).
   */
  list(add: (check: HealthCheck, endpoints: readonly HealthEndpoint[]) => void, assumed?: () => boolean): void;
}

/** Names what is done after the start, so that health checks tell how far it is. */
export function postStartHooks(): PostStartHooks {
  const known = new Map<string, boolean>();
  const done = (...names: string[]) => {
    for (const name of names) known.set(name, true);
  };
  return {
    done,
    expect(...names) {
      for (const name of names) known.set(name, false);
    },
    async run(name, work) {
      const result = await work;
      done(name);
      return result;
    },
    list(add, assumed = () => false) {
      for (const name of order) {
        const short = name.replace('poststarthook/', '');
        if (!known.has(short)) continue;
        const check = (): void => {
          if (!known.get(short)) throw new Error('not finished');
        };
        add({ name, check }, ['healthz', 'readyz']);
        add({ name, check: () => (assumed() ? undefined : check()) }, ['livez']);
      }
    },
  };
}
