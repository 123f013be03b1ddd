/** A cluster made by the built executable, and upstream's kubectl against it. */
import { type ExecFileException, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
export const executable = process.env.K8TS_EXECUTABLE ?? join(root, 'bin/k8ts');
/** Upstream's, unpacked by scripts/bootstrap.mjs. */
export const kubectlBinary = join(root, '.cache/bin/kubectl');

export interface Output {
  stdout: string;
  stderr: string;
  code: number;
}

export function run(
  file: string,
  args: readonly string[],
  options: { input?: string; env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<Output> {
  return new Promise((resolve) => {
    const child = execFile(
      file,
      [...args],
      { env: options.env ?? process.env, timeout: options.timeoutMs ?? 120_000, maxBuffer: 64 * 1024 * 1024 },
      (error: ExecFileException | null, stdout, stderr) =>
        resolve({ stdout, stderr, code: error ? (typeof error.code === 'number' ? error.code : 1) : 0 }),
    );
    // A program that ends before it has read its input closes the pipe; its exit code tells why.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
  });
}

export interface TestCluster {
  name: string;
  dataDir: string;
  kubeconfig: string;
  env: NodeJS.ProcessEnv;
  /** Runs kubectl; throws where it fails. Answers what it printed. */
  kubectl(...args: string[]): Promise<string>;
  /** Runs kubectl with input, whatever comes of it. */
  tryKubectl(args: readonly string[], input?: string): Promise<Output>;
  /** A kubectl that goes on (-w, -f, port-forward). */
  spawnKubectl(args: readonly string[], options?: SpawnOptions): ReturnType<typeof spawn>;
  k8ts(...args: string[]): Promise<Output>;
  down(): Promise<void>;
}

let count = 0;

export async function startCluster(...upArgs: string[]): Promise<TestCluster> {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-test-'));
  const name = `test-${process.pid}-${count++}`;
  const dataDir = join(dir, 'data');
  const kubeconfig = join(dir, 'kubeconfig');
  const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: dir };
  const k8ts = (...args: string[]) => run(process.execPath, [executable, ...args, '--name', name, '--data-dir', dataDir], { env });
  const down = async () => {
    const result = await k8ts('down');
    if (result.code !== 0) throw new Error(`k8ts down failed:\n${result.stdout}${result.stderr}`);
    rmSync(dir, { recursive: true, force: true });
  };
  const up = await k8ts('up', ...upArgs);
  if (up.code !== 0) {
    await down();
    throw new Error(`k8ts up failed:\n${up.stdout}${up.stderr}`);
  }
  const tryKubectl = (args: readonly string[], input?: string) =>
    run(kubectlBinary, args, { env, ...(input === undefined ? {} : { input }) });
  return {
    name,
    dataDir,
    kubeconfig,
    env,
    k8ts,
    down,
    tryKubectl,
    async kubectl(...args) {
      const result = await tryKubectl(args);
      if (result.code !== 0) throw new Error(`kubectl ${args.join(' ')} failed (${result.code}):\n${result.stdout}${result.stderr}`);
      return result.stdout;
    },
    spawnKubectl: (args, options = {}) => spawn(kubectlBinary, [...args], { env, ...options }),
  };
}
