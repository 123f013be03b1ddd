/** What every background process of a cluster has: a log, an end on SIGTERM, and a word to its parent when it is ready. */
import { type Logger, pino } from 'pino';
import type { ComponentMessage } from './processes.ts';

export interface ComponentEnvironment {
  logger: Logger;
  /** Aborted by SIGTERM and SIGINT. */
  signal: AbortSignal;
  /** Tells `k8ts up` that the component is ready. */
  ready(): void;
  /** Resolves when `k8ts up` says that the control plane answers; at once when nobody says such things. */
  controlPlane: Promise<void>;
}

function tellParent(message: ComponentMessage): void {
  if (process.connected) process.send?.(message);
}

/** Runs a component until it is told to stop. A failure is logged, told to the parent, and ends the process with code 1. */
export async function runComponent(name: string, run: (environment: ComponentEnvironment) => Promise<void>): Promise<void> {
  const logger = pino({ level: process.env.K8TS_LOG_LEVEL ?? 'info', base: { component: name } });
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort(new Error(`received ${signal}`)));
  const controlPlane = new Promise<void>((resolve) => {
    if (!process.connected) return resolve();
    process.once('message', () => resolve());
    process.once('disconnect', () => resolve());
  });
  try {
    await run({ logger, signal: stop.signal, ready: () => tellParent({ ready: true }), controlPlane });
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
