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

/** The policy of a namespace, and what is wrong with its labels: a level that there is not counts as the strictest. */
export function policyOf(
  labels: Readonly<Record<string, string>>,
  { defaults = {} }: PodSecurityOptions,
): { policy: PodSecurityPolicy; problems: FieldErrors } {
  const problems = new FieldErrors();
  const path = new FieldPath('metadata').child('labels');
  const of = (mode: Mode): LevelVersion => {
    const { level: defaultLevel = 'privileged', version: defaultVersion = 'latest' } = defaults[mode] ?? {};
    const [levelKey, versionKey] = [podSecurityPrefix + mode, `${podSecurityPrefix}${mode}-version`];
    const level = labels[levelKey] ?? defaultLevel;
    const version = labels[versionKey] ?? defaultVersion;
    if (!isLevel(level)) problems.invalid(path.key(levelKey), level, 'must be one of privileged, baseline, restricted');
    if (!isVersion(version)) problems.invalid(path.key(versionKey), version, 'must be "latest" or "v1.x"');
    return { level: isLevel(level) ? level : 'restricted', version: isVersion(version) ? version : 'latest' };
  };
  return { policy: { enforce: of('enforce'), audit: of('audit'), warn: of('warn') }, problems };
}
