import type { Registry } from 'prom-client';
import type { Clock } from '../../time/index.ts';
import { createOidcMetrics } from './oidc-metrics.ts';
import { createServiceAccountMetrics } from './service-account-metrics.ts';
import { createTokenCacheMetrics } from './token-cache-metrics.ts';

/** What authenticators of each kind count; `server`: whose metrics they are. */
export const identityMetrics = (registry: Registry, clock: Clock, server: string) => ({
  metrics: createServiceAccountMetrics(registry),
  oidcMetrics: createOidcMetrics(registry, clock, server),
  tokenCacheMetrics: createTokenCacheMetrics(registry, clock),
});
