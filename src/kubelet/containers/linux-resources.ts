/** Requests and limits in the kernel's units. */
import { type PodQOSClass, quantityMilliValue, quantityValue, type ResourceList, type ResourceRequirements } from '../../api/index.ts';
import type { cri } from '../../runtime/index.ts';

const minShares = 2;
const maxShares = 262_144;
const minQuota = 1000;

/** CPU weight of cgroup v1: 1024 a core. */
export function cpuShares(milli: number): number {
  if (milli === 0) return minShares;
  return Math.min(maxShares, Math.max(minShares, Math.floor((milli * 1024) / 1000)));
}

/** Microseconds of CPU in each period. */
export function cpuQuota(milli: number, periodMicros: number): number {
  return milli === 0 ? 0 : Math.max(minQuota, Math.floor((milli * periodMicros) / 1000));
}

export const milliCpu = (list: ResourceList | undefined) => (list?.cpu ? quantityMilliValue(list.cpu) : 0);
export const memoryBytes = (list: ResourceList | undefined) => (list?.memory ? quantityValue(list.memory) : 0);

/** Who dies first when memory runs out (upstream's qos.GetContainerOOMScoreAdjust). */
export function oomScoreAdjust(qos: PodQOSClass, critical: boolean, memoryRequest: number, memoryCapacity: number): number {
  if (critical || qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const share = 1000 - Math.floor((1000 * memoryRequest) / Math.max(1, memoryCapacity));
  return Math.min(999, Math.max(3, share));
}

export interface LinuxResourceOptions {
  cfsQuota: boolean;
  cfsPeriodMicros: number;
  oomScoreAdj: number;
}

export function linuxResources(resources: ResourceRequirements | undefined, options: LinuxResourceOptions): cri.LinuxContainerResources {
  const request = milliCpu(resources?.requests);
  const limit = milliCpu(resources?.limits);
  const memory = memoryBytes(resources?.limits);
  const quota = options.cfsQuota ? cpuQuota(limit, options.cfsPeriodMicros) : 0;
  const hugepages = Object.entries(resources?.limits ?? {})
    .filter(([name]) => name.startsWith('hugepages-'))
    .map(([name, amount]) => ({ pageSize: `${name.slice('hugepages-'.length).replace(/i$/, '')}B`, limit: quantityValue(amount) }));
  return {
    cpuShares: cpuShares(resources?.requests?.cpu === undefined && limit > 0 ? limit : request),
    ...(quota > 0 ? { cpuQuota: quota, cpuPeriod: options.cfsPeriodMicros } : {}),
    ...(memory > 0 ? { memoryLimitInBytes: memory } : {}),
    oomScoreAdj: options.oomScoreAdj,
    ...(hugepages.length > 0 ? { hugepageLimits: hugepages } : {}),
  };
}
