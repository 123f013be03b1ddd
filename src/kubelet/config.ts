/** KubeletConfiguration with upstream's defaults (k8s.io/kubernetes/pkg/kubelet/apis/config/v1beta1/defaults.go), as far as this kubelet reads it. */
import { goDurationMs, type kubeletconfigV1beta1 } from '../api/index.ts';

const defaults = {
  syncFrequency: '1m',
  fileCheckFrequency: '20s',
  address: '0.0.0.0',
  port: 10250,
  readOnlyPort: 0,
  registryPullQPS: 5,
  registryBurst: 10,
  eventRecordQPS: 50,
  eventBurst: 100,
  clusterDomain: 'cluster.local',
  clusterDNS: [] as string[],
  nodeStatusUpdateFrequency: '10s',
  nodeStatusReportFrequency: '5m',
  nodeLeaseDurationSeconds: 40,
  imageMinimumGCAge: '2m',
  imageMaximumGCAge: '0s',
  imageGCHighThresholdPercent: 85,
  imageGCLowThresholdPercent: 80,
  cgroupsPerQOS: true,
  cgroupDriver: 'cgroupfs',
  cgroupRoot: '/',
  runtimeRequestTimeout: '2m',
  maxPods: 110,
  podPidsLimit: -1,
  resolvConf: '/etc/resolv.conf',
  cpuCFSQuota: true,
  cpuCFSQuotaPeriod: '100ms',
  nodeStatusMaxImages: 50,
  serializeImagePulls: true,
  evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '10%', 'nodefs.inodesFree': '5%', 'imagefs.available': '15%' } as Record<
    string,
    string
  >,
  evictionSoft: {} as Record<string, string>,
  evictionSoftGracePeriod: {} as Record<string, string>,
  evictionMaxPodGracePeriod: 0,
  evictionPressureTransitionPeriod: '5m',
  containerLogMaxSize: '10Mi',
  containerLogMaxFiles: 5,
  containerLogMonitorInterval: '10s',
  systemReserved: {} as Record<string, string>,
  kubeReserved: {} as Record<string, string>,
  registerNode: true,
  seccompDefault: false,
  allowedUnsafeSysctls: [] as string[],
  podLogsDir: '/var/log/pods',
  staticPodPath: '',
};

export type EffectiveConfiguration = Omit<kubeletconfigV1beta1.KubeletConfiguration, keyof typeof defaults> & typeof defaults;

/** The configuration with upstream's defaults where `given` says nothing. */
export function effectiveConfiguration(given: Partial<kubeletconfigV1beta1.KubeletConfiguration> = {}): EffectiveConfiguration {
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { containerRuntimeEndpoint: '', ...defaults, ...set };
}

/** The longest wait between restarts of a crashing container. */
export function maxContainerRestartMs(config: EffectiveConfiguration): number {
  const given = config.crashLoopBackOff?.maxContainerRestartPeriod;
  return given ? goDurationMs(given) : 300_000;
}
