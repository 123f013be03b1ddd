/** A process that can be killed, started again and paused; it ends with the one that started it, however that ends. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

export interface PartOptions {
  name: string;
  command: readonly string[];
  logFile: string;
  /** A network namespace to run it in. */
  namespace?: string;
  env?: Record<string, string>;
  /** Called with its process id, each time it was started. */
  started?: (pid: number) => void;
}

export interface Part {
  readonly name: string;
  readonly isRunning: boolean;
  start(): void;
  /** kill -9. */
  kill(): Promise<void>;
  pause(): void;
  resume(): void;
}

export function createPart({ name, command, logFile, namespace, env = {}, started }: PartOptions): Part {
  let child: ChildProcess | undefined;
  const isRunning = () => child !== undefined && child.exitCode === null && child.signalCode === null;
  // Each of these becomes the next by exec: the process id stays.
  const entrance = namespace ? ['nsenter', `--net=/run/netns/${namespace}`, '--'] : [];
  const [file = '', ...args] = [...entrance, 'setpriv', '--pdeathsig', 'KILL', ...command];
  return {
    name,
    get isRunning() {
      return isRunning();
    },
    start() {
      const log = openSync(logFile, 'a');
      child = spawn(file, args, { stdio: ['ignore', log, log], env: { ...process.env, ...env } });
      closeSync(log);
      if (child.pid) started?.(child.pid);
    },
    async kill() {
      if (!child || !isRunning()) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
  };
}

/** Pauses the parts for as long as the fault lasts. */
export function pausing(parts: readonly Part[]): () => Promise<() => Promise<void>> {
  return async () => {
    for (const part of parts) part.pause();
    return async () => {
      for (const part of parts) part.resume();
      // They have been asked to; let them begin.
      await wait(1);
    };
  };
}
