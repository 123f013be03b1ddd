/**
 * The order in which everything happened, put together from what everybody was told: one event for each revision that changed an
 * object. The observers' watches say it; lists at single revisions fill in what the observers missed while no server answered.
 */
import type { History, Key, ObjectState, Operation, WatchSession } from '../history.ts';
import type { Violation } from './violation.ts';

export interface TimelineEvent {
  revision: number;
  key: Key;
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** undefined for a deletion. */
  state: ObjectState | undefined;
  /** Before it, as far as it is known. */
  before: ObjectState | undefined;
  /** Something may have become of the object since then, which nobody saw. */
  followsGap: boolean;
}

export interface Timeline {
  events: readonly TimelineEvent[];
  /** Everything from the beginning to here is known. */
  end: number;
  /** Revisions FROM to TO that nobody saw: what is said of them can't be checked. */
  gaps: readonly { from: number; to: number }[];
  eventsOf(key: Key): readonly TimelineEvent[];
  keys(): Iterable<Key>;
  eventAt(revision: number): TimelineEvent | undefined;
  /** The object as it was at a revision; undefined where it was absent. */
  at(key: Key, revision: number): ObjectState | undefined;
  /** Whether the events from here to there are all known. */
  knows(from: number, to: number): boolean;
}

interface Witness {
  state: ObjectState | undefined;
  key: Key;
  by: WatchSession | Operation;
}

export const isOfAll = (watch: WatchSession): boolean => !watch.namespace && !watch.name && !watch.color;

const sameState = (a: ObjectState | undefined, b: ObjectState | undefined) =>
  a?.revision === b?.revision && a?.uid === b?.uid && a?.value === b?.value && a?.color === b?.color;

export function describeState(state: ObjectState | undefined): string {
  return state ? `${state.value} (${state.color}, revision ${state.revision}, uid ${state.uid.slice(0, 8)})` : 'absent';
}

export function buildTimeline(history: History): { timeline: Timeline; violations: Violation[] } {
  const violations: Violation[] = [];
  const begin = history.head.beginRevision;
  const witnesses = new Map<number, Witness>();
  const tell = (revision: number, witness: Witness) => {
    const known = witnesses.get(revision);
    if (!known) {
      witnesses.set(revision, witness);
      return;
    }
    if (known.key === witness.key && sameState(known.state, witness.state)) return;
    const both = [known.by, witness.by];
    violations.push({
      promise: 'one change for each revision',
      what: `revision ${revision} is ${known.key}: ${describeState(known.state)} to one and ${witness.key}: ${describeState(witness.state)} to another`,
      operations: both.filter((by) => by.entry === 'operation'),
      watches: both.filter((by) => by.entry === 'watch'),
    });
  };

  const seen: { from: number; to: number }[] = [];
  for (const watch of history.watches) {
    let last = watch.initialEvents ? Number.NaN : Number(watch.version);
    const from = last;
    for (const event of watch.events) {
      if (event.key && event.type !== 'DELETED' && event.state) tell(event.revision, { key: event.key, state: event.state, by: watch });
      if (event.key && event.type === 'DELETED' && isOfAll(watch)) tell(event.revision, { key: event.key, state: undefined, by: watch });
      last = event.revision;
    }
    if (isOfAll(watch) && history.head.observers.includes(watch.client) && last > from) seen.push({ from, to: last });
  }
  // Where the observers have seen everything, answers are judged by it. Elsewhere they are what is known.
  const observed = merged(seen);
  const isObserved = (revision: number) => observed.some(({ from, to }) => from < revision && revision <= to);
  for (const operation of history.operations) {
    const { state, call } = operation;
    if (state && 'key' in call && !isObserved(state.revision)) tell(state.revision, { key: call.key, state, by: operation });
    for (const item of operation.list?.items ?? [])
      if (!isObserved(item.state.revision)) tell(item.state.revision, { key: item.key, state: item.state, by: operation });
  }
  // Whole lists of neighbouring revisions tell what happened in between.
  const snapshots = new Map<number, Operation>();
  for (const operation of history.operations) {
    const { call, list } = operation;
    if (call.verb !== 'list' || !list || call.namespace || call.color || list.more || call.continues !== undefined) continue;
    snapshots.set(list.revision, operation);
  }
  const snapshotAt = (revision: number): Set<Key> | undefined =>
    revision === begin ? new Set() : setOf(snapshots.get(revision)?.list?.items.map((item) => item.key));
  for (const [revision, operation] of snapshots) {
    const before = snapshotAt(revision - 1);
    if (!before) continue;
    seen.push({ from: revision - 1, to: revision });
    const now = new Set(operation.list?.items.map((item) => item.key));
    if (!isObserved(revision)) for (const key of before) if (!now.has(key)) tell(revision, { key, state: undefined, by: operation });
  }

  const known = merged([{ from: begin, to: begin }, ...seen]);
  const gaps = known.slice(1).map(({ from }, i) => ({ from: (known[i]?.to ?? begin) + 1, to: from }));
  const reached = known.at(-1)?.to ?? begin;

  const events: TimelineEvent[] = [];
  const byKey = new Map<Key, TimelineEvent[]>();
  const uids = new Set<string>();
  for (const [revision, { key, state, by }] of [...witnesses].sort(([a], [b]) => a - b)) {
    const past = byKey.get(key) ?? [];
    const before = past.at(-1)?.state;
    const followsGap = gaps.some((gap) => gap.from <= revision && gap.to > (past.at(-1)?.revision ?? begin));
    const event: TimelineEvent = { revision, key, type: state ? (before ? 'MODIFIED' : 'ADDED') : 'DELETED', state, before, followsGap };
    const wrong = followsGap ? undefined : problemOf(event, uids);
    if (wrong) {
      violations.push({
        promise: 'a history that follows from itself',
        what: `at revision ${revision} ${key} ${wrong}`,
        operations: by.entry === 'operation' ? [by] : [],
        watches: by.entry === 'watch' ? [by] : [],
      });
    }
    if (state) uids.add(state.uid);
    events.push(event);
    past.push(event);
    byKey.set(key, past);
  }
  return { timeline: timelineOf(events, byKey, gaps, reached), violations };
}

