import { type Pod, podLimits, podRequests, type ResourceRequirements, toResourceList } from '../../api/index.ts';
import type { cri } from '../../runtime/index.ts';
import type { KubeletContext } from '../context.ts';
import { isSidecar } from '../pod/containers.ts';
import { isHostNetwork, uidOf } from '../pod/identity.ts';
import { dottedSysctl } from '../pod/sysctls.ts';
import { podHostname, podResolver, type ResolverConfig } from './dns.ts';
import { sandboxAnnotations, sandboxLabels } from './labels.ts';
import { linuxResources } from './linux-resources.ts';
import { sandboxSecurityContext } from './security-context.ts';

/** A pod's sandbox in CRI's terms. */
export function sandboxConfig(
  pod: Pod,
  attempt: number,
  host: ResolverConfig,
  cgroupParent: string,
  context: Pick<KubeletContext, 'config' | 'hostname' | 'paths'>,
  now: string,
): cri.PodSandboxConfig {
  const { config } = context;
  const dns = podResolver(pod, host, { servers: config.clusterDNS, domain: config.clusterDomain });
  const { hostname } = podHostname(pod, context.hostname, config.clusterDomain);
  const portMappings = isHostNetwork(pod)
    ? []
    : [...pod.spec.containers, ...(pod.spec.initContainers ?? []).filter(isSidecar)]
        .flatMap((c) => c.ports ?? [])
        .filter((p) => (p.hostPort ?? 0) > 0)
        .map(
          (p): cri.PortMapping => ({
            protocol: p.protocol ?? 'TCP',
            containerPort: p.containerPort,
            hostPort: p.hostPort ?? 0,
            hostIp: p.hostIP ?? '',
          }),
        );
  const inKernelUnits = (resources: ResourceRequirements) => {
    const { oomScoreAdj: _, ...rest } = linuxResources(resources, {
      cfsQuota: config.cpuCFSQuota,
      cfsPeriodMicros: 100_000,
      oomScoreAdj: 0,
    });
    return rest;
  };
  // What the sandbox itself needs is told apart from what its containers may use.
  const { overhead, ...containers } = pod.spec;
  return {
    metadata: { name: pod.metadata.name ?? '', namespace: pod.metadata.namespace ?? '', uid: uidOf(pod), attempt },
    // In the host's network the runtime gives the host's own name.
    ...(isHostNetwork(pod) && !pod.spec.hostnameOverride ? {} : { hostname }),
    logDirectory: context.paths.podLogs(pod),
    dnsConfig: { servers: dns.servers, searches: dns.searches, options: dns.options },
    portMappings,
    labels: sandboxLabels(pod),
    annotations: sandboxAnnotations(pod, now),
    linux: {
      cgroupParent,
      securityContext: sandboxSecurityContext(pod),
      sysctls: Object.fromEntries((pod.spec.securityContext?.sysctls ?? []).map(({ name, value }) => [dottedSysctl(name), value])),
      resources: inKernelUnits({
        requests: toResourceList(podRequests(containers)),
        limits: toResourceList(podLimits(containers)),
      }),
      ...(overhead ? { overhead: inKernelUnits({ requests: overhead, limits: overhead }) } : {}),
    },
  };
}
