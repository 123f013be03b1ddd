/** What the labels of a namespace, and the defaults beside them, ask of pods (pod-security.kubernetes.io, KEP-2579). */
import { FieldErrors, FieldPath } from '../../api/index.ts';
import type { Level } from './pod-security-checks.ts';

export const podSecurityPrefix = 'pod-security.kubernetes.io/';

export const podSecurityModes = ['enforce', 'audit', 'warn'] as const;
export type Mode = (typeof podSecurityModes)[number];

export interface LevelVersion {
  level: Level;
  /** `latest`, `v1.30`. */
  version: string;
}

export type PodSecurityPolicy = Readonly<Record<Mode, LevelVersion>>;

/** A PodSecurityConfiguration. */
export interface PodSecurityOptions {
  /** Of namespaces without a label. Default: privileged, latest. */
  defaults?: Partial<Record<Mode, Partial<LevelVersion>>>;
  exemptions?: { usernames?: readonly string[]; namespaces?: readonly string[]; runtimeClasses?: readonly string[] };
}

/** From what allows everything to what allows least. */
const levels = ['privileged', 'baseline', 'restricted'];

export const isLevel = (text: string): text is Level => levels.includes(text);
export const isVersion = (text: string): boolean => /^(latest|v1\.(0|[1-9]\d*))$/.test(text);
export const strictness = (level: Level): number => levels.indexOf(level);
export const formatPolicy = ({ level, version }: LevelVersion): string => `${level}:${version}`;

/** Whether two ask the same: nothing, in whatever version, or the same level in the same version. */
export const isEquivalent = (a: PodSecurityPolicy, b: PodSecurityPolicy): boolean =>
  podSecurityModes.every(
    (mode) => a[mode].level === b[mode].level && (a[mode].level === 'privileged' || a[mode].version === b[mode].version),
  );

export const isPrivileged = (policy: PodSecurityPolicy, ...modes: readonly Mode[]): boolean =>
  modes.every((mode) => policy[mode].level === 'privileged');

export const levelLabel = (mode: Mode) => podSecurityPrefix + mode;
export const versionLabel = (mode: Mode) => `${podSecurityPrefix}${mode}-version`;

/**
 * The policy of a namespace, and what is wrong with its labels: a level that there is not is enforced as the strictest, and neither
 * audited nor warned about. Who enforces more than is warned about is warned about that.
 */
export function policyOf(
  labels: Readonly<Record<string, string>>,
  { defaults = {} }: PodSecurityOptions,
): { policy: PodSecurityPolicy; problems: FieldErrors } {
  const problems = new FieldErrors();
  const path = new FieldPath('metadata').child('labels');
  const of = (mode: Mode): LevelVersion => {
    const { level: defaultLevel = 'privileged', version: defaultVersion = 'latest' } = defaults[mode] ?? {};
    const level = labels[levelLabel(mode)] ?? defaultLevel;
    const version = labels[versionLabel(mode)] ?? defaultVersion;
    if (!isLevel(level)) problems.invalid(path.key(levelLabel(mode)), level, 'must be one of privileged, baseline, restricted');
    if (!isVersion(version)) problems.invalid(path.key(versionLabel(mode)), version, 'must be "latest" or "v1.x"');
    const otherwise = mode === 'enforce' ? 'restricted' : 'privileged';
    return { level: isLevel(level) ? level : otherwise, version: isVersion(version) ? version : 'latest' };
  };
  const enforce = of('enforce');
  const audit = of('audit');
  let warn = of('warn');
  const asksMore = isLevel(labels[levelLabel('enforce')] ?? '') && strictness(enforce.level) > strictness(warn.level);
  if (asksMore && labels[levelLabel('warn')] === undefined)
    warn = { level: enforce.level, version: labels[versionLabel('warn')] === undefined ? enforce.version : warn.version };
  return { policy: { enforce, audit, warn }, problems };
}
