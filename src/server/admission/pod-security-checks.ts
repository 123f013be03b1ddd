/** The Pod Security Standards (baseline, restricted) as functions of a pod's spec, with upstream's words (k8s.io/pod-security-admission). */
import type { Container, PodSpec, SecurityContext } from '../../api/index.ts';

export type Level = 'privileged' | 'baseline' | 'restricted';

/** What is not allowed: `reason (detail)`. */
export interface Violation {
  reason: string;
  detail: string;
}

type Check = (spec: PodSpec, annotations: Record<string, string>) => Violation | undefined;

const containersOf = (spec: PodSpec): (Container & { securityContext?: SecurityContext })[] => [
  ...(spec.initContainers ?? []),
  ...(spec.containers ?? []),
  // Of what is checked here, ephemeral containers have the same fields.
  ...((spec.ephemeralContainers ?? []) as Container[]),
];

const quote = (list: readonly string[]) => list.map((s) => JSON.stringify(s)).join(', ');
const plural = (list: readonly unknown[], one: string, many = `${one}s`) => (list.length === 1 ? one : many);
const containersText = (names: readonly string[]) => `${plural(names, 'container')} ${quote(names)}`;

/** Names of the containers for which `bad` holds, as a violation. */
function containersWhere(bad: (c: Container) => boolean, reason: string, must: string): Check {
  return (spec) => {
    const names = containersOf(spec)
      .filter(bad)
      .map((c) => c.name);
    return names.length === 0 ? undefined : { reason, detail: `${containersText(names)} must ${must}` };
  };
}

const baselineCapabilities = new Set(
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(' '),
);
const safeSysctls = new Set(
  'kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range net.ipv4.ip_unprivileged_port_start net.ipv4.ip_local_reserved_ports net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes net.ipv4.tcp_rmem net.ipv4.tcp_wmem'.split(
    ' ',
  ),
);
const seLinuxTypes = new Set(['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t']);
const restrictedVolumes = new Set('configMap csi downwardAPI emptyDir ephemeral persistentVolumeClaim projected secret'.split(' '));

const hostNamespaces: Check = (spec) => {
  const used = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field] === true);
  return used.length === 0 ? undefined : { reason: 'host namespaces', detail: used.map((f) => `${f}=true`).join(', ') };
};

const privileged = containersWhere((c) => c.securityContext?.privileged === true, 'privileged', 'not set securityContext.privileged=true');

const addedCapabilities =
  (allowed: ReadonlySet<string>, reason: string): Check =>
  (spec) => {
    const names: string[] = [];
    const bad = new Set<string>();
    for (const c of containersOf(spec)) {
      const found = (c.securityContext?.capabilities?.add ?? []).filter((capability) => !allowed.has(capability));
      if (found.length > 0) names.push(c.name);
      for (const capability of found) bad.add(capability);
    }
    return names.length === 0
      ? undefined
      : { reason, detail: `${containersText(names)} must not include ${quote([...bad].sort())} in securityContext.capabilities.add` };
  };

const hostPathVolumes: Check = (spec) => {
  const names = (spec.volumes ?? []).filter((v) => v.hostPath).map((v) => v.name);
  return names.length === 0 ? undefined : { reason: 'hostPath volumes', detail: `${plural(names, 'volume')} ${quote(names)}` };
};

const hostPorts: Check = (spec) => {
  const found = containersOf(spec).filter((c) => c.ports?.some((p) => p.hostPort));
  if (found.length === 0) return undefined;
  const names = found.map((c) => c.name);
  const ports = [...new Set(found.flatMap((c) => (c.ports ?? []).map((p) => p.hostPort ?? 0).filter((p) => p !== 0)))].sort(
    (a, b) => a - b,
  );
  return {
    reason: 'hostPort',
    detail: `${containersText(names)} ${plural(names, 'uses', 'use')} ${plural(ports, 'hostPort')} ${ports.join(', ')}`,
  };
};

