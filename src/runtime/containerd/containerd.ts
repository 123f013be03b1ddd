/**
 * A containerd of the cluster's own: configured, started and stopped by k8ts. It runs detached, so that containers (and it)
 * outlive a crash of the node agent, which finds it again by its socket.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from 'pino';
import type { Clock } from '../../time/index.ts';
import { type ContainerdOptions, socketOf, writeContainerdConfig } from './config.ts';
import { pauseImageName, writePauseImage } from './pause-image.ts';

const execute = promisify(execFile);

export interface Containerd {
  /** `unix:///...` for CRI. */
  readonly endpoint: string;
  /** Imports an OCI or docker-save archive; answers the names it holds. */
  importImages(archive: string): Promise<string[]>;
  /** Starts it again where it has died. */
  ensureRunning(): Promise<void>;
  /** Ends the daemon; containers that still run keep running. */
  stop(): Promise<void>;
}

export interface ContainerdEnvironment {
  clock: Clock;
  logger: Logger;
  logFile: string;
  /** A command line before the daemon's own, e.g. of nsenter(1); it must end by becoming the daemon. */
  launcher?: readonly string[];
}

/** What is missing on this machine to run containers; empty where nothing is. */
export function missingForContainerd(cniBinDir: string): string[] {
  const path = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`.split(':');
  const has = (program: string) => path.some((dir) => existsSync(join(dir, program)));
  const missing = ['containerd', 'ctr', 'iptables-restore', 'ip', 'nsenter'].filter((program) => !has(program));
  if (!has('crun') && !has('runc')) missing.push('crun or runc');
  if (!existsSync(join(cniBinDir, 'bridge'))) missing.push(`CNI plugins in ${cniBinDir}`);
  if (!existsSync('/usr/bin/catatonit')) missing.push('catatonit');
  return missing;
}

/**
 * crun where it is installed (it starts a container in half of runc's time), else runc. crun refuses a hybrid cgroup mount whose
 * unified part has controllers of its own ("cgroups in hybrid mode not supported"), so there it is runc too.
 */
export function defaultOciRuntime(): string {
  const unified = '/sys/fs/cgroup/unified/cgroup.controllers';
  if (existsSync(unified) && readFileSync(unified, 'utf8').trim() !== '') return 'runc';
  return ['/usr/bin/crun', '/usr/local/bin/crun'].find((file) => existsSync(file)) ?? 'runc';
}

export async function startContainerd(options: ContainerdOptions, environment: ContainerdEnvironment): Promise<Containerd> {
  const { clock, logger, logFile, launcher = [] } = environment;
  const socket = socketOf(options);
  const pidFile = join(options.stateDir, 'containerd.pid');
  await mkdir(options.stateDir, { recursive: true, mode: 0o711 });
  await mkdir(options.cniConfDir, { recursive: true });
  const config = await writeContainerdConfig(options);

  const pidOf = async () => Number(await readFile(pidFile, 'utf8').catch(() => '0'));
  const start = async () => {
    const before = await pidOf();
    // A process that is being killed may still accept for a moment; its command line is gone by then.
    if ((before === 0 || (await isContainerd(before, config))) && (await accepts(socket))) return;
    const log = openSync(logFile, 'a');
    const [program = '', ...args] = [...launcher, 'containerd', '--config', config, '--log-level', 'warn'];
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin` },
    });
    if (child.pid !== undefined) writeFileSync(pidFile, String(child.pid));
    await new Promise<void>((resolve, reject) => {
      child.once('error', (error) => reject(new Error(`containerd could not be started: ${error.message}`)));
      child.once('exit', (code, signal) => {
        const how = signal ?? `exit code ${code}`;
        // After it was ready, who uses it notices by its broken event stream.
        logger.info({ how }, 'containerd ended');
        reject(new Error(`containerd ended (${how}) before it was ready; see ${logFile}`));
      });
      untilAccepting(socket, clock).then(resolve, reject);
    });
    child.unref();
  };

  // Who notices at the same time that it has died must not start two: the second would wait for the first's database.
  let starting: Promise<void> | undefined;
  const ensureRunning = () => {
    starting ??= start().finally(() => {
      starting = undefined;
    });
    return starting;
  };

  const importImages = async (archive: string) => {
    const { stdout } = await execute('ctr', ['--address', socket, '--namespace', 'k8s.io', 'images', 'import', '--no-unpack', archive]);
    return [...stdout.matchAll(/^unpacking (\S+)|^(\S+)\s+saved/gm)].map((m) => m[1] ?? m[2] ?? '');
  };

  const ensurePauseImage = async () => {
    const stamp = join(options.dir, 'pause-image');
    if (existsSync(stamp)) return;
    const archive = join(options.dir, 'pause.tar');
    await writePauseImage(archive);
    await execute('ctr', ['--address', socket, '--namespace', 'k8s.io', 'images', 'import', archive]);
    await rm(archive);
    await writeFile(stamp, pauseImageName);
  };

  await ensureRunning();
  await ensurePauseImage();
  return {
    endpoint: `unix://${socket}`,
    importImages,
    ensureRunning,
    async stop() {
      const pid = await pidOf();
      if (pid > 0 && (await isContainerd(pid, config))) process.kill(pid, 'SIGTERM');
      for (let pauseMs = 5; pid > 0 && (await isContainerd(pid, config)); pauseMs = Math.min(pauseMs * 2, 100)) await clock.sleep(pauseMs);
      await rm(pidFile, { force: true });
    },
  };
}

/** Whether the pid is (still) the daemon with this configuration: pids are used again. */
async function isContainerd(pid: number, config: string): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.includes(config);
}

function accepts(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}

/** A new daemon makes its socket when its plugins are up; there is no event to wait for before that. */
async function untilAccepting(socket: string, clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + 30_000;
  while (!(await accepts(socket))) {
    if (clock.monotonic() > deadline) throw new Error(`containerd did not open ${socket} within 30 s`);
    await clock.sleep(5);
  }
}
