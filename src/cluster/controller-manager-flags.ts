/** kube-controller-manager's flags as the configuration of the controllers. */
import type { ControllerConfig } from '../controllers/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { durationMs } from './flags.ts';

type Setting = { [K in keyof ControllerConfig]: ControllerConfig[K] extends number ? K : never }[keyof ControllerConfig];

const durations: Readonly<Record<string, Setting>> = {
  'cluster-signing-duration': 'clusterSigningDurationMs',
  'legacy-service-account-token-clean-up-period': 'legacyTokenCleanUpPeriodMs',
  'node-monitor-period': 'nodeMonitorPeriodMs',
  'node-monitor-grace-period': 'nodeMonitorGracePeriodMs',
  'node-startup-grace-period': 'nodeStartupGracePeriodMs',
  'resource-quota-sync-period': 'resourceQuotaSyncPeriodMs',
};
const integers: Readonly<Record<string, Setting>> = {
  'node-cidr-mask-size-ipv4': 'nodeCidrMaskSizeIpv4',
  'node-cidr-mask-size-ipv6': 'nodeCidrMaskSizeIpv6',
  'large-cluster-size-threshold': 'largeClusterSizeThreshold',
  'terminated-pod-gc-threshold': 'terminatedPodGcThreshold',
  'max-endpoints-per-slice': 'maxEndpointsPerSlice',
  'mirroring-max-endpoints-per-subset': 'mirroringMaxEndpointsPerSubset',
};
const fractions: Readonly<Record<string, Setting>> = {
  'node-eviction-rate': 'nodeEvictionRate',
  'secondary-node-eviction-rate': 'secondaryNodeEvictionRate',
  'unhealthy-zone-threshold': 'unhealthyZoneThreshold',
};
/** How many objects of each kind are worked on at a time, by flag. */
const concurrency: Readonly<Record<string, string>> = {
  'concurrent-cron-job-syncs': 'cronjob-controller',
  'concurrent-daemonset-syncs': 'daemonset-controller',
  'concurrent-deployment-syncs': 'deployment-controller',
  'concurrent-endpoint-syncs': 'endpoints-controller',
  'concurrent-ephemeralvolume-syncs': 'ephemeral-volume-controller',
  'concurrent-gc-syncs': 'garbage-collector-controller',
  'concurrent-job-syncs': 'job-controller',
  'concurrent-namespace-syncs': 'namespace-controller',
  'concurrent-rc-syncs': 'replicationcontroller-controller',
  'concurrent-replicaset-syncs': 'replicaset-controller',
  'concurrent-resource-quota-syncs': 'resourcequota-controller',
  'concurrent-service-endpoint-syncs': 'endpointslice-controller',
  'concurrent-statefulset-syncs': 'statefulset-controller',
  'concurrent-ttl-after-finished-syncs': 'ttl-after-finished-controller',
  'concurrent-validating-admission-policy-status-syncs': 'validatingadmissionpolicy-status-controller',
  'mirroring-concurrent-service-endpoint-syncs': 'endpointslice-mirroring-controller',
};

export const controllerFlags = [
  'node-cidr-mask-size',
  ...Object.keys({ ...durations, ...integers, ...fractions, ...concurrency }),
] as const;

function numberOf(flag: string, text: string, parser: 'ParseInt' | 'ParseFloat'): number {
  const pattern = parser === 'ParseInt' ? /^[+-]?\d+$/ : /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
  if (pattern.test(text)) return Number(text);
  const quoted = JSON.stringify(text);
  throw new ClusterError(`invalid argument ${quoted} for "--${flag}" flag: strconv.${parser}: parsing ${quoted}: invalid syntax`);
}

/** Throws ClusterError in upstream's words for a value that cannot be read, or makes no sense. */
export function controllerConfig(args: ComponentArgs): Partial<ControllerConfig> {
  const config: Partial<Record<Setting, number>> = {};
  const concurrentSyncs: Record<string, number> = {};
  for (const [flag, text] of Object.entries(args)) {
    const [duration, integer, fraction, controller] = [durations[flag], integers[flag], fractions[flag], concurrency[flag]];
    if (duration) config[duration] = durationMs(text);
    if (integer) config[integer] = numberOf(flag, text, 'ParseInt');
    if (fraction) config[fraction] = numberOf(flag, text, 'ParseFloat');
    if (controller) concurrentSyncs[controller] = Math.max(1, numberOf(flag, text, 'ParseInt'));
  }
  const mask = args['node-cidr-mask-size'];
  if (mask) config.nodeCidrMaskSizeIpv4 = numberOf('node-cidr-mask-size', mask, 'ParseInt');
  const outside = (flag: string, value: number | undefined, least: number, most: number, why: string) => {
    if (value !== undefined && (value < least || value > most)) throw new ClusterError(`${flag} ${why}`);
  };
  const slices = (most: number, name: string, value: number | undefined) => {
    outside(name, value, 1, Number.POSITIVE_INFINITY, `can't be less than 1, but is set ${value}`);
    outside(name, value, 1, most, `can't be more than ${most}, but is set ${value}`);
  };
  if (config.legacyTokenCleanUpPeriodMs !== undefined && config.legacyTokenCleanUpPeriodMs <= 0)
    throw new ClusterError(`invalid CleanUpPeriod: ${args['legacy-service-account-token-clean-up-period']}`);
  slices(1000, 'max-endpoints-per-slice', config.maxEndpointsPerSlice);
  slices(1000, 'mirroring-max-endpoints-per-subset', config.mirroringMaxEndpointsPerSubset);
  return { ...config, concurrentSyncs };
}
