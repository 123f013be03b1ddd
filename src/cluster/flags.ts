/** Flags that `k8ts up` hands through to components, read as upstream's components read them. */
import { type kubeletconfigV1beta1, parseGoDuration } from '../api/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import { logFlags } from './log-flags.ts';

/** Fails on a flag that the component does not know, in upstream's words. */
export function checkFlags(args: ComponentArgs, known: readonly string[]): void {
  for (const flag of Object.keys(args)) if (!known.includes(flag)) throw new ClusterError(`unknown flag: --${flag}`);
}

export const list = (text: string | undefined): string[] => (text ?? '').split(',').filter((item) => item !== '');
export const flag = (text: string | undefined, otherwise: boolean): boolean =>
  text === undefined ? otherwise : text === 'true' || text === '';

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
  ...logFlags,
] as const;
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
    ...(args['seccomp-default'] ? { seccompDefault: flag(args['seccomp-default'], false) } : {}),
  };
}

/** Milliseconds in a flag's Go duration such as `1m30s`. */
export function durationMs(text: string): number {
  const nanos = parseGoDuration(text);
  if (nanos === undefined) throw new ClusterError(`time: invalid duration ${JSON.stringify(text)}`);
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
