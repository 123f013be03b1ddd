export { type AuditContext, type Auditor, openAudit } from './audit.ts';
export { type AuditOptions, auditFlags, auditOptions } from './options.ts';
export type { AuditTrail } from './trail.ts';