const appArmor: Check = (spec, annotations) => {
  const bad: string[] = [];
  const unconfined = (c: { securityContext?: { appArmorProfile?: { type: string } } }) =>
    c.securityContext?.appArmorProfile?.type === 'Unconfined';
  for (const [key, value] of Object.entries(annotations))
    if (
      key.startsWith('container.apparmor.security.beta.kubernetes.io/') &&
      value !== 'runtime/default' &&
      !value.startsWith('localhost/') &&
      value !== ''
    )
      bad.push(`${key}=${JSON.stringify(value)}`);
  if (bad.length > 0) return { reason: plural(bad, 'forbidden AppArmor profile'), detail: bad.sort().join(', ') };
  const names = containersOf(spec)
    .filter(unconfined)
    .map((c) => c.name);
  if (!unconfined(spec) && names.length === 0) return undefined;
  return {
    reason: 'forbidden AppArmor profile',
    detail: `${unconfined(spec) ? 'pod' : containersText(names)} must not set AppArmor profile type to "Unconfined"`,
  };
};

const seLinux: Check = (spec) => {
  const all = [spec.securityContext?.seLinuxOptions, ...containersOf(spec).map((c) => c.securityContext?.seLinuxOptions)];
  const types = [...new Set(all.map((o) => o?.type ?? '').filter((t) => !seLinuxTypes.has(t)))].sort();
  const user = all.some((o) => o?.user);
  const role = all.some((o) => o?.role);
  if (types.length === 0 && !user && !role) return undefined;
  const parts = [
    ...(types.length > 0 ? [`${plural(types, 'type')} ${quote(types)}`] : []),
    ...(user ? ['user may not be set'] : []),
    ...(role ? ['role may not be set'] : []),
  ];
  return { reason: 'seLinuxOptions', detail: parts.join('; ') };
};

const procMount = containersWhere(
  (c) => (c.securityContext?.procMount ?? 'Default') !== 'Default',
  'procMount',
  'not set securityContext.procMount to "Unmasked"',
);

const seccompUnconfined: Check = (spec) => {
  const where: string[] = [];
  if (spec.securityContext?.seccompProfile?.type === 'Unconfined') where.push('pod');
  const names = containersOf(spec)
    .filter((c) => c.securityContext?.seccompProfile?.type === 'Unconfined')
    .map((c) => c.name);
  if (names.length > 0) where.push(containersText(names));
  return where.length === 0
    ? undefined
    : { reason: 'seccompProfile', detail: `${where.join(' and ')} must not set securityContext.seccompProfile.type to "Unconfined"` };
};

const sysctls: Check = (spec) => {
  const bad = (spec.securityContext?.sysctls ?? []).map((s) => s.name).filter((name) => !safeSysctls.has(name));
  return bad.length === 0 ? undefined : { reason: plural(bad, 'forbidden sysctl'), detail: bad.join(', ') };
};

const hostProcess: Check = (spec) => {
  const names = containersOf(spec)
    .filter((c) => c.securityContext?.windowsOptions?.hostProcess === true)
    .map((c) => c.name);
  const pod = spec.securityContext?.windowsOptions?.hostProcess === true;
  if (names.length === 0 && !pod) return undefined;
  const who = [...(pod ? ['pod'] : []), ...(names.length > 0 ? [containersText(names)] : [])].join(' and ');
  return { reason: 'hostProcess', detail: `${who} must not set securityContext.windowsOptions.hostProcess=true` };
};

const volumeTypes: Check = (spec) => {
  const bad = (spec.volumes ?? []).flatMap((v) =>
    Object.keys(v)
      .filter((key) => key !== 'name' && !restrictedVolumes.has(key))
      .map((type) => ({ name: v.name, type })),
  );
  if (bad.length === 0) return undefined;
  const types = [...new Set(bad.map((b) => b.type))].sort();
  return {
    reason: 'restricted volume types',
    detail: `${plural(bad, 'volume')} ${quote(bad.map((b) => b.name))} ${plural(bad, 'uses', 'use')} restricted volume ${plural(types, 'type')} ${quote(types)}`,
  };
};

const isLinux = (spec: PodSpec) => spec.os?.name !== 'windows';

