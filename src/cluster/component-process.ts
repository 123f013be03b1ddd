/** What every background process of a cluster has: a log, an end on SIGTERM, and a word to its parent when it is ready. */
import { writeSync } from 'node:fs';
import type { Server } from 'node:net';
import { format } from 'node:util';
import { type Logger, pino } from 'pino';
import { klogFormatter } from '../observability/index.ts';
import { systemClock } from '../time/index.ts';
import { collectThisProcessAtRest } from './collect-at-rest.ts';
import type { ComponentArgs } from './config.ts';
import { logOptions } from './log-flags.ts';
import type { ComponentMessage, ParentMessage } from './processes.ts';

export interface ComponentEnvironment {
  logger: Logger;
  /** The log of one of several components in this process, as its --v and --logging-format ask for it. */
  loggerFor(component: string, args: ComponentArgs): Promise<Logger>;
  /** Aborted by SIGTERM and SIGINT. */
  signal: AbortSignal;
  /** Tells `k8ts up` that the component is ready. */
  ready(): void;
  /** Resolves when `k8ts up` says that the control plane answers; at once when nobody says such things. */
  controlPlane: Promise<void>;
  /** A socket that `k8ts up` has opened on the host for a component that lives elsewhere; undefined where nobody gives one. */
  entrance: Promise<Server | undefined>;
}

function tellParent(message: ComponentMessage): void {
  if (process.connected) process.send?.(message);
}

/** Where a log may find no room, or nobody who reads it: a full disk, a quota, a pipe that is full or closed. */
const noRoom = ['ENOSPC', 'EDQUOT', 'EAGAIN', 'EPIPE'];

/** A line of the log that finds no room is lost; the component goes on. */
function bearNoRoom(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && noRoom.includes(String(error.code)))) throw error;
}

/** The component's log file; pino's own destination would end the process. */
const standardOutput = {
  write(line: string): void {
    try {
      writeSync(1, line);
    } catch (error) {
      bearNoRoom(error);
    }
  },
};

const levelOf = (given: string | undefined) => given ?? process.env.K8TS_LOG_LEVEL ?? 'info';

/** Without flags the log is the process' own: one record of pino's a line. */
async function componentLogger(logger: Logger, component: string, args: ComponentArgs): Promise<Logger> {
  const { level, format } = logOptions(args);
  if (format === undefined) return level === undefined ? logger : logger.child({}, { level });
  const klogLine = await klogFormatter();
  const { pid } = process;
  return pino(
    { level: levelOf(level), base: { component } },
    { write: (line: string) => standardOutput.write(klogLine(line, format, pid)) },
  );
}

/** Runs a component until it is told to stop. A failure is logged, told to the parent, and ends the process with code 1. */
export async function runComponent(name: string, run: (environment: ComponentEnvironment) => Promise<void>): Promise<void> {
  const logger = pino({ level: levelOf(undefined), base: { component: name } }, standardOutput);
  // What a library prints (lmdb-js each failed write) becomes a line too: a stream that found no room would end the process.
  for (const method of ['log', 'info', 'warn', 'error'] as const) console[method] = (...what: unknown[]) => logger.warn(format(...what));
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort(new Error(`received ${signal}`)));
  collectThisProcessAtRest(systemClock, stop.signal);
  const controlPlane = Promise.withResolvers<void>();
  const entrance = Promise.withResolvers<Server | undefined>();
  const alone = () => {
    controlPlane.resolve();
    entrance.resolve(undefined);
  };
  if (process.connected) {
    process.on('message', (message: ParentMessage, handle) => {
      if (!('entrance' in message)) return controlPlane.resolve();
      // What comes with this message is a listening socket.
      const server = handle as Server;
      // Who connects before somebody serves is turned away rather than left hanging.
      server.on('connection', (socket) => server.listenerCount('connection') === 1 && socket.destroy());
      entrance.resolve(server);
    });
    process.once('disconnect', alone);
  } else alone();
  try {
    await run({
      logger,
      loggerFor: (component, args) => componentLogger(logger, component, args),
      signal: stop.signal,
      ready: () => tellParent({ ready: true }),
      controlPlane: controlPlane.promise,
      entrance: entrance.promise,
    });
    logger.info('stopped');
  } catch (error) {
    if (!stop.signal.aborted) {
      logger.fatal({ err: error }, `${name} failed`);
      tellParent({ error: `${name}: ${error instanceof Error ? error.message : String(error)}` });
      process.exitCode = 1;
    }
  }
  // What still holds the process (a timer, a half-open connection) must not keep it from ending.
  if (process.connected) process.disconnect();
  process.exit();
}
