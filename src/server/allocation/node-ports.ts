/** Which node ports a Service gets (upstream: pkg/registry/core/service/storage/alloc.go). */
import {
  allocatesNodePorts,
  errors,
  FieldPath,
  needsHealthCheckNodePort,
  needsNodePort,
  type Service,
  StatusError,
} from '../../api/index.ts';
import type { Random } from '../../time/index.ts';
import type { AllocationMetrics, AllocationScope } from '../metrics/allocation-metrics.ts';
import type { PortRange } from './port-range.ts';
import { pickFree, portBand, type Reservations } from './reservations.ts';
import { refuseService } from './service-fields.ts';

export interface NodePortContext {
  range: PortRange;
  reserved: Reservations;
  random: Random;
  metrics: AllocationMetrics | undefined;
  /** Reserves a port for the Service. */
  take(port: number, scope: AllocationScope): void;
}

const portsPath = new FieldPath('spec').child('ports');
const nodePortsOf = ({ spec }: Service) => new Set((spec.ports ?? []).flatMap(({ nodePort }) => (nodePort ? [nodePort] : [])));

/** Fills in what is missing. Throws where a port can't be had. */
export function allocateNodePorts(service: Service, prev: Service | undefined, context: NodePortContext): void {
  const { range, reserved, random, metrics } = context;
  const owner = service.metadata.uid;
  const before = prev ? nodePortsOf(prev) : new Set<number>();
  /** What the Service has itself, by now or from before: neither can be had once more. */
  const own = new Set(before);
  if (prev?.spec.healthCheckNodePort) own.add(prev.spec.healthCheckNodePort);
  const take = (port: number, scope: AllocationScope): number => {
    own.add(port);
    context.take(port, scope);
    return port;
  };
  /** What is wrong with asking for a port; undefined where it has been taken. */
  const claim = (port: number): string | undefined => {
    if (port < range.first || port > range.last)
      return `provided port is not in the valid range. The range of valid ports is ${range.first}-${range.last}`;
    if (own.has(port) || !reserved.isFree(String(port), owner)) {
      metrics?.portFailed('static');
      return 'provided port is already allocated';
    }
    take(port, 'static');
    return undefined;
  };
  const claimAt = (i: number, port: number): number => {
    const why = claim(port);
    if (why !== undefined) refuseService(service, (e) => e.invalid(portsPath.index(i).child('nodePort'), port, why));
    return port;
  };
  const pick = (what: string): number => {
    const size = range.last - range.first + 1;
    const n = pickFree(size, portBand(size), random, (i) => reserved.isTaken(String(range.first + i - 1)));
    if (n !== undefined) return take(range.first + n - 1, 'dynamic');
    metrics?.portFailed('dynamic');
    throw errors.internal(`failed to allocate a ${what}: range is full`);
  };

  const list = needsNodePort(service) ? (service.spec.ports ?? []) : [];
  const isLeftOut = (nodePort: number | undefined) => !nodePort && !allocatesNodePorts(service);
  if (prev === undefined) {
    // The protocols of one port share a node port, unless they ask for several.
    const byPort = new Map<number, number>();
    for (const [i, port] of list.entries()) {
      if (isLeftOut(port.nodePort)) continue;
      const shared = byPort.get(port.port);
      if (shared === undefined) {
        const asked = list.find((other) => other.port === port.port && other.nodePort)?.nodePort;
        port.nodePort = asked ? claimAt(i, asked) : pick('nodePort');
        byPort.set(port.port, port.nodePort);
      } else if (!port.nodePort) port.nodePort = shared;
      else if (port.nodePort !== shared) claimAt(i, port.nodePort);
    }
  } else {
    const claimed = new Set<number>();
    const seen = new Set<string>();
    for (const [i, port] of list.entries()) {
      if (isLeftOut(port.nodePort)) continue;
      if (!port.nodePort) port.nodePort = pick('nodePort');
      else if (!before.has(port.nodePort) && !claimed.has(port.nodePort)) claimed.add(claimAt(i, port.nodePort));
      const key = `{${port.protocol} ${port.nodePort}}`;
      if (seen.has(key)) throw new StatusError(500, '', `duplicate nodePort: ${key}`);
      seen.add(key);
    }
  }

  // Once it is there it does not change.
  if (!needsHealthCheckNodePort(service) || (prev && needsHealthCheckNodePort(prev))) return;
  const asked = service.spec.healthCheckNodePort;
  const why = asked ? claim(asked) : undefined;
  if (why !== undefined) throw errors.internal(`failed to allocate requested HealthCheck NodePort ${asked}: ${why}`);
  service.spec.healthCheckNodePort = asked || pick('HealthCheck NodePort 0');
}
