/** What Services have been given of addresses and node ports, and what is left, with upstream's metric names. */
import { Gauge, type Registry } from 'prom-client';
import { counters } from '../../observability/index.ts';

/** Asked for by name, or chosen by the server. */
export type AllocationScope = 'static' | 'dynamic';

export interface Usage {
  taken: number;
  free: number;
}

export interface AllocationMetrics {
  address(cidr: string, scope: AllocationScope): void;
  addressFailed(cidr: string, scope: AllocationScope): void;
  port(scope: AllocationScope): void;
  portFailed(scope: AllocationScope): void;
  /** Where to look for what is taken when somebody asks. */
  observe(addresses: () => Iterable<Usage & { cidr: string }>, ports: () => Usage): void;
}

export function createAllocationMetrics(registry: Registry): AllocationMetrics {
  const allocator = (kind: 'clusterip' | 'nodeport', what: string, trying: string) => {
    const prefix = `kube_apiserver_${kind}_allocator_`;
    return {
      total: counters(registry, { name: `${prefix}allocation_total`, help: `Number of ${what} allocations` }),
      errors: counters(registry, { name: `${prefix}allocation_errors_total`, help: `Number of errors trying to allocate ${trying}` }),
    };
  };
  const addresses = allocator('clusterip', 'Cluster IPs', 'Cluster IPs');
  const ports = allocator('nodeport', 'NodePort', 'NodePort');
  return {
    address: (cidr, scope) => addresses.total.with({ cidr, scope }).inc(),
    addressFailed: (cidr, scope) => addresses.errors.with({ cidr, scope }).inc(),
    port: (scope) => ports.total.with({ scope }).inc(),
    portFailed: (scope) => ports.errors.with({ scope }).inc(),
    observe(ranges, portUsage) {
      const usages = [
        { state: 'allocated', of: 'taken' },
        { state: 'available', of: 'free' },
      ] as const;
      for (const { state, of } of usages) {
        new Gauge({
          name: `kube_apiserver_clusterip_allocator_${state}_ips`,
          help: `Gauge measuring the number of ${state} IPs for Services`,
          labelNames: ['cidr'],
          registers: [registry],
          collect() {
            this.reset();
            for (const { cidr, ...usage } of ranges()) this.set({ cidr }, usage[of]);
          },
        });
        new Gauge({
          name: `kube_apiserver_nodeport_allocator_${state}_ports`,
          help: `Gauge measuring the number of ${state} NodePorts for Services`,
          registers: [registry],
          collect() {
            this.set(portUsage()[of]);
          },
        });
      }
    },
  };
}
