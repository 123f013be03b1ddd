import type { Resource } from '../../../api/index.ts';
import type { ExtensionMetrics } from '../../metrics/extension-metrics.ts';
import type { ResourceTable } from '../../registry/served-resource.ts';
import type { CredentialsFor, WebhookClient } from '../../webhook/index.ts';
import type { AdmissionContext } from '../context.ts';

export interface WebhookCredentialsByKind {
  mutating?: CredentialsFor;
  validating?: CredentialsFor;
}

/** What the plugins stand on that run others' rules: webhooks and policies. */
export interface ExtensionContext extends AdmissionContext {
  table: ResourceTable;
  webhooks: WebhookClient;
  metrics?: ExtensionMetrics | undefined;
  /** Who the server says it is to webhooks of either kind. */
  webhookCredentials?: WebhookCredentialsByKind | undefined;
  /** Ends the watches of configurations. */
  signal: AbortSignal;
  onError(error: unknown): void;
  /** Resources that are served: without their kinds, there are no configurations to follow. */
  serves(resource: Resource): boolean;
}
