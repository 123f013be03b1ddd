import type { Logger } from 'pino';
import type { Clock, Random } from '../../time/index.ts';
import { openKubeconfigWebhook, postPatiently } from '../webhook/kubeconfig-webhook.ts';
import type { AuditBackend } from './backend.ts';
import type { AuditMetrics } from './metrics.ts';

export interface WebhookOptions {
  /** --audit-webhook-config-file: a kubeconfig whose cluster is the receiver. */
  configFile: string;
  /** --audit-webhook-initial-backoff. */
  initialBackoffMs: number;
}

/** Posts batches as an EventList. Throws where the kubeconfig can't be used. */
export async function webhookBackend(
  options: WebhookOptions,
  { clock, random, logger, metrics }: { clock: Clock; random: Random; logger: Logger; metrics: AuditMetrics },
): Promise<AuditBackend> {
  const webhook = await openKubeconfigWebhook(options.configFile);
  return {
    async process(events) {
      const body = JSON.stringify({ kind: 'EventList', apiVersion: 'audit.k8s.io/v1', metadata: {}, items: events });
      try {
        const patience = { clock, random, initialBackoffMs: options.initialBackoffMs, mayHelp: () => true };
        await postPatiently(webhook, body, patience, () => undefined);
        return true;
      } catch (error) {
        metrics.failed('webhook', events.length);
        logger.error({ err: error }, `Error in audit plugin "webhook" affecting ${events.length} audit events`);
        return false;
      }
    },
    close: () => Promise.resolve(),
  };
}
