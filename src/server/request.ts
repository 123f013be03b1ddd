/**
 * A request as the API server sees it, whichever way it came: over HTTP or in process. Filters fill it in order: request info,
 * user, decision; the registry answers it.
 */
import type { FieldErrors, KubeObject } from '../api/index.ts';

export interface UserInfo {
  name: string;
  uid?: string;
  groups: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

/** What the path and method ask for (k8s.io/apiserver's RequestInfo). */
export interface RequestInfo {
  isResourceRequest: boolean;
  path: string;
  /** get, list, watch, create, update, patch, delete, deletecollection, proxy; or the lower-case method for non-resource requests. */
  verb: string;
  apiPrefix: string;
  apiGroup: string;
  apiVersion: string;
  namespace: string;
  /** Plural resource. */
  resource: string;
  subresource: string;
  name: string;
  /** Path elements after /api/v1/namespaces/NS: [resource, name, subresource, ...]. */
  parts: readonly string[];
  /** The verb stands in the path (/watch/...): such requests select nothing that could make a difference to whether they are allowed. */
  verbInPath?: boolean;
}

/** What authorizers decide on. */
export interface Attributes {
  user: UserInfo;
  verb: string;
  isResourceRequest: boolean;
  apiGroup: string;
  apiVersion: string;
  namespace: string;
  resource: string;
  subresource: string;
  name: string;
  path: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** The selectors as a review has them, where it does not have them as text: webhooks are asked in its order. */
  requirements?: { labels?: readonly SelectorRequirement[]; fields?: readonly SelectorRequirement[] };
}

export interface SelectorRequirement {
  key: string;
  operator: string;
  values?: readonly string[];
}

export type Decision = {
  decision: 'allow' | 'deny' | 'noOpinion';
  reason: string;
  /** What kept an authorizer from knowing better. Where nobody allows the request, it is answered with this, not as forbidden. */
  error?: Error;
};

export interface Authorizer {
  authorize(attributes: Attributes): Decision | Promise<Decision>;
  /** The rules that hold for a user in a namespace, for SelfSubjectRulesReview. */
  rulesFor?(
    user: UserInfo,
    namespace: string,
  ): Promise<{ resourceRules: ResourceRule[]; nonResourceRules: NonResourceRule[]; incomplete: boolean; evaluationError?: string }>;
}

export interface ResourceRule {
  verbs: string[];
  apiGroups: string[];
  resources: string[];
  resourceNames: string[];
}

export interface NonResourceRule {
  verbs: string[];
  nonResourceURLs: string[];
}

/** What authenticators read of an HTTP request. */
export interface Credentials {
  /** The subject of the client's certificate, where it sent one. */
  certificate?: {
    commonName: string;
    organizations: readonly string[];
    uid?: string;
    notAfter: Date;
    /** DER. Where it is given, authenticators check which authority (client CA, front-proxy CA) signed it; without it, it was the client CA. */
    raw?: Uint8Array;
    /** Who signed it, and who signed them: DER. What lies between a client's certificate and an authority comes with it. */
    issuers?: readonly Uint8Array[];
    /** Why it is not to be believed: it has expired, or nobody known has signed it. */
    problem?: string;
  };
  header(name: string): string | undefined;
  /** All headers with their values in order, lower-case; a repeated header several times. */
  readonly headers?: readonly (readonly [string, string])[];
  /** `base64url.bearer.authorization.k8s.io.TOKEN` among a WebSocket's subprotocols. */
  webSocketProtocols: readonly string[];
  remoteAddress: string;
  /** Where an authenticator says more of the request that they came with. */
  notes?: AuthenticationNotes;
}

export interface AuthenticationNotes {
  /** Sent to the client as a Warning header. */
  warn(message: string): void;
  /** Adds to the request's audit event. */
  auditAnnotation(key: string, value: string): void;
}

export interface Authenticator {
  /**
   * The user; undefined when these credentials are not of this authenticator's kind; throws when they are but are not valid. Who
   * can answer at once does so, without a promise; the same certificate's user is best the same object.
   */
  authenticate(credentials: Credentials): UserInfo | undefined | Promise<UserInfo | undefined>;
}

export type AdmissionOperation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/** One write on its way through admission. `object` is private to the request and may be changed by mutating plugins. */
export interface AdmissionRequest {
  operation: AdmissionOperation;
  /** The request's own: an UPDATE may be an update or a patch, and either may make a CREATE. */
  verb: string;
  user: UserInfo;
  group: string;
  version: string;
  /** Plural. */
  resource: string;
  kind: string;
  /** The kind's own group and version: other than the resource's where a subresource speaks another kind. */
  kindGroup: string;
  kindVersion: string;
  subresource: string;
  namespace: string;
  name: string;
  /** The new object in its storage version (for a subresource with another kind, such as Binding or Eviction, that); undefined for DELETE. */
  object: KubeObject | undefined;
  oldObject: KubeObject | undefined;
  /** The request's options object (CreateOptions, DeleteOptions, ...). */
  options: Record<string, unknown>;
  dryRun: boolean;
  /** Sent to the client as a Warning header. */
  warn(message: string): void;
  /** Adds to the request's audit event: a qualified key such as `pod-security.kubernetes.io/audit-violations`. The first value stays. */
  auditAnnotation(key: string, value: string, of?: 'Request'): void;
  /** Until when it may take, and what ends it earlier. */
  lifetime?: { readonly signal: AbortSignal; readonly deadlineMs?: number };
  /** Counts time that others have taken (webhooks), of what side by side took it the longest. */
  waited?(layer: 'mutating-webhook' | 'validating-webhook', milliseconds: number): void;
  /** Shared by the mutating plugins: one that changed the object asks for a second round, in which the others see the change. */
  reinvocation: { wanted: boolean; isReinvocation: boolean };
}

/** An admission plugin. Throwing a StatusError rejects the request. */
export interface AdmissionPlugin {
  /** As in --enable-admission-plugins. */
  readonly name: string;
  handles(request: AdmissionRequest): boolean;
  admit?(request: AdmissionRequest): Promise<void> | void;
  validate?(request: AdmissionRequest): Promise<void> | void;
}

/** Called once the write is done: what was reserved is kept, or given back. */
export type FinishWrite = (succeeded: boolean) => void;

/**
 * What a kind does around its writes beside admission: reserving what must be unique (cluster IPs, node ports). `begin` runs
 * after the mutating plugins and before validation, may change `next`, may add to what validation finds wrong, and may throw a
 * StatusError.
 */
export interface WriteHook<T extends KubeObject = KubeObject> {
  begin(write: { next: T; prev: T | undefined; dryRun: boolean; problems: FieldErrors }): Promise<FinishWrite>;
}
