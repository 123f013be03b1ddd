/** The audit log's own metrics, with upstream's names. */
import { Counter, type Registry } from 'prom-client';
import type { Level } from './event.ts';

export interface AuditMetrics {
  observed(): void;
  level(level: Level): void;
  rejected(): void;
  /** A plugin (log, webhook, buffered, truncate) has lost events. */
  failed(plugin: string, events: number): void;
}

export function createAuditMetrics(registry: Registry): AuditMetrics {
  const registers = [registry];
  const events = new Counter({
    name: 'apiserver_audit_event_total',
    help: 'Counter of audit events generated and sent to the audit backend.',
    registers,
  });
  const errors = new Counter({
    name: 'apiserver_audit_error_total',
    help: 'Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.',
    labelNames: ['plugin'],
    registers,
  });
  const requests = new Counter({
    name: 'apiserver_audit_level_total',
    help: 'Counter of policy levels for audit events (1 per request).',
    labelNames: ['level'],
    registers,
  });
  const rejected = new Counter({
    name: 'apiserver_audit_requests_rejected_total',
    help: 'Counter of apiserver requests rejected due to an error in audit logging backend.',
    registers,
  });
  return {
    observed: () => events.inc(),
    level: (level) => requests.inc({ level }),
    rejected: () => rejected.inc(),
    failed: (plugin, count) => errors.inc({ plugin }, count),
  };
}
