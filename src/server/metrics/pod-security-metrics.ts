/** What PodSecurity has decided, with upstream's metric names. */
import type { Registry } from 'prom-client';
import { counters, versionInfo } from '../../observability/index.ts';

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
  /** What kept it from deciding as it should; a fatal failure is a refusal. */
  failed(request: PodSecurityRequest, fatal: boolean): void;
}

const labelsOf = ({ operation, resource, subresource }: PodSecurityRequest) => ({
  request_operation: operation.toLowerCase(),
  resource: resource === 'pods' ? 'pod' : 'controller',
  subresource,
});

/** Policies of versions that are not there yet count as one. */
function versionLabel({ level, version }: { level: string; version: string }): string {
  if (version === 'latest' || level === 'privileged') return 'latest';
  return Number(version.slice('v1.'.length)) > Number.parseInt(versionInfo().minor, 10) ? 'future' : version;
}

export function createPodSecurityMetrics(registry: Registry): PodSecurityMetrics {
  const evaluations = counters(registry, {
    name: 'pod_security_evaluations_total',
    help: 'Number of policy evaluations that occurred, not counting ignored or exempt requests.',
  });
  const exemptions = counters(registry, {
    name: 'pod_security_exemptions_total',
    help: 'Number of exempt requests, not counting ignored or out of scope requests.',
  });
  const failures = counters(registry, {
    name: 'pod_security_errors_total',
    help: 'Number of errors preventing normal evaluation. Non-fatal errors may result in the latest restricted profile being used for evaluation.',
  });
  const privileged = { decision: 'allow', mode: 'enforce', policy_level: 'privileged', policy_version: 'latest' };
  for (const operation of ['create', 'update'])
    evaluations.with({ ...privileged, ...labelsOf({ operation, resource: 'pods', subresource: '' }) });
  for (const operation of ['create', 'update'])
    for (const resource of ['pods', 'others']) exemptions.with(labelsOf({ operation, resource, subresource: '' }));
  return {
    evaluated(request, mode, policy, allowed) {
      const decided = { decision: allowed ? 'allow' : 'deny', mode, policy_level: policy.level, policy_version: versionLabel(policy) };
      evaluations.with({ ...decided, ...labelsOf(request) }).inc();
    },
    exempted: (request) => exemptions.with(labelsOf(request)).inc(),
    failed: (request, fatal) => failures.with({ fatal: String(fatal), ...labelsOf(request) }).inc(),
  };
}
