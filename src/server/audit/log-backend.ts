import { writeSync } from 'node:fs';
import type { Logger } from 'pino';
import type { AuditBackend } from './backend.ts';
import { type AuditEvent, legacyLine } from './event.ts';
import type { AuditMetrics } from './metrics.ts';
import type { RotatingFile } from './rotating-file.ts';

export type LogFormat = 'json' | 'legacy';

/** Standard output as `--audit-log-path=-` means it. */
export const standardOutput: RotatingFile = {
  write: (text) => void writeSync(1, text),
  close: () => Promise.resolve(),
};

/** One line for each event, written before the request goes on. */
export function logBackend(
  file: RotatingFile,
  format: LogFormat,
  { metrics, logger }: { metrics: AuditMetrics; logger: Logger },
): AuditBackend {
  const lineOf = (event: AuditEvent) => (format === 'legacy' ? legacyLine(event) : JSON.stringify(event));
  return {
    process(events) {
      try {
        file.write(events.map((event) => `${lineOf(event)}\n`).join(''));
        return true;
      } catch (error) {
        metrics.failed('log', events.length);
        logger.error({ err: error }, `Error in audit plugin "log" affecting ${events.length} audit events`);
        return false;
      }
    },
    close: () => file.close(),
  };
}
