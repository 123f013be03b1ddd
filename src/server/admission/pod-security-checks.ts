/** The Pod Security Standards (baseline, restricted) of every version, as functions of a pod's spec and annotations. */
import type { PodSpec } from '../../api/index.ts';
import * as baseline from './pod-security-baseline.ts';
import * as restricted from './pod-security-restricted.ts';
import type { PodSecurityCheck, Violation } from './pod-security-violation.ts';

export type Level = 'privileged' | 'baseline' | 'restricted';

/** A check as it is from a minor version of 1 on, until the next of its versions. */
type Versions = readonly (readonly [minor: number, check: PodSecurityCheck])[];

interface Standard {
  versions: Versions;
  /** Which check of the baseline it says more strictly, and so stands for. */
  overrides?: keyof typeof baselineChecks;
}

/** Both in the order in which violations are told: that of upstream's names for them. */
const baselineChecks = {
  appArmorProfile: [[0, baseline.appArmor]],
  capabilities_baseline: [[0, baseline.baselineCapabilities]],
  hostNamespaces: [[0, baseline.hostNamespaces]],
  hostPathVolumes: [[0, baseline.hostPathVolumes]],
  hostPorts: [[0, baseline.hostPorts]],
  hostProbesAndHostLifecycle: [[34, baseline.probeHosts]],
  privileged: [[0, baseline.privileged]],
  procMount: [
    [0, baseline.procMount],
    [35, restricted.notInUserNamespace(baseline.procMount)],
  ],
  seLinuxOptions: [
    [0, baseline.seLinux('container_t', 'container_init_t', 'container_kvm_t')],
    [31, baseline.seLinux('container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t')],
  ],
  seccompProfile_baseline: [
    [0, baseline.seccompAnnotations],
    [19, baseline.seccompUnconfined],
  ],
  sysctls: baseline.sysctlsByVersion,
  windowsHostProcess: [[0, baseline.hostProcess]],
} as const satisfies Record<string, Versions>;

const exceptWindowsSince25 = (minor: number, check: PodSecurityCheck): Versions => [
  [minor, check],
  [25, restricted.notOnWindows(check)],
];
const exceptUserNamespacesSince35 = (minor: number, check: PodSecurityCheck): Versions => [
  [minor, check],
  [35, restricted.notInUserNamespace(check)],
];

const restrictedChecks: readonly Standard[] = [
  { versions: exceptWindowsSince25(8, restricted.allowPrivilegeEscalation) },
  { versions: exceptWindowsSince25(22, restricted.restrictedCapabilities), overrides: 'capabilities_baseline' },
  { versions: [[35, baseline.procMount]], overrides: 'procMount' },
  { versions: [[0, restricted.volumeTypes]], overrides: 'hostPathVolumes' },
  { versions: exceptUserNamespacesSince35(0, restricted.runAsNonRoot) },
  { versions: exceptUserNamespacesSince35(23, restricted.runAsUser) },
  { versions: exceptWindowsSince25(19, restricted.seccompRequired), overrides: 'seccompProfile_baseline' },
];

const checksOf = (level: Level, version: string): PodSecurityCheck[] => {
  const minor = version === 'latest' ? Number.POSITIVE_INFINITY : Number(version.slice('v1.'.length));
  const current = (versions: Versions) => versions.findLast(([since]) => since <= minor)?.[1];
  const more = level === 'restricted' ? restrictedChecks.filter(({ versions }) => current(versions)) : [];
  const overridden = new Set<string | undefined>(more.map(({ overrides }) => overrides));
  const all = [
    ...Object.entries<Versions>(baselineChecks).flatMap(([name, versions]) => (overridden.has(name) ? [] : [versions])),
    ...more.map(({ versions }) => versions),
  ];
  return all.map(current).filter((check) => check !== undefined);
};

/** What a pod says that a level does not allow, as that was in a version (`v1.30`, `latest`). */
export function violations(
  { level, version }: { level: Level; version: string },
  spec: PodSpec,
  annotations: Readonly<Record<string, string>>,
): Violation[] {
  if (level === 'privileged') return [];
  return checksOf(level, version)
    .map((check) => check(spec, annotations))
    .filter((v) => v !== undefined);
}

/** `privileged (container "c" must not ...), hostPort (...)` */
export function describeViolations(list: readonly Violation[]): string {
  return list.map((v) => `${v.reason} (${v.detail})`).join(', ');
}
