/**
 * Watches against the timeline: what each was sent is exactly the timeline after its start, as its selection sees it, up to the last
 * event or bookmark; where it began with the present, that was the present.
 */
import type { History, Key, ObjectState, SeenEvent, WatchSession } from '../history.ts';
import type { Known } from './known.ts';
import { countUntil, describeState, isOfAll, type Timeline, type TimelineEvent } from './timeline.ts';
import type { Violation } from './violation.ts';

/** The server forgets changes that are this old (src/server/storage/change-log.ts). */
const keptMs = 75_000;

interface Expected {
  revision: number;
  /** One of these. */
  types: readonly ('ADDED' | 'MODIFIED' | 'DELETED')[];
  key: Key;
  state: ObjectState | undefined;
  /** Otherwise the watcher may be told nothing as well: it is not known what was before. */
  isSure: boolean;
}

export function checkWatches(history: History, timeline: Timeline, known: Known): Violation[] {
  const violations: Violation[] = [];
  for (const watch of history.watches) {
    const what = watchProblem(watch, timeline, known) ?? expiryProblem(watch, history, known);
    if (what) violations.push({ promise: 'watches', what: `${describeWatch(watch)} ${what}`, operations: [], watches: [watch] });
  }
  for (const observer of history.head.observers) {
    const own = history.watches.filter((watch) => watch.client === observer && isOfAll(watch));
    const seen = Math.max(history.head.beginRevision, ...own.flatMap((watch) => watch.events.map((event) => event.revision)));
    const last = history.head.endRevision;
    if (seen >= last) continue;
    const what = `${observer} was never told of revision ${last}, though it watched to the end; the last it saw is ${seen}`;
    violations.push({ promise: 'watches go on', what, operations: [], watches: own.slice(-1) });
  }
  return violations;
}

export function describeWatch(watch: WatchSession): string {
  const selection = [watch.namespace, watch.name, watch.color && `color=${watch.color}`].filter(Boolean).join(' ');
  const start = watch.version === '' ? 'now' : `revision ${watch.version}`;
  const resumes = watch.resumes === undefined ? '' : `, after watch #${watch.resumes}`;
  return `watch #${watch.id} of ${selection || 'everything'} from ${start}${watch.initialEvents ? ' with initial events' : ''} (${watch.client} at ${watch.server}${resumes})`;
}

const selects =
  ({ namespace, name, color }: WatchSession) =>
  (key: Key, state: ObjectState | undefined): boolean =>
    state !== undefined &&
    (!namespace || key.startsWith(`${namespace}/`)) &&
    (!name || key.endsWith(`/${name}`)) &&
    (!color || state.color === color);

const words = ({ types, key }: Expected) => `${types.join(' or ')} ${key}`;

/** What a watcher with this selection is told of an event. */
function seenBy(accepts: ReturnType<typeof selects>, { key, revision, before, state, followsGap }: TimelineEvent): Expected | undefined {
  const [was, is] = [accepts(key, before), accepts(key, state)];
  if (is) return { revision, key, types: followsGap ? ['ADDED', 'MODIFIED'] : [was ? 'MODIFIED' : 'ADDED'], state, isSure: true };
  if (followsGap) return { revision, key, types: ['DELETED'], state: undefined, isSure: false };
  return was && before ? { revision, key, types: ['DELETED'], state: { ...before, revision }, isSure: true } : undefined;
}

function watchProblem(watch: WatchSession, timeline: Timeline, known: Known): string | undefined {
  const { events } = watch;
  for (const event of events) {
    const ceiling = known.ceiling(event.at);
    if (event.revision >= ceiling.revision) return `was told of revision ${event.revision} before ${ceiling.revision} was asked for`;
  }
  const accepts = selects(watch);
  if (!watch.initialEvents) return liveProblem(Number(watch.version), events, accepts, timeline);

  const marker = events.findIndex((event) => event.initialEventsEnd);
  const oldest = watch.version === '' ? known.floor(watch.invokedAt).revision : Number(watch.version);
  if (marker >= 0) {
    const revision = events[marker]?.revision ?? 0;
    if (revision < oldest) return `began with the state of revision ${revision} when ${oldest} was there`;
    const wrong = initialProblem(events.slice(0, marker), revision, accepts, timeline);
    return wrong ?? liveProblem(revision, events.slice(marker + 1), accepts, timeline);
  }
  return unmarkedProblem(watch, oldest, accepts, timeline);
}

