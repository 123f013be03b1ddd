/** The baseline of the Pod Security Standards: what each of its checks refuses. */
import type { LifecycleHandler, Probe } from '../../api/index.ts';
import {
  containersOf,
  containersText,
  containersWhere,
  contextsOf,
  namesOf,
  type PodSecurityCheck,
  plural,
  quote,
  settersOf,
  sorted,
} from './pod-security-violation.ts';

const words = (text: string) => text.split(' ');

export const hostNamespaces: PodSecurityCheck = (spec) => {
  const used = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field] === true);
  return used.length === 0 ? undefined : { reason: 'host namespaces', detail: used.map((f) => `${f}=true`).join(', ') };
};

export const privileged = containersWhere(
  (c) => c.securityContext?.privileged === true,
  'privileged',
  'not set securityContext.privileged=true',
);

export const addedCapabilities =
  (allowed: ReadonlySet<string>, reason: string): PodSecurityCheck =>
  (spec) => {
    const bad = ({ securityContext }: ReturnType<typeof containersOf>[number]) =>
      (securityContext?.capabilities?.add ?? []).filter((capability) => !allowed.has(capability));
    const names = namesOf(spec, (c) => bad(c).length > 0);
    const capabilities = sorted(containersOf(spec).flatMap(bad));
    return names.length === 0
      ? undefined
      : { reason, detail: `${containersText(names)} must not include ${quote(capabilities)} in securityContext.capabilities.add` };
  };

export const baselineCapabilities = addedCapabilities(
  new Set(words('AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT')),
  'non-default capabilities',
);

export const hostPathVolumes: PodSecurityCheck = (spec) => {
  const names = (spec.volumes ?? []).filter((v) => v.hostPath).map((v) => v.name);
  return names.length === 0 ? undefined : { reason: 'hostPath volumes', detail: `${plural(names, 'volume')} ${quote(names)}` };
};

export const hostPorts: PodSecurityCheck = (spec) => {
  const names = namesOf(spec, (c) => c.ports?.some((p) => p.hostPort) === true);
  if (names.length === 0) return undefined;
  const ports = sorted(containersOf(spec).flatMap((c) => (c.ports ?? []).flatMap((p) => (p.hostPort ? [String(p.hostPort)] : []))));
  const used = `${plural(names, 'uses', 'use')} ${plural(ports, 'hostPort')} ${ports.join(', ')}`;
  return { reason: 'hostPort', detail: `${containersText(names)} ${used}` };
};

/** Hosts that probes and lifecycle hooks would have the kubelet call. */
export const probeHosts: PodSecurityCheck = (spec) => {
  const hostsOf = (handler: Probe | LifecycleHandler | undefined) =>
    [handler?.httpGet?.host ?? '', handler?.tcpSocket?.host ?? ''].filter((host) => host !== '');
  const hosts = (c: ReturnType<typeof containersOf>[number]) =>
    [c.livenessProbe, c.readinessProbe, c.startupProbe, c.lifecycle?.postStart, c.lifecycle?.preStop].flatMap(hostsOf);
  const names = sorted(namesOf(spec, (c) => hosts(c).length > 0));
  if (names.length === 0) return undefined;
  const all = sorted(containersOf(spec).flatMap(hosts));
  const reason = 'probe or lifecycle host';
  return { reason, detail: `${containersText(names)} ${plural(names, 'uses', 'use')} ${plural(all, reason)} ${quote(all)}` };
};

const appArmorAnnotation = 'container.apparmor.security.beta.kubernetes.io/';
const confined = (type: string) => type === 'RuntimeDefault' || type === 'Localhost';

export const appArmor: PodSecurityCheck = (spec, annotations) => {
  const setters = settersOf(spec, ({ appArmorProfile }) => appArmorProfile !== undefined && !confined(appArmorProfile.type));
  const types = sorted(contextsOf(spec).flatMap(({ appArmorProfile: of }) => (of && !confined(of.type) ? [of.type] : [])));
  const annotated = Object.entries(annotations)
    .filter(([key]) => key.startsWith(appArmorAnnotation))
    .filter(([, value]) => value !== '' && value !== 'runtime/default' && !value.startsWith('localhost/'))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .sort();
  if (annotated.length > 0) setters.push(plural(annotated, 'annotation'));
  if (setters.length === 0) return undefined;
  const bad = [...types, ...annotated];
  const detail = `${setters.join(' and ')} must not set AppArmor profile type to ${quote(bad)}`;
  return { reason: plural(bad, 'forbidden AppArmor profile'), detail };
};

