/** The smallest strategic merge patch that makes one status of another; conditions that are not the kubelet's are left alone. */
import { isDeepStrictEqual } from 'node:util';
import type { PodStatus } from '../../api/index.ts';

type Patch = Record<string, unknown>;

const owned: readonly (keyof PodStatus)[] = [
  'observedGeneration',
  'phase',
  'reason',
  'message',
  'hostIP',
  'hostIPs',
  'podIP',
  'podIPs',
  'startTime',
  'initContainerStatuses',
  'containerStatuses',
  'ephemeralContainerStatuses',
  'qosClass',
];

/** Conditions of the kubelet that come and go. */
const passing = ['PodResizePending', 'PodResizeInProgress'];
const has = (status: PodStatus | undefined, type: string) => status?.conditions?.some((c) => c.type === type) ?? false;

/** Undefined where there is nothing to change. */
export function statusPatch(current: PodStatus | undefined, wanted: PodStatus): Patch | undefined {
  const patch: Patch = {};
  for (const key of owned) {
    const value = wanted[key];
    const before = current?.[key];
    if (isDeepStrictEqual(value, before)) continue;
    if (value === undefined) patch[key] = null;
    // podIPs merge by address: say that these are all, where there were others.
    else if (key === 'podIPs' && (current?.podIPs?.length ?? 0) > 0) patch[key] = [...(wanted.podIPs ?? []), { $patch: 'replace' }];
    else patch[key] = value;
  }
  const conditions = (wanted.conditions ?? []).filter((condition) => {
    const before = current?.conditions?.find((c) => c.type === condition.type);
    if (!before) return true;
    const { lastProbeTime: _, ...comparable } = before;
    return !isDeepStrictEqual(comparable, condition);
  });
  const over = passing.filter((type) => has(current, type) && !has(wanted, type));
  if (conditions.length > 0 || over.length > 0) {
    const changed = conditions.map((condition) => {
      const before = current?.conditions?.find((c) => c.type === condition.type);
      // A merge keeps what it does not name.
      const gone = (['reason', 'message'] as const).filter((key) => before?.[key] && !condition[key]);
      return { ...condition, ...Object.fromEntries(gone.map((key) => [key, null])) };
    });
    patch.conditions = [...changed, ...over.map((type) => ({ type, $patch: 'delete' }))];
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}