/** Where no bookmark says how many events are initial ones and of when: there must be a moment that explains all. */
function unmarkedProblem(watch: WatchSession, oldest: number, accepts: ReturnType<typeof selects>, timeline: Timeline): string | undefined {
  const { events } = watch;
  // Cut before anything came, or in the middle of what came first.
  const added = events.findIndex((event) => event.type !== 'ADDED');
  const leading = added < 0 ? events.length : added;
  let problem: string | undefined;
  for (let count = leading; count >= 0; count--) {
    const newest = Math.max(oldest, ...events.slice(0, count).map((event) => event.revision));
    const next = events[count]?.revision ?? Number.POSITIVE_INFINITY;
    const moments = [newest, ...timeline.events.slice(countUntil(timeline.events, newest)).map((event) => event.revision)];
    for (const moment of moments) {
      if (moment >= next) break;
      const initial = initialProblem(events.slice(0, count), moment, accepts, timeline, count === events.length);
      if (initial) {
        problem ??= initial;
        continue;
      }
      const live = liveProblem(moment, events.slice(count), accepts, timeline);
      if (!live) return undefined;
      problem = live;
    }
  }
  return problem ?? 'began with the state of no moment';
}

function initialProblem(
  events: readonly SeenEvent[],
  revision: number,
  accepts: ReturnType<typeof selects>,
  timeline: Timeline,
  isPartial = false,
): string | undefined {
  if (!timeline.knows(1, Math.min(revision, timeline.end))) return undefined;
  const told = new Map(events.map((event) => [event.key, event.state]));
  if (told.size < events.length) return `was told of an object twice in the beginning`;
  for (const key of timeline.keys()) {
    const state = timeline.at(key, revision);
    const wanted = accepts(key, state) ? state : undefined;
    const got = told.get(key);
    if (got?.revision === wanted?.revision && got?.value === wanted?.value) continue;
    if (!got && isPartial) continue;
    return `began with ${key} as ${describeState(got)}; at revision ${revision} it was ${describeState(wanted)}`;
  }
  return undefined;
}

function liveProblem(
  from: number,
  events: readonly SeenEvent[],
  accepts: ReturnType<typeof selects>,
  timeline: Timeline,
): string | undefined {
  let index = countUntil(timeline.events, from);
  let reached = from;
  for (const event of events) {
    if (event.type === 'BOOKMARK' ? event.revision < reached : event.revision <= reached)
      return `was told of revision ${event.revision} after ${reached}${event.key ? ` (${event.type} ${event.key})` : ' by a bookmark'}`;
    const isKnown = timeline.knows(reached + 1, Math.min(event.revision, timeline.end));
    for (let next = timeline.events[index]; next && next.revision < event.revision; next = timeline.events[++index]) {
      const missed = seenBy(accepts, next);
      if (missed?.isSure && isKnown) return `was not told of revision ${missed.revision} (${words(missed)}) before ${event.revision}`;
    }
    reached = event.revision;
    const next = timeline.events[index];
    const expected = next?.revision === event.revision ? seenBy(accepts, next) : undefined;
    if (next?.revision === event.revision) index++;
    if (event.type === 'BOOKMARK') {
      if (expected?.isSure && isKnown) return `got a bookmark of revision ${event.revision} without its event (${words(expected)})`;
      continue;
    }
    if (!isKnown) continue;
    if (!expected) return `was told of ${event.type} ${event.key} at revision ${event.revision}, where nothing of it happened`;
    const { state } = event;
    const isSame = (['value', 'uid', 'color'] as const).every((part) => state?.[part] === expected.state?.[part]);
    if (!expected.types.some((type) => type === event.type) || event.key !== expected.key || (expected.isSure && !isSame))
      return `was told ${event.type} ${event.key} ${describeState(state)}; it was ${words(expected)} ${describeState(expected.state)}`;
  }
  return undefined;
}

/** 410 is for a start that lies before what the server can know: before it was started, compacted away, or long ago. */
function expiryProblem(watch: WatchSession, history: History, known: Known): string | undefined {
  if (watch.end !== 'expired' || watch.initialEvents) return undefined;
  const start = Number(watch.version);
  const own = history.incidents.filter((incident) => incident.server === watch.server);
  const begun = own.findLastIndex((incident) => incident.is === 'started' && incident.at <= watch.endedAt);
  const ready = own.slice(begun).find((incident) => incident.is === 'ready');
  if (!ready || start < known.ceiling(ready.at).revision) return undefined;
  if (history.incidents.some(({ compacted, at }) => compacted && compacted > start && at < watch.endedAt)) return undefined;
  const next = known.ceiling(Math.max(0, watch.endedAt - keptMs * 0.9)).revision;
  return start < next && watch.endedAt > keptMs ? undefined : `expired though nothing of it was old: ${watch.message}`;
}
