/** Sets of completion indexes in the form that a Job's status has: `1,3-5,7`. */
import type { Pod } from '../../api/index.ts';

export const indexAnnotation = 'batch.kubernetes.io/job-completion-index';
const indexFailuresAnnotation = 'batch.kubernetes.io/job-index-failure-count';
const ignoredFailuresAnnotation = 'batch.kubernetes.io/job-index-ignored-failure-count';

/** Indexes from `limit` on are left out: a Job can be made smaller. */
export function parseIndexes(text: string | undefined, limit = Number.POSITIVE_INFINITY): Set<number> {
  const result = new Set<number>();
  for (const part of (text ?? '').split(',')) {
    if (part === '') continue;
    const [first = 0, last = first] = part.split('-').map(Number);
    for (let i = first; i <= last && i < limit; i++) result.add(i);
  }
  return result;
}

export function formatIndexes(indexes: ReadonlySet<number>): string {
  const parts: string[] = [];
  const sorted = [...indexes].sort((a, b) => a - b);
  for (let i = 0; i < sorted.length; ) {
    let end = i;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end++;
    // Two neighbours are listed, three make a range (upstream's form).
    parts.push(end - i >= 2 ? `${sorted[i]}-${sorted[end]}` : sorted.slice(i, end + 1).join(','));
    i = end + 1;
  }
  return parts.join(',');
}

/** -1 for a pod without one. */
export function indexOf(pod: Pod): number {
  const text = pod.metadata.annotations?.[indexAnnotation];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : -1;
}

/** How many pods of its index had failed before this one was made. */
export const failuresBefore = (pod: Pod): number => countIn(pod, indexFailuresAnnotation);

/** How many failures before this pod the failure policy ignored. */
export const ignoredBefore = (pod: Pod): number => countIn(pod, ignoredFailuresAnnotation);

/** The annotations by which the pod that follows a failed one of its index knows how many failed before it. */
export function failureAnnotations(replaced: Pod | undefined, ignored: boolean): Record<string, string> {
  if (!replaced) return { [indexFailuresAnnotation]: '0' };
  const ignoredCount = ignoredBefore(replaced) + Number(ignored);
  return {
    [indexFailuresAnnotation]: String(failuresBefore(replaced) + Number(!ignored)),
    ...(ignoredCount > 0 ? { [ignoredFailuresAnnotation]: String(ignoredCount) } : {}),
  };
}

function countIn(pod: Pod, annotation: string): number {
  const text = pod.metadata.annotations?.[annotation];
  return text !== undefined && /^\d{1,10}$/.test(text) && Number(text) < 2 ** 31 ? Number(text) : 0;
}
