/** Which kernel parameters a pod may set: those that its namespaces keep to it (upstream's pkg/kubelet/sysctl). */
import type { Pod } from '../../api/index.ts';
import type { Rejection } from './admission.ts';

/** Parameters that change nothing for other pods or the node. */
const safe = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
];

/** `net/ipv4/conf/eth0.1/x` in the form with dots, where slashes and dots change places (sysctl.d(5)). */
export function dottedSysctl(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  return first === '/' ? name.replace(/[./]/g, (separator) => (separator === '/' ? '.' : '/')) : name;
}

/** The kernel namespace that a parameter belongs to, as messages name it; undefined: to none. */
function namespaceOf(name: string): 'IPC' | 'Net' | undefined {
  if (name.startsWith('net.')) return 'Net';
  return name === 'kernel.sem' || /^(kernel\.shm|kernel\.msg|fs\.mqueue\.)/.test(name) ? 'IPC' : undefined;
}

/** `allowedUnsafe`: the node's --allowed-unsafe-sysctls, names or patterns that end in `*`. Undefined: the pod may have what it asks for. */
export function refusedSysctl(pod: Pod, allowedUnsafe: readonly string[]): Rejection | undefined {
  const allowed = [...safe, ...allowedUnsafe.map(dottedSysctl)];
  const matches = (name: string) =>
    allowed.some((pattern) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern));
  for (const { name: given } of pod.spec.securityContext?.sysctls ?? []) {
    const name = dottedSysctl(given);
    const refuse = (why: string): Rejection => ({
      reason: 'SysctlForbidden',
      message: `Pod was rejected: forbidden sysctl: ${JSON.stringify(name)} ${why}`,
    });
    if (!matches(name)) return refuse('not allowlisted');
    const namespace = namespaceOf(name);
    if (namespace === 'Net' ? pod.spec.hostNetwork : namespace === 'IPC' && pod.spec.hostIPC)
      return refuse(`not allowed with host ${namespace} enabled`);
  }
  return undefined;
}