const allowPrivilegeEscalation: Check = (spec, annotations) =>
  isLinux(spec)
    ? containersWhere(
        (c) => c.securityContext?.allowPrivilegeEscalation !== false,
        'allowPrivilegeEscalation != false',
        'set securityContext.allowPrivilegeEscalation=false',
      )(spec, annotations)
    : undefined;

const restrictedCapabilities: Check = (spec) => {
  if (!isLinux(spec)) return undefined;
  const notDropping = containersOf(spec)
    .filter((c) => !c.securityContext?.capabilities?.drop?.includes('ALL'))
    .map((c) => c.name);
  const adding = addedCapabilities(new Set(['NET_BIND_SERVICE']), 'unrestricted capabilities')(spec, {});
  const parts = [
    ...(notDropping.length > 0 ? [`${containersText(notDropping)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding ? [adding.detail] : []),
  ];
  return parts.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: parts.join('; ') };
};

const runAsNonRoot: Check = (spec) => {
  const pod = spec.securityContext?.runAsNonRoot;
  const explicit = containersOf(spec)
    .filter((c) => c.securityContext?.runAsNonRoot === false)
    .map((c) => c.name);
  const unset = containersOf(spec)
    .filter((c) => c.securityContext?.runAsNonRoot === undefined)
    .map((c) => c.name);
  if (explicit.length > 0 || pod === false) {
    const who = [...(pod === false ? ['pod'] : []), ...(explicit.length > 0 ? [containersText(explicit)] : [])].join(' and ');
    return { reason: 'runAsNonRoot != true', detail: `${who} must not set securityContext.runAsNonRoot=false` };
  }
  if (pod === true || unset.length === 0) return undefined;
  return { reason: 'runAsNonRoot != true', detail: `pod or ${containersText(unset)} must set securityContext.runAsNonRoot=true` };
};

const runAsUser: Check = (spec) => {
  const pod = spec.securityContext?.runAsUser === 0;
  const names = containersOf(spec)
    .filter((c) => c.securityContext?.runAsUser === 0)
    .map((c) => c.name);
  if (!pod && names.length === 0) return undefined;
  return {
    reason: 'runAsUser=0',
    detail: `${[...(pod ? ['pod'] : []), ...(names.length > 0 ? [containersText(names)] : [])].join(' and ')} must not set runAsUser=0`,
  };
};

const seccompRestricted: Check = (spec, annotations) => {
  if (!isLinux(spec)) return undefined;
  const unconfined = seccompUnconfined(spec, annotations);
  if (unconfined !== undefined) return unconfined;
  if (spec.securityContext?.seccompProfile?.type !== undefined) return undefined;
  const names = containersOf(spec)
    .filter((c) => c.securityContext?.seccompProfile?.type === undefined)
    .map((c) => c.name);
  return names.length === 0
    ? undefined
    : {
        reason: 'seccompProfile',
        detail: `pod or ${containersText(names)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
      };
};

/** Upstream's order: the checks' ids by the alphabet within what they were registered as. */
const baseline: readonly Check[] = [
  appArmor,
  addedCapabilities(baselineCapabilities, 'non-default capabilities'),
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  privileged,
  procMount,
  seLinux,
  seccompUnconfined,
  sysctls,
  hostProcess,
];
const restrictedOnly: readonly Check[] = [
  allowPrivilegeEscalation,
  restrictedCapabilities,
  volumeTypes,
  runAsNonRoot,
  runAsUser,
  seccompRestricted,
];
/** Baseline checks that a restricted one says more strictly. */
const replaced = new Set<Check>([baseline[1] as Check, seccompUnconfined]);

export function violations(level: Level, spec: PodSpec, annotations: Record<string, string>): Violation[] {
  if (level === 'privileged') return [];
  const checks = level === 'baseline' ? baseline : [...baseline.filter((c) => !replaced.has(c)), ...restrictedOnly];
  return checks.map((check) => check(spec, annotations)).filter((v) => v !== undefined);
}

/** `privileged (container "c" must not ...), hostPort (...)` */
export function describeViolations(list: readonly Violation[]): string {
  return list.map((v) => `${v.reason} (${v.detail})`).join(', ');
}
