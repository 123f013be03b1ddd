/**
 * How Tables show time: upstream's `duration.HumanDuration` and the printers' `translateTimestampSince`
 * (k8s.io/apimachinery/pkg/util/duration, pkg/printers/internalversion).
 */
import { columnDescriptions } from './generated/column-descriptions.ts';
import type { Column } from './kind.ts';
import type { KubeObject } from './resource.ts';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** `3d4h`: a length of time in at most two units, the coarser the longer it is. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 2 * MINUTE) return `${seconds}s`;
  const pair = (big: number, bigUnit: string, small: number, smallUnit: string) => {
    const rest = Math.trunc((seconds % big) / small);
    return `${Math.trunc(seconds / big)}${bigUnit}${rest === 0 ? '' : `${rest}${smallUnit}`}`;
  };
  const minutes = Math.trunc(seconds / MINUTE);
  if (minutes < 10) return pair(MINUTE, 'm', 1, 's');
  if (minutes < 3 * 60) return `${minutes}m`;
  const hours = Math.trunc(seconds / HOUR);
  if (hours < 8) return pair(HOUR, 'h', MINUTE, 'm');
  if (hours < 48) return `${hours}h`;
  const days = Math.trunc(hours / 24);
  if (hours < 24 * 8) return pair(DAY, 'd', HOUR, 'h');
  if (hours < 24 * 365 * 2) return `${days}d`;
  if (hours < 24 * 365 * 8) return pair(YEAR, 'y', DAY, 'd');
  return `${Math.trunc(hours / 24 / 365)}y`;
}

/** The time from an RFC 3339 timestamp to the present, or `<unknown>` where there is none. */
export function translateTimestampSince(timestamp: string | null | undefined, nowMs: number): string {
  if (!timestamp) return '<unknown>';
  return humanDuration(nowMs - Date.parse(timestamp));
}

/** The AGE cell. */
export function age(obj: KubeObject, nowMs: number): string {
  return translateTimestampSince(obj.metadata.creationTimestamp, nowMs);
}

/** What the API's documentation says of a field (`core.v1.PodStatus.podIP`), which is what upstream's columns mostly say of themselves. */
export const fieldDoc = (field: keyof typeof columnDescriptions): string => columnDescriptions[field];

/** The NAME column that nearly every kind starts with. */
export const nameColumn: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: fieldDoc('meta.v1.ObjectMeta.name'),
  value: (obj) => obj.metadata.name,
};

/** The AGE column that nearly every kind ends with (or has before its wide columns). */
export const ageColumn: Column = {
  name: 'Age',
  type: 'string',
  description: fieldDoc('meta.v1.ObjectMeta.creationTimestamp'),
  value: age,
};

const zeroTime = '0001-01-01T00:00:00Z';

/** What is shown of a kind that says nothing of columns (upstream: rest.NewDefaultTableConvertor). */
export const defaultColumns: readonly Column[] = [
  nameColumn,
  {
    name: 'Created At',
    type: 'date',
    description: fieldDoc('meta.v1.ObjectMeta.creationTimestamp'),
    value: ({ metadata }) => metadata.creationTimestamp || zeroTime,
  },
];

/** A label map as `a=1,b=2` in the order of its keys; `<none>` for an empty one (labels.FormatLabels). */
export function formatLabels(map: Readonly<Record<string, string>> | undefined): string {
  const text = Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  return text === '' ? '<none>' : text;
}
