/** What PodSecurity has decided, with upstream's metric names. */
import type { Registry } from 'prom-client';
import { counters } from '../../observability/index.ts';

/** What a request was about. */
export interface PodSecurityRequest {
  operation: string;
  /** Anything but pods is a controller of some. */
  resource: string;
  subresource: string;
}

export interface PodSecurityMetrics {
  evaluated(request: PodSecurityRequest, mode: string, policy: { level: string; version: string }, allowed: boolean): void;
  exempted(request: PodSecurityRequest): void;
}

const labelsOf = ({ operation, resource, subresource }: PodSecurityRequest) => ({
  request_operation: operation.toLowerCase(),
  resource: resource === 'pods' ? 'pod' : 'controller',
  subresource,
});

export function createPodSecurityMetrics(registry: Registry): PodSecurityMetrics {
  const evaluations = counters(registry, {
    name: 'pod_security_evaluations_total',
    help: 'Number of policy evaluations that occurred, not counting ignored or exempt requests.',
  });
  const exemptions = counters(registry, {
    name: 'pod_security_exemptions_total',
    help: 'Number of exempt requests, not counting ignored or out of scope requests.',
  });
  for (const operation of ['create', 'update'])
    for (const resource of ['pods', 'others']) exemptions.with(labelsOf({ operation, resource, subresource: '' }));
  return {
    evaluated(request, mode, { level, version }, allowed) {
      const policy = { decision: allowed ? 'allow' : 'deny', mode, policy_level: level, policy_version: version };
      evaluations.with({ ...policy, ...labelsOf(request) }).inc();
    },
    exempted: (request) => exemptions.with(labelsOf(request)).inc(),
  };
}
