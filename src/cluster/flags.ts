/** Flags that `k8ts up` hands through to components, read as upstream's components read them. */
import { goDurationProblem, type kubeletconfigV1beta1, parseGoBool, parseGoDuration } from '../api/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { checkFlagTypes } from './flag-types.ts';
import { logFlags } from './log-flags.ts';

/** Fails on a flag that the component does not know, or a value that is not of its kind, in upstream's words. */
export function checkFlags(args: ComponentArgs, known: readonly string[]): void {
  for (const flag of Object.keys(args)) if (!known.includes(flag)) throw new ClusterError(`unknown flag: --${flag}`);
  checkFlagTypes(args);
}

export const list = (text: string | undefined): string[] => (text ?? '').split(',').filter((item) => item !== '');
export const flag = (text: string | undefined, otherwise: boolean): boolean =>
  text === undefined ? otherwise : text === '' || parseGoBool(text) === true;

type KubeletConfiguration = kubeletconfigV1beta1.KubeletConfiguration;

/** `memory.available<100Mi,nodefs.available<10%`, or `cpu=100m,memory=1Gi`. */
const pairs = (text: string, separator: string): Record<string, string> =>
  Object.fromEntries(
    list(text).map((pair) => {
      const [key = '', value] = pair.split(separator);
      if (value === undefined) throw new ClusterError(`invalid argument ${JSON.stringify(pair)}: expected KEY${separator}VALUE`);
      return [key, value];
    }),
  );

function whole(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw new ClusterError(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

/** Flags that stand for one field of the configuration each. */
const configurationFlags: Record<string, (text: string) => Partial<KubeletConfiguration>> = {
  'allowed-unsafe-sysctls': (text) => ({ allowedUnsafeSysctls: list(text) }),
  'container-log-max-files': (text) => ({ containerLogMaxFiles: whole(text) }),
  'container-log-max-size': (text) => ({ containerLogMaxSize: text }),
  'cpu-cfs-quota': (text) => ({ cpuCFSQuota: flag(text, true) }),
  'cpu-cfs-quota-period': (text) => ({ cpuCFSQuotaPeriod: text }),
  'eviction-hard': (text) => ({ evictionHard: pairs(text, '<') }),
  'eviction-max-pod-grace-period': (text) => ({ evictionMaxPodGracePeriod: whole(text) }),
  'eviction-pressure-transition-period': (text) => ({ evictionPressureTransitionPeriod: text }),
  'eviction-soft': (text) => ({ evictionSoft: pairs(text, '<') }),
  'eviction-soft-grace-period': (text) => ({ evictionSoftGracePeriod: pairs(text, '=') }),
  'image-gc-high-threshold': (text) => ({ imageGCHighThresholdPercent: whole(text) }),
  'image-gc-low-threshold': (text) => ({ imageGCLowThresholdPercent: whole(text) }),
  'kube-reserved': (text) => ({ kubeReserved: pairs(text, '=') }),
  'minimum-image-ttl-duration': (text) => ({ imageMinimumGCAge: text }),
  'pod-max-pids': (text) => ({ podPidsLimit: whole(text) }),
  'sync-frequency': (text) => ({ syncFrequency: text }),
  'system-reserved': (text) => ({ systemReserved: pairs(text, '=') }),
};

export const kubeletFlags = [
  'max-pods',
  'register-with-taints',
  'node-labels',
  'resolv-conf',
  'pod-manifest-path',
  'serialize-image-pulls',
  'node-status-update-frequency',
  'seccomp-default',
  'healthz-bind-address',
  'healthz-port',
  ...Object.keys(configurationFlags),
  ...logFlags,
];
export const proxyFlags = [
  'masquerade-all',
  'iptables-min-sync-period',
  'iptables-sync-period',
  'metrics-bind-address',
  'healthz-bind-address',
  ...logFlags,
] as const;
/** The kubelet's flags as the configuration they stand for. */
export function kubeletConfiguration(args: ComponentArgs): Partial<kubeletconfigV1beta1.KubeletConfiguration> {
  checkFlags(args, kubeletFlags);
  return {
    ...(args['max-pods'] ? { maxPods: Number(args['max-pods']) } : {}),
    ...(args['resolv-conf'] ? { resolvConf: args['resolv-conf'] } : {}),
    ...(args['pod-manifest-path'] ? { staticPodPath: args['pod-manifest-path'] } : {}),
    ...(args['serialize-image-pulls'] ? { serializeImagePulls: flag(args['serialize-image-pulls'], true) } : {}),
    ...(args['node-status-update-frequency'] ? { nodeStatusUpdateFrequency: args['node-status-update-frequency'] } : {}),
    ...Object.assign({}, ...Object.entries(configurationFlags).map(([name, read]) => (args[name] === undefined ? {} : read(args[name])))),
    ...(args['seccomp-default'] ? { seccompDefault: flag(args['seccomp-default'], false) } : {}),
  };
}

/** Milliseconds in a flag's Go duration such as `1m30s`. */
export function durationMs(text: string): number {
  const nanos = parseGoDuration(text);
  if (nanos === undefined) throw new ClusterError(goDurationProblem(text));
  return Number(nanos) / 1e6;
}

export function proxyOptions(args: ComponentArgs): { masqueradeAll?: boolean; minSyncMs?: number; syncMs?: number } {
  checkFlags(args, proxyFlags);
  return {
    masqueradeAll: flag(args['masquerade-all'], false),
    ...(args['iptables-min-sync-period'] ? { minSyncMs: durationMs(args['iptables-min-sync-period']) } : {}),
    ...(args['iptables-sync-period'] ? { syncMs: durationMs(args['iptables-sync-period']) } : {}),
  };
}
