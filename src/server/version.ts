/** What /version says: the API is that of Kubernetes 1.36. */
export interface VersionInfo {
  major: string;
  minor: string;
  gitVersion: string;
  gitCommit: string;
  gitTreeState: string;
  buildDate: string;
  goVersion: string;
  compiler: string;
  platform: string;
}

const architectures: Record<string, string> = { x64: 'amd64', ia32: '386' };

export function versionInfo(given: Partial<VersionInfo> = {}): VersionInfo {
  return {
    major: '1',
    minor: '36',
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
