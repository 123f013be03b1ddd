import type { BuildInfo } from './metrics/process-metrics.ts';

const architectures: Record<string, string> = { x64: 'amd64', ia32: '386' };

/** What /version says: the API is that of Kubernetes 1.36. */
export function versionInfo(given: Partial<BuildInfo> = {}): BuildInfo {
  return {
    major: '1',
    minor: '36',
    emulationMajor: '1',
    emulationMinor: '36',
    minCompatibilityMajor: '1',
    minCompatibilityMinor: '35',
    gitVersion: 'v1.36.0+k8ts',
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: `node ${process.version}`,
    compiler: 'v8',
    platform: `${process.platform}/${architectures[process.arch] ?? process.arch}`,
    ...given,
  };
}
