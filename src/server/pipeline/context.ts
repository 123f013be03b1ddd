/** The context of a request, as the filters find it and the handlers read it. */
import type { Random } from '../../time/index.ts';
import type { AuditNotes, RequestBody, RequestContext, Upgrade } from '../exchange.ts';
import type { Admission } from '../flowcontrol/index.ts';
import { Latencies } from '../latencies.ts';
import { newUid } from '../registry/identity.ts';
import type { RequestInfo, UserInfo } from '../request.ts';
import { parseRequestInfo } from '../request-info.ts';
import type { RequestLifetime } from '../request-lifetime.ts';
import type { Incoming } from './pipeline.ts';

/** As logs and traces have it: whoever asks may have given any. */
export const shortAuditId = ({ auditId }: Pick<RequestContext, 'auditId'>): string => auditId.slice(0, 64);

export class PipelineContext implements RequestContext {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly info: RequestInfo;
  readonly auditId: string;
  readonly remoteAddress: string;
  readonly protocol: string;
  readonly accept: string;
  readonly userAgent: string;
  readonly rawHeaders: readonly (readonly [string, string])[];
  readonly body: RequestBody;
  readonly warnings: string[] = [];
  readonly upgrade?: Upgrade;
  readonly local: boolean;
  cbor = false;
  user: UserInfo;
  impersonator?: UserInfo;
  impersonationConstraint?: string;
  admission?: Admission;
  initialized?: () => void;
  milestone?: (what: string, attributes?: Readonly<Record<string, string | number>>) => void;
  readonly latencies = new Latencies();
  startedMs?: number;
  deadlineMs?: number;
  audit?: AuditNotes;
  deprecation?: { removedRelease: string };
  bodyBytes?: number;
  isRouted?: boolean;
  readonly lifetime: RequestLifetime;

  constructor(incoming: Incoming, anonymous: UserInfo, random: Random) {
    const { method, path, query } = incoming;
    this.method = method;
    this.path = path;
    this.query = query;
    this.info = parseRequestInfo(method, path, query);
    this.user = incoming.user ?? anonymous;
    this.rawHeaders = incoming.headers;
    this.remoteAddress = incoming.remoteAddress;
    this.protocol = incoming.protocol ?? 'HTTP/1.1';
    this.body = incoming.body;
    this.local = incoming.user !== undefined;
    if (incoming.upgrade !== undefined) this.upgrade = incoming.upgrade;
    this.lifetime = incoming.lifetime;
    this.auditId = this.header('audit-id') || newUid(random);
    this.accept = this.headerValues('accept').join(',');
    this.userAgent = this.header('user-agent') ?? '';
  }

  header(name: string): string | undefined {
    // Written without destructuring, which makes garbage for each header.
    for (const header of this.rawHeaders) if (header[0] === name) return header[1];
    return undefined;
  }

  headerValues(name: string): readonly string[] {
    const values: string[] = [];
    for (const header of this.rawHeaders) if (header[0] === name) values.push(header[1]);
    return values;
  }

  get signal(): AbortSignal {
    return this.lifetime.signal;
  }

  warn(message: string): void {
    if (message !== '' && !this.warnings.includes(message)) this.warnings.push(message);
  }

  auditAnnotation(key: string, value: string, of?: 'Request'): void {
    this.audit?.annotate(key, value, of);
  }
}
