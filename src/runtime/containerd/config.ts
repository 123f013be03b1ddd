/** containerd's configuration (version 2, which 1.5 to 2.x read) and its registry mirrors. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface ContainerdPaths {
  /** Below it lie root/, config.toml, certs.d/; survives restarts. */
  dir: string;
  /** Sockets and mounts; best on a short path, since unix sockets' names are limited to 107 bytes. */
  stateDir: string;
  cniBinDir: string;
  cniConfDir: string;
}

export interface ContainerdOptions extends ContainerdPaths {
  /** `crun` or `runc`: a program name or path. */
  ociRuntime: string;
  sandboxImage: string;
  /** Registry host to the URLs that stand in for it. */
  registryMirrors: Readonly<Record<string, readonly string[]>>;
}

export const socketOf = (paths: Pick<ContainerdPaths, 'stateDir'>) => join(paths.stateDir, 'containerd.sock');

const quote = (text: string) => JSON.stringify(text);

/** CAP_SYS_RESOURCE is bit 24 of the effective set (capabilities(7)); without it oom_score_adj can't be lowered. */
export async function canLowerOomScore(): Promise<boolean> {
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> 24n) & 1n) === 1n;
}

/** Plugins that a node never uses; each costs start-up time. */
const unusedPlugins = [
  'io.containerd.snapshotter.v1.aufs',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.internal.v1.opt',
  'io.containerd.internal.v1.tracing',
  'io.containerd.tracing.processor.v1.otlp',
];

/** What RuntimeClasses may name: the usual name of the default runtime, and the one that upstream's tests expect of a node. */
const handlers = ['default', 'runc', 'test-handler'];

const runtimeHandler = (table: string, program: string) => `[${table}]
  runtime_type = "io.containerd.runc.v2"

[${table}.options]
  BinaryName = ${quote(program)}
  SystemdCgroup = false
`;

export async function writeContainerdConfig(options: ContainerdOptions): Promise<string> {
  const { dir, stateDir } = options;
  await mkdir(join(dir, 'certs.d'), { recursive: true, mode: 0o711 });
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  const text = `version = 2
root = ${quote(join(dir, 'root'))}
state = ${quote(join(stateDir, 'state'))}
disabled_plugins = [${unusedPlugins.map(quote).join(', ')}]

[grpc]
  address = ${quote(socketOf(options))}

[ttrpc]
  address = ${quote(`${socketOf(options)}.ttrpc`)}

[${cri}]
  sandbox_image = ${quote(options.sandboxImage)}
  restrict_oom_score_adj = ${!(await canLowerOomScore())}
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  max_container_log_line_size = 16384

[${cri}.cni]
  bin_dir = ${quote(options.cniBinDir)}
  conf_dir = ${quote(options.cniConfDir)}

[${cri}.containerd]
  default_runtime_name = "default"
  snapshotter = "overlayfs"

${handlers.map((name) => runtimeHandler(`${cri}.containerd.runtimes.${name}`, options.ociRuntime)).join('\n')}
[${cri}.registry]
  config_path = ${quote(join(dir, 'certs.d'))}
`;
  const file = join(dir, 'config.toml');
  await writeFile(file, text);
  await writeMirrors(join(dir, 'certs.d'), options.registryMirrors);
  return file;
}

/** One hosts.toml a registry (containerd's docs/hosts.md). */
async function writeMirrors(certsDir: string, mirrors: ContainerdOptions['registryMirrors']): Promise<void> {
  await rm(certsDir, { recursive: true, force: true });
  await mkdir(certsDir, { recursive: true });
  for (const [host, urls] of Object.entries(mirrors)) {
    const hosts = urls.map((url) => `[host.${quote(url)}]\n  capabilities = ["pull", "resolve"]\n`).join('\n');
    await mkdir(join(certsDir, host), { recursive: true });
    await writeFile(join(certsDir, host, 'hosts.toml'), hosts);
  }
}