export const seLinux = (...allowed: readonly string[]): PodSecurityCheck => {
  type Options = NonNullable<ReturnType<typeof contextsOf>[number]['seLinuxOptions']>;
  const badType = ({ type = '' }: Options) => type !== '' && !allowed.includes(type);
  return (spec) => {
    const setters = settersOf(spec, ({ seLinuxOptions: of }) => of !== undefined && (badType(of) || Boolean(of.user) || Boolean(of.role)));
    if (setters.length === 0) return undefined;
    const all = contextsOf(spec).flatMap(({ seLinuxOptions }) => seLinuxOptions ?? []);
    const types = sorted(all.filter(badType).map(({ type = '' }) => type));
    const parts = [
      ...(types.length > 0 ? [`${plural(types, 'type')} ${quote(types)}`] : []),
      ...(all.some(({ user }) => user) ? ['user may not be set'] : []),
      ...(all.some(({ role }) => role) ? ['role may not be set'] : []),
    ];
    return {
      reason: 'seLinuxOptions',
      detail: `${setters.join(' and ')} set forbidden securityContext.seLinuxOptions: ${parts.join('; ')}`,
    };
  };
};

export const procMount: PodSecurityCheck = (spec) => {
  const bad = containersOf(spec).filter((c) => (c.securityContext?.procMount ?? 'Default') !== 'Default');
  if (bad.length === 0) return undefined;
  const types = sorted(bad.map((c) => c.securityContext?.procMount ?? ''));
  const names = containersText(bad.map(({ name }) => name));
  return { reason: 'procMount', detail: `${names} must not set securityContext.procMount to ${quote(types)}` };
};

const seccompPod = 'seccomp.security.alpha.kubernetes.io/pod';

/** As it was said before 1.19: in annotations. */
export const seccompAnnotations: PodSecurityCheck = (spec, annotations) => {
  const keys = [seccompPod, ...containersOf(spec).map(({ name }) => `container.seccomp.security.alpha.kubernetes.io/${name}`)];
  const bad = sorted(
    keys.flatMap((key) => {
      const value = annotations[key];
      const allowed = value === undefined || /^(runtime\/default|docker\/default|localhost\/.*)$/s.test(value);
      return allowed ? [] : [`${key}=${JSON.stringify(value)}`];
    }),
  );
  return bad.length === 0 ? undefined : { reason: 'seccompProfile', detail: `forbidden ${plural(bad, 'annotation')} ${bad.join(', ')}` };
};

export const seccompUnconfined: PodSecurityCheck = (spec) => {
  const setters = settersOf(spec, ({ seccompProfile }) => seccompProfile !== undefined && !confined(seccompProfile.type));
  if (setters.length === 0) return undefined;
  const types = sorted(contextsOf(spec).flatMap(({ seccompProfile: of }) => (of && !confined(of.type) ? [of.type] : [])));
  return {
    reason: 'seccompProfile',
    detail: `${setters.join(' and ')} must not set securityContext.seccompProfile.type to ${quote(types)}`,
  };
};

const sysctls =
  (safe: ReadonlySet<string>): PodSecurityCheck =>
  (spec) => {
    const bad = (spec.securityContext?.sysctls ?? []).map((s) => s.name).filter((name) => !safe.has(name));
    return bad.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: bad.join(', ') };
  };

/** Safe sysctls, by the minor version since which they are held for it. */
const safeSysctls: readonly (readonly [minor: number, names: string])[] = [
  [
    0,
    'kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range net.ipv4.ip_unprivileged_port_start',
  ],
  [27, 'net.ipv4.ip_local_reserved_ports'],
  [29, 'net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes'],
  [32, 'net.ipv4.tcp_rmem net.ipv4.tcp_wmem'],
];

export const sysctlsByVersion: readonly (readonly [minor: number, check: PodSecurityCheck])[] = safeSysctls.map(([minor], i) => [
  minor,
  sysctls(new Set(safeSysctls.slice(0, i + 1).flatMap(([, names]) => words(names)))),
]);

export const hostProcess: PodSecurityCheck = (spec) => {
  const setters = settersOf(spec, ({ windowsOptions }) => windowsOptions?.hostProcess === true);
  return setters.length === 0
    ? undefined
    : { reason: 'hostProcess', detail: `${setters.join(' and ')} must not set securityContext.windowsOptions.hostProcess=true` };
};
