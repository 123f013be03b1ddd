/** How far and how fast the number of replicas may follow its metrics. */
import type { HorizontalPodAutoscaler, HPAScalingRules } from '../../api/index.ts';

/** --horizontal-pod-autoscaler-downscale-stabilization. */
const downscaleWindowMs = 5 * 60_000;

export interface Note {
  reason: string;
  message: string;
}

export interface Limited {
  replicas: number;
  /** Of the condition AbleToScale. */
  able: Note;
  /** Of ScalingLimited, and whether it is so. */
  limit: Note & { limited: boolean };
}

/** What is remembered of one autoscaler. */
export interface Memory {
  recommendations: { replicas: number; atMs: number }[];
  ups: { change: number; atMs: number }[];
  downs: { change: number; atMs: number }[];
}

export const newMemory = (): Memory => ({ recommendations: [], ups: [], downs: [] });

const ready: Note = { reason: 'ReadyForNewScale', message: 'recommended size matches current size' };
const wasHigher: Note = {
  reason: 'ScaleDownStabilized',
  message: 'recent recommendations were higher than current one, applying the highest recent recommendation',
};
const wasLower: Note = {
  reason: 'ScaleUpStabilized',
  message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
};
const within: Note = { reason: 'DesiredWithinRange', message: 'the desired count is within the acceptable range' };
const tooFew: Note = { reason: 'TooFewReplicas', message: 'the desired replica count is less than the minimum replica count' };
const tooMany: Note = { reason: 'TooManyReplicas', message: 'the desired replica count is more than the maximum replica count' };
const tooFastUp: Note = { reason: 'ScaleUpLimit', message: 'the desired replica count is increasing faster than the maximum scale rate' };
const tooFastDown: Note = {
  reason: 'ScaleDownLimit',
  message: 'the desired replica count is decreasing faster than the maximum scale rate',
};

/** Remembers what is recommended, and answers what is to be done about it. */
export function limitReplicas({ spec }: HorizontalPodAutoscaler, memory: Memory, current: number, desired: number, nowMs: number): Limited {
  const min = spec.minReplicas ?? 1;
  const { scaleUp, scaleDown } = spec.behavior ?? {};
  const windows = spec.behavior
    ? { up: (scaleUp?.stabilizationWindowSeconds ?? 0) * 1000, down: (scaleDown?.stabilizationWindowSeconds ?? 300) * 1000 }
    : { up: 0, down: downscaleWindowMs };
  const stabilized = stabilize(memory, spec.behavior ? current : undefined, desired, windows, nowMs);
  const able = stabilized === desired ? ready : spec.behavior && desired >= current ? wasLower : wasHigher;
  const bounded = (replicas: number, note: Note): Limited => ({ replicas, able, limit: { ...note, limited: replicas !== stabilized } });

  if (!spec.behavior) {
    if (stabilized < min) return bounded(min, tooFew);
    const fastest = Math.max(2 * current, 4);
    const most = Math.min(spec.maxReplicas, fastest);
    if (stabilized > most) return bounded(most, spec.maxReplicas > fastest ? tooFastUp : tooMany);
    return bounded(stabilized, within);
  }
  if (stabilized > current) {
    const fastest = Math.max(current, scaleUpLimit(current, memory, scaleUp, nowMs));
    const most = Math.min(spec.maxReplicas, fastest);
    if (stabilized > most) return bounded(most, spec.maxReplicas > fastest ? tooFastUp : tooMany);
  } else if (stabilized < current) {
    const fastest = Math.min(current, scaleDownLimit(current, memory, scaleDown, nowMs));
    const least = Math.max(min, fastest);
    if (stabilized < least) return bounded(least, min < fastest ? tooFastDown : tooFew);
  }
  return bounded(stabilized, within);
}

/**
 * The lowest of what was recommended lately bounds what may be added, the highest what may be taken away. Without a `current` size to
 * start from it is the highest.
 */
function stabilize(
  memory: Memory,
  current: number | undefined,
  desired: number,
  windows: { up: number; down: number },
  nowMs: number,
): number {
  let [up, down] = [desired, desired];
  for (const { replicas, atMs } of memory.recommendations) {
    if (atMs > nowMs - windows.up) up = Math.min(up, replicas);
    if (atMs > nowMs - windows.down) down = Math.max(down, replicas);
  }
  const longest = Math.max(windows.up, windows.down);
  memory.recommendations = memory.recommendations.filter(({ atMs }) => atMs > nowMs - longest);
  memory.recommendations.push({ replicas: desired, atMs: nowMs });
  return current === undefined ? down : Math.min(Math.max(current, up), down);
}

const changes = (events: Memory['ups'], periodSeconds: number, nowMs: number) =>
  events.filter(({ atMs }) => atMs > nowMs - periodSeconds * 1000).reduce((sum, { change }) => sum + change, 0);

function scaleUpLimit(current: number, memory: Memory, rules: HPAScalingRules | undefined, nowMs: number): number {
  if (rules?.selectPolicy === 'Disabled') return current;
  const proposals = (rules?.policies ?? []).map(({ type, value, periodSeconds }) => {
    const start = current - changes(memory.ups, periodSeconds, nowMs) + changes(memory.downs, periodSeconds, nowMs);
    return type === 'Pods' ? start + value : Math.ceil(start * (1 + value / 100));
  });
  return rules?.selectPolicy === 'Min' ? Math.min(...proposals) : Math.max(...proposals);
}

function scaleDownLimit(current: number, memory: Memory, rules: HPAScalingRules | undefined, nowMs: number): number {
  if (rules?.selectPolicy === 'Disabled') return current;
  const proposals = (rules?.policies ?? []).map(({ type, value, periodSeconds }) => {
    const start = current - changes(memory.ups, periodSeconds, nowMs) + changes(memory.downs, periodSeconds, nowMs);
    return type === 'Pods' ? start - value : Math.trunc(start * (1 - value / 100));
  });
  return rules?.selectPolicy === 'Min' ? Math.max(...proposals) : Math.min(...proposals);
}

/** Remembers a change of size, for as long as any policy asks. */
export function remember(
  memory: Memory,
  behavior: HorizontalPodAutoscaler['spec']['behavior'],
  before: number,
  after: number,
  nowMs: number,
) {
  const list = after > before ? memory.ups : memory.downs;
  list.push({ change: Math.abs(after - before), atMs: nowMs });
  const periods = [...(behavior?.scaleUp?.policies ?? []), ...(behavior?.scaleDown?.policies ?? [])].map((p) => p.periodSeconds * 1000);
  const longest = Math.max(0, ...periods);
  memory.ups = memory.ups.filter(({ atMs }) => atMs > nowMs - longest);
  memory.downs = memory.downs.filter(({ atMs }) => atMs > nowMs - longest);
}
