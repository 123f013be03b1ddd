/** The cluster that all steps of the walk share, and short words for what they do with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Node } from '../../src/api/index.ts';
import { kubectlBinary, type Output, run, startCluster, type TestCluster } from '../support/cluster.ts';
import { lockRealCluster } from '../support/real-cluster-lock.ts';
import { startRegistry } from '../support/registry.ts';
import { eventually } from '../support/wait.ts';
import { walkthroughImages } from './images.ts';

export interface Walk extends TestCluster {
  /** The one node's name and InternalIP. */
  node: string;
  nodeAddress: string;
  /** A folder for the steps' files. */
  dir: string;
  end(): Promise<void>;
}

export let walk: Walk;

export async function begin(): Promise<void> {
  const unlock = await lockRealCluster();
  const registry = await startRegistry();
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-walk-'));
  const release = async () => {
    await registry.stop();
    rmSync(dir, { recursive: true, force: true });
    await unlock();
  };
  try {
    for (const [name, image] of Object.entries(walkthroughImages())) {
      const [repository = '', tag = ''] = name.split(':');
      await registry.push(image, repository, tag);
    }
    const cluster = await startCluster('--registry-mirror', `docker.io=${registry.url}`);
    const node: Node = JSON.parse(await cluster.kubectl('get', 'node', `${cluster.name}-control-plane`, '-o', 'json'));
    const end = async () => {
      await cluster.down();
      await release();
    };
    const nodeAddress = node.status?.addresses?.find((a) => a.type === 'InternalIP')?.address ?? '';
    // Where some other cluster, of no test, has the host's network, services can't be reached from the host: say so at once.
    if (!Object.values(networkInterfaces()).some((addresses) => addresses?.some((a) => a.address === nodeAddress))) {
      await cluster.down();
      throw new Error(`the node got ${nodeAddress}, which is not the host's: take other clusters down`);
    }
    walk = { ...cluster, node: node.metadata.name, nodeAddress, dir, end };
  } catch (error) {
    await release();
    throw error;
  }
}

export const manifest = (name: string) => join(import.meta.dirname, 'manifests', name);

/** kubectl with a command in one string, and further arguments that may hold blanks; fails where it fails. */
export function k(command: string, ...more: string[]): Promise<string> {
  return walk.kubectl(...command.split(' '), ...more);
}

/** The same, whatever comes of it. */
export function tryK(
  command: string,
  options: { more?: readonly string[]; input?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Output> {
  return run(kubectlBinary, [...command.split(' '), ...(options.more ?? [])], {
    env: { ...walk.env, ...options.env },
    ...(options.input === undefined ? {} : { input: options.input }),
  });
}

/** What `kubectl ... -o json` prints, read. */
export async function json<T>(command: string): Promise<T> {
  return JSON.parse(await k(`${command} -o json`)) as T; // the caller names the kind that it asks for
}

export const jsonpath = (command: string, path: string) => k(command, '-o', `jsonpath=${path}`);

/** Runs a shell command in the pod `client` of namespace default. */
export const inClient = (script: string) => k('exec client -- sh -c', script);

export function writeFile(name: string, text: string): string {
  const path = join(walk.dir, name);
  writeFileSync(path, text, { mode: 0o755 });
  return path;
}

/** A program that goes on, and what it has printed so far. */
export interface Following {
  readonly child: ChildProcess;
  readonly output: string;
  /** Resolves with the match once it was printed. */
  saw(pattern: RegExp, timeoutMs?: number): Promise<RegExpMatchArray>;
  /** Ends it, if it has not ended by itself. Its exit code. */
  stop(): Promise<number | null>;
}

export function follow(file: string, args: readonly string[], env: NodeJS.ProcessEnv = walk.env): Following {
  const child = spawn(file, [...args], { env, stdio: 'pipe' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return {
    child,
    get output() {
      return output;
    },
    saw: (pattern, timeoutMs = 20_000) =>
      eventually(`${pattern} in the output of ${args.join(' ')}`, () => output.match(pattern), timeoutMs).catch((error) => {
        throw new Error(`${error.message}; it printed:\n${output}`);
      }),
    async stop() {
      child.stdin.end();
      if (child.exitCode === null) child.kill();
      return exited;
    },
  };
}

export const followKubectl = (command: string, ...more: string[]) => follow(kubectlBinary, [...command.split(' '), ...more]);
