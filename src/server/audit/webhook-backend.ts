import type { Logger } from 'pino';
import type { Clock, Random } from '../../time/index.ts';
import { mayRetry, openKubeconfigWebhook } from '../webhook/kubeconfig-webhook.ts';
import type { AuditBackend } from './backend.ts';
import type { AuditMetrics } from './metrics.ts';

export interface WebhookOptions {
  /** --audit-webhook-config-file: a kubeconfig whose cluster is the receiver. */
  configFile: string;
  /** --audit-webhook-initial-backoff. */
  initialBackoffMs: number;
}

/** Upstream's retries: so many tries, each wait half as long again as the last, give or take. */
const steps = 5;
const factor = 1.5;
const jitter = 0.2;
const timeoutMs = 30_000;

/** Posts batches as an EventList. Throws where the kubeconfig can't be used. */
export async function webhookBackend(
  options: WebhookOptions,
  { clock, random, logger, metrics }: { clock: Clock; random: Random; logger: Logger; metrics: AuditMetrics },
): Promise<AuditBackend> {
  const webhook = await openKubeconfigWebhook(options.configFile);
  const attempt = async (body: string) => {
    const deadline = new AbortController();
    const timer = clock.setTimer(timeoutMs, () => deadline.abort(new Error('context deadline exceeded')), { background: true });
    try {
      await webhook.post(body, deadline.signal);
    } finally {
      timer.cancel();
    }
  };
  return {
    async process(events) {
      const body = JSON.stringify({ kind: 'EventList', apiVersion: 'audit.k8s.io/v1', metadata: {}, items: events });
      let delayMs = options.initialBackoffMs;
      for (let step = 1; ; step++) {
        try {
          await attempt(body);
          return true;
        } catch (error) {
          if (step >= steps || !mayRetry(error)) {
            metrics.failed('webhook', events.length);
            logger.error({ err: error }, `Error in audit plugin "webhook" affecting ${events.length} audit events`);
            return false;
          }
        }
        await clock.sleep(delayMs * (1 + random.next() * jitter));
        delayMs *= factor;
      }
    },
    close: () => Promise.resolve(),
  };
}