function problemOf({ type, state, before }: TimelineEvent, uids: ReadonlySet<string>): string | undefined {
  if (type === 'DELETED' && !before) return 'was deleted, but was not there';
  if (type === 'MODIFIED' && state?.uid !== before?.uid)
    return `became ${describeState(state)} though ${describeState(before)} was never deleted`;
  if (type === 'ADDED' && state && uids.has(state.uid)) return `was created with the uid of an object that was there before: ${state.uid}`;
  return undefined;
}

function timelineOf(
  events: readonly TimelineEvent[],
  byKey: ReadonlyMap<Key, readonly TimelineEvent[]>,
  gaps: Timeline['gaps'],
  end: number,
): Timeline {
  const byRevision = new Map(events.map((event) => [event.revision, event]));
  return {
    events,
    end,
    gaps,
    eventsOf: (key) => byKey.get(key) ?? [],
    keys: () => byKey.keys(),
    eventAt: (revision) => byRevision.get(revision),
    at: (key, revision) => {
      const past = byKey.get(key) ?? [];
      return past[countUntil(past, revision) - 1]?.state;
    },
    knows: (from, to) => to <= end && !gaps.some((gap) => gap.from <= to && gap.to >= from),
  };
}

/** How many of them, which are in order, are not after the revision. */
export function countUntil(events: readonly { revision: number }[], revision: number): number {
  let [low, high] = [0, events.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((events[middle]?.revision ?? 0) <= revision) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Stretches that touch or overlap become one. */
function merged(stretches: readonly { from: number; to: number }[]): { from: number; to: number }[] {
  const found: { from: number; to: number }[] = [];
  for (const { from, to } of stretches.toSorted((a, b) => a.from - b.from)) {
    const last = found.at(-1);
    if (last && from <= last.to) last.to = Math.max(last.to, to);
    else found.push({ from, to });
  }
  return found;
}

const setOf = <T>(items: readonly T[] | undefined): Set<T> | undefined => items && new Set(items);
