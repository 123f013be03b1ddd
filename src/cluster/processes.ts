/**
 * The cluster's own processes: started detached, known by pid and start time (a pid alone may by now be somebody else's), told
 * to stop by signal and waited for.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Clock } from '../time/index.ts';
import type { Layout } from './layout.ts';
import { memoryEnvironment } from './v8-flags.ts';

export interface ProcessRecord {
  component: string;
  pid: number;
  /** Clock ticks since boot at which the process started (proc(5), stat field 22). */
  startTicks: string;
}

/** What a component tells its parent over IPC. */
export type ComponentMessage = { ready: true } | { error: string } | { step: string };

/** What `k8ts up` tells a component: that the API server answers, or that a listening socket comes with the message. */
export type ParentMessage = { controlPlane: true } | { entrance: true };

/** When the process with this pid started, in ticks since boot; undefined where there is none (or it is a zombie). */
export function startTicksOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The second field is the program's name in parentheses and may itself hold blanks and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? undefined : fields[19];
}

export function isRunning(record: ProcessRecord): boolean {
  return startTicksOf(record.pid) === record.startTicks;
}

/** The recorded process of a component, whether or not it still runs. */
export function readRecord(layout: Layout, component: string): ProcessRecord | undefined {
  try {
    return JSON.parse(readFileSync(layout.pidFile(component), 'utf8'));
  } catch {
    return undefined;
  }
}

export function records(layout: Layout): ProcessRecord[] {
  if (!existsSync(layout.run)) return [];
  return readdirSync(layout.run)
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => readRecord(layout, basename(file, '.json')) ?? []);
}

/**
 * Starts `k8ts COMPONENT-COMMAND` in the background with its output in the component's log file; by a launcher where it is to live
 * elsewhere.
 */
export function startComponent(
  layout: Layout,
  component: string,
  args: readonly string[],
  nodeFlags: readonly string[],
  launcher: readonly string[] = [],
): ChildProcess {
  mkdirSync(dirname(layout.log(component)), { recursive: true });
  mkdirSync(layout.run, { recursive: true });
  const log = openSync(layout.log(component), 'a');
  const [, script = ''] = process.argv;
  // A launcher ends by becoming the program, which so keeps the pid and the channel to us.
  const [program = '', ...rest] = [...launcher, process.execPath, ...nodeFlags, script, ...args];
  const child = spawn(program, rest, {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    cwd: '/',
    env: memoryEnvironment(),
  });
  closeSync(log);
  if (child.pid !== undefined) {
    const record: ProcessRecord = { component, pid: child.pid, startTicks: startTicksOf(child.pid) ?? '' };
    writeFileSync(layout.pidFile(component), JSON.stringify(record));
  }
  return child;
}

/** Resolves when the component says that it is ready; rejects with what it says went wrong, or with the end of its log. */
export function whenReady(child: ChildProcess, logTail: () => string, onStep: (step: string) => void = () => {}): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: ComponentMessage) => {
      if ('ready' in message) resolve();
      else if ('error' in message) reject(new Error(message.error));
      else onStep(message.step);
    });
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`the process ended (${signal ?? `exit code ${code}`}) before it was ready\n${logTail()}`)),
    );
  });
}

/** Lets the parent end without waiting for the component. */
export function release(child: ChildProcess): void {
  if (child.connected) child.disconnect();
  child.unref();
}

/** SIGTERM, a grace, then SIGKILL; removes the record. Resolves when the process is gone. */
export async function stopProcess(layout: Layout, record: ProcessRecord, clock: Clock, graceMs: number): Promise<void> {
  if (isRunning(record)) {
    signal(record, 'SIGTERM');
    if (!(await gone(record, clock, graceMs))) {
      signal(record, 'SIGKILL');
      await gone(record, clock, 5000);
    }
  }
  rmSync(layout.pidFile(record.component), { force: true });
}

function signal(record: ProcessRecord, name: NodeJS.Signals): void {
  try {
    process.kill(record.pid, name);
  } catch (error) {
    // Gone between the look and the signal: that is what was wanted.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** A process that is not our child gives no event at its end, so this looks, at growing intervals. */
async function gone(record: ProcessRecord, clock: Clock, withinMs: number): Promise<boolean> {
  const deadline = clock.monotonic() + withinMs;
  for (let pauseMs = 5; isRunning(record); pauseMs = Math.min(pauseMs * 2, 100)) {
    if (clock.monotonic() > deadline) return false;
    await clock.sleep(pauseMs);
  }
  return true;
}
