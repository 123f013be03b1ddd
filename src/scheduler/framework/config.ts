/** The scheduler's configuration file (`kubescheduler.config.k8s.io/v1`), as far as plugins and profiles go. */
import type { Pod, schedulerconfigV1 } from '../../api/index.ts';

export type DefaultPreemptionArgs = schedulerconfigV1.DefaultPreemptionArgs;
export type InterPodAffinityArgs = schedulerconfigV1.InterPodAffinityArgs;
export type KubeSchedulerProfile = schedulerconfigV1.KubeSchedulerProfile;
export type NodeResourcesBalancedAllocationArgs = schedulerconfigV1.NodeResourcesBalancedAllocationArgs;
export type NodeResourcesFitArgs = schedulerconfigV1.NodeResourcesFitArgs;
export type Plugins = schedulerconfigV1.Plugins;
export type PluginSet = schedulerconfigV1.PluginSet;
export type PodTopologySpreadArgs = schedulerconfigV1.PodTopologySpreadArgs;
export type ResourceSpec = schedulerconfigV1.ResourceSpec;
export type ScoringStrategy = schedulerconfigV1.ScoringStrategy;
export type UtilizationShapePoint = schedulerconfigV1.UtilizationShapePoint;
export type VolumeBindingArgs = schedulerconfigV1.VolumeBindingArgs;

/** What the scheduler reads of its configuration. Client and leader election are composed elsewhere. */
export type SchedulerConfig = Partial<
  Pick<
    schedulerconfigV1.KubeSchedulerConfiguration,
    'extenders' | 'percentageOfNodesToScore' | 'podInitialBackoffSeconds' | 'podMaxBackoffSeconds' | 'profiles'
  >
>;

export const defaultSchedulerName = 'default-scheduler';

/** The profile that a pod asks for. */
export function schedulerNameOf(pod: Pod): string {
  return pod.spec.schedulerName || defaultSchedulerName;
}
