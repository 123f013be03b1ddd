/** --version of upstream's components: asks which version this is, or says under which it is to be known. */
import { parseGoBool } from '../api/index.ts';
import { type BuildInfo, versionInfo } from '../observability/index.ts';
import type { ComponentArgs } from './config.ts';
import { boolean, invalidArgument } from './flag-types.ts';

const goNames: Readonly<Record<keyof BuildInfo, string>> = {
  major: 'Major',
  minor: 'Minor',
  emulationMajor: 'EmulationMajor',
  emulationMinor: 'EmulationMinor',
  minCompatibilityMajor: 'MinCompatibilityMajor',
  minCompatibilityMinor: 'MinCompatibilityMinor',
  gitVersion: 'GitVersion',
  gitCommit: 'GitCommit',
  gitTreeState: 'GitTreeState',
  buildDate: 'BuildDate',
  goVersion: 'GoVersion',
  compiler: 'Compiler',
  platform: 'Platform',
};

/** What a component prints instead of running: `--version`, `--version=raw`; undefined where it is to run. */
export function versionAsked({ version }: ComponentArgs): string | undefined {
  const info = versionInfo();
  if (version === 'raw')
    return `version.Info{${Object.entries(goNames)
      .map(([name, goName]) => `${goName}:${JSON.stringify(info[name as keyof BuildInfo])}`) // its own keys
      .join(', ')}}`;
  return version !== undefined && parseGoBool(version) === true ? `Kubernetes ${info.gitVersion}` : undefined;
}

/** Semantic versioning, with the `v` and the space around it that k8s.io/apimachinery lets pass. */
const semantic = /^\s*v?(\d+)\.(\d+)\.(\d+)(-[\w-]+(\.[\w-]+)*)?(\+[\w-]+(\.[\w-]+)*)?\s*$/;

/** What `--version=v1.36.0+mine` says the component is: another build of the same release. */
export function reportedVersion({ version }: ComponentArgs): Partial<BuildInfo> {
  if (version === undefined) return {};
  const fail = (why: string) => invalidArgument(version, 'version', why);
  if (!version.startsWith('v')) {
    const why = version === 'raw' ? undefined : boolean(version);
    if (why !== undefined) throw fail(why);
    return {};
  }
  const own = versionInfo().gitVersion;
  const release = (text: string) => semantic.exec(text)?.slice(1, 4).join('.');
  if (release(version) === undefined) throw fail(`could not parse ${JSON.stringify(version)} as version`);
  if (release(version) !== release(own))
    throw fail(`version ${JSON.stringify(version)} must match major/minor/patch of default version ${JSON.stringify(own)}`);
  return { gitVersion: version };
}
