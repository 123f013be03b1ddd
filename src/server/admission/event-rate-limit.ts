import { aggregateMessage, errors } from '../../api/index.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../request.ts';
import type { AdmissionContext } from './context.ts';

export interface EventLimit {
  type: 'Server' | 'Namespace' | 'User' | 'SourceAndObject';
  /** Events a second. */
  qps: number;
  burst: number;
  /** Buckets that are remembered; the oldest go. */
  cacheSize?: number;
}

/** Token buckets over event writes (eventratelimit.admission.k8s.io Configuration). */
export function eventRateLimit(context: AdmissionContext, limits: readonly EventLimit[]): AdmissionPlugin {
  const states = limits.map((limit) => ({ limit, buckets: new Map<string, { tokens: number; at: number }>() }));
  const keyOf = (type: EventLimit['type'], r: AdmissionRequest): string => {
    if (type === 'Server') return '';
    if (type === 'Namespace') return r.namespace;
    if (type === 'User') return r.user.name;
    const event = r.object as unknown as { source?: object; involvedObject?: object; regarding?: object };
    return JSON.stringify([event.source, event.involvedObject ?? event.regarding]);
  };
  return {
    name: 'EventRateLimit',
    handles: (r) => r.resource === 'events' && (r.operation === 'CREATE' || r.operation === 'UPDATE') && !r.dryRun,
    validate(request) {
      const now = context.clock.monotonic();
      const reached: string[] = [];
      // Each of them counts, whatever the others say.
      for (const { limit, buckets } of states) {
        const key = keyOf(limit.type, request);
        const known = buckets.get(key) ?? { tokens: limit.burst, at: now };
        const tokens = Math.min(limit.burst, known.tokens + ((now - known.at) / 1000) * limit.qps);
        if (tokens < 1) reached.push(`limit reached on type ${limit.type} for key ${key}`);
        buckets.delete(key);
        buckets.set(key, { tokens: tokens < 1 ? tokens : tokens - 1, at: now });
        if (buckets.size > (limit.cacheSize ?? 4096)) buckets.delete(buckets.keys().next().value ?? '');
      }
      if (reached.length > 0) throw errors.tooManyRequests(aggregateMessage(reached), 0);
    },
  };
}
