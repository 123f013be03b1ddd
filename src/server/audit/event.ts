/** An audit event (audit.k8s.io/v1): what somebody asked of the server, and what came of it. */
import type { Status } from '../../api/index.ts';

/** How much of a request is recorded, from least to most. */
export const levels = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
export type Level = (typeof levels)[number];

/** When an event is made. */
export const stages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type Stage = (typeof stages)[number];

export interface AuditUser {
  /** Not of who could not be identified. */
  username?: string;
  uid?: string;
  groups?: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

export interface ObjectReference {
  resource?: string;
  namespace?: string;
  name?: string;
  uid?: string;
  apiGroup?: string;
  apiVersion?: string;
  resourceVersion?: string;
  subresource?: string;
}

/** Of a Status what the log keeps. */
export type ResponseStatus = Pick<Status, 'status' | 'message' | 'reason' | 'details'> & { metadata: object; code: number };

/** In upstream's order of fields. */
export interface AuditEvent {
  kind: 'Event';
  apiVersion: 'audit.k8s.io/v1';
  level: Level;
  auditID: string;
  stage: Stage;
  requestURI: string;
  verb: string;
  user: AuditUser;
  impersonatedUser?: AuditUser;
  authenticationMetadata?: { impersonationConstraint?: string };
  sourceIPs?: readonly string[];
  userAgent?: string;
  /** Not of non-resource requests, nor of lists. */
  objectRef?: ObjectReference;
  responseStatus?: ResponseStatus;
  /** From level Request on: in the version of the request. */
  requestObject?: unknown;
  /** At level RequestResponse. */
  responseObject?: unknown;
  /** Microseconds. */
  requestReceivedTimestamp: string;
  stageTimestamp: string;
  annotations?: Readonly<Record<string, string>>;
}

const quoted = (list: readonly string[]) => list.map((item) => JSON.stringify(item)).join(',');

/** The one line of `--audit-log-format=legacy`. */
export function legacyLine(event: AuditEvent): string {
  const { user, impersonatedUser: as } = event;
  const q = (text: string) => JSON.stringify(text);
  const groups = user.username && user.groups?.length ? quoted(user.groups) : '<none>';
  return [
    `${event.requestReceivedTimestamp.replace(/\.?0+Z$/, 'Z')} AUDIT:`,
    `id=${q(event.auditID)}`,
    `stage=${q(event.stage)}`,
    `ip=${q(event.sourceIPs?.[0] ?? '<unknown>')}`,
    `method=${q(event.verb)}`,
    `user=${q(user.username || '<none>')}`,
    `groups=${q(groups)}`,
    `as=${q(as?.username ?? '<self>')}`,
    `asgroups=${q(as?.groups ? quoted(as.groups) : '<lookup>')}`,
    `user-agent=${q(event.userAgent ?? '')}`,
    `namespace=${q(event.objectRef?.namespace || '<none>')}`,
    `uri=${q(event.requestURI)}`,
    `response="${event.responseStatus?.code ?? '<deferred>'}"`,
  ].join(' ');
}
