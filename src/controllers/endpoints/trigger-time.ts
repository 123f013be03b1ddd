/**
 * When the change happened that makes a service's endpoints change: what a proxy measures its latency from, by the annotation
 * `endpoints.kubernetes.io/last-change-trigger-time`.
 */
import type { Pod, Service } from '../../api/index.ts';

export const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';

export interface TriggerTimes {
  /** The earliest change of the service or its pods since the last call; undefined where there was none. */
  observe(key: string, service: Service, pods: readonly Pod[]): string | undefined;
  forget(key: string): void;
}

export function createTriggerTimes(): TriggerTimes {
  const seen = new Map<string, Map<string, string>>();
  return {
    observe(key, service, pods) {
      const known = seen.get(key);
      const next = new Map<string, string>();
      let earliest: string | undefined;
      const note = (name: string, time: string | undefined) => {
        if (!time) return;
        next.set(name, time);
        // RFC 3339 in UTC and whole seconds, as the API writes it, sorts as text.
        if (time > (known?.get(name) ?? '') && (earliest === undefined || time < earliest)) earliest = time;
      };
      note('', service.metadata.creationTimestamp);
      for (const pod of pods) note(pod.metadata.name, pod.status?.conditions?.find((c) => c.type === 'Ready')?.lastTransitionTime);
      seen.set(key, next);
      return earliest;
    },
    forget: (key) => void seen.delete(key),
  };
}
