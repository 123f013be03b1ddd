export type { HealthCheck, HealthEndpoint } from '../observability/index.ts';
export {
  type EventLimit,
  type ImagePolicyOptions,
  isLevel,
  isVersion,
  type LimitedResource,
  type PodNodeSelectors,
  type PodSecurityOptions,
  type PodTolerationOptions,
  podSecurityModes,
} from './admission/index.ts';
export { type IpRange, type PortRange, parseIpRange, parsePortRange } from './allocation/index.ts';
export { type ApiServer, createApiServer } from './api-server.ts';
export type { ApiServerOptions, Route } from './api-server-options.ts';
export { type AuditOptions, type Auditor, auditFlags, auditOptions, openAudit } from './audit/index.ts';
export type { ClaimMapping, ClaimSource, SourcedExpression, TokenRule } from './authentication/claim-mapping.ts';
export { parseTokenFile } from './authentication/index.ts';
export type { OidcOptions } from './authentication/oidc.ts';
export type { AuthorizationMode, ConfiguredAuthorizer } from './authorization/index.ts';
export { apiServerIdentity } from './bootstrap/index.ts';
export { type ClusterApiServer, type ClusterApiServerOptions, createClusterApiServer } from './cluster-api-server.ts';
export type { ComponentAddress } from './component/component-probe.ts';
export { type ComponentRoute, type ComponentServer, openComponentServer } from './component/component-server.ts';
export { followConfiguration, followFiles } from './configuration-file.ts';
export { type Encryption, openEncryption } from './encryption/index.ts';
export {
  type Answer,
  type AnswerEvent,
  type Item,
  objectAnswer,
  type RequestBody,
  type RequestContext,
  textAnswer,
  type Upgrade,
} from './exchange.ts';
export type { TlsOptions } from './http/http-server.ts';
export type { Incoming, Outcome } from './pipeline/pipeline.ts';
export type { HandlerCall, SubresourceHandler } from './registry/resource-handler.ts';
export type { ServedResource } from './registry/served-resource.ts';
export * from './request.ts';
export type {
  Cached,
  ResourceStorage,
  StorageList,
  StorageListOptions,
  StorageWatchEvent,
  StorageWatchOptions,
} from './storage/storage.ts';
export { decodeStored, type StorageMediaType, storageMediaTypes } from './storage/stored-form.ts';
export { type Follower, follow, readObject, readObjects, type Storages } from './storages.ts';
export type { KubeletTls } from './streaming/index.ts';
export { type CredentialsFor, openKubeconfigWebhook, openWebhookCredentials } from './webhook/index.ts';
