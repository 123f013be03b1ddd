/** Watches of every kind, cut and resumed at random; and observers, which watch everything from the beginning to the end. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../../../src/time/index.ts';
import type { SeenEvent, WatchEventType, WatchSession } from '../history.ts';
import { chance, colors, hear, keys, pick, type Recorder } from './clients.ts';
import { type Connection, type Json, NotSentError } from './connection.ts';
import { collectionPath, nameOf, namespaceOf, namespaces, query, selectionQuery, stateOf } from './wire.ts';

type Selection = Pick<WatchSession, 'namespace' | 'name' | 'color' | 'bookmarks'>;
type Start = Pick<WatchSession, 'version' | 'initialEvents'> & { resumes?: number; sendInitialEvents?: boolean; timeoutSeconds?: number };

/** One watch request until it ends or the signal cuts it; noted as it goes. */
export async function watchOnce(
  recorder: Recorder,
  client: string,
  connection: Connection,
  { sendInitialEvents, timeoutSeconds, ...start }: Start,
  selection: Selection,
  signal: AbortSignal,
): Promise<WatchSession> {
  const session: WatchSession = {
    entry: 'watch',
    ...{ id: recorder.nextId(), client, server: connection.server, ...selection, ...start },
    ...{ invokedAt: recorder.now(), endedAt: Number.POSITIVE_INFINITY, events: [], end: 'ended' as const },
  };
  recorder.history.watches.push(session);
  const path =
    collectionPath(selection.namespace) +
    query({
      watch: true,
      resourceVersion: start.version,
      ...selectionQuery(selection.color),
      ...(selection.name ? { fieldSelector: `metadata.name=${selection.name}` } : {}),
      allowWatchBookmarks: selection.bookmarks,
      timeoutSeconds,
      ...(sendInitialEvents ? { sendInitialEvents, resourceVersionMatch: 'NotOlderThan' } : {}),
    });
  try {
    const lines = connection.lines(path, signal);
    for (;;) {
      const { done, value } = await lines.next();
      if (done) {
        if (value.status !== 200) fail(session, value.status, value.body);
        break;
      }
      if (value.type === 'ERROR') {
        const status = value.object as Json;
        fail(session, Number(status.code), status);
        break;
      }
      note(recorder, session, value);
    }
  } catch (error) {
    session.end = signal.aborted ? 'cut' : error instanceof NotSentError ? 'failed' : 'lost';
    session.message = error instanceof Error ? error.message : String(error);
  }
  session.endedAt = recorder.now();
  return session;
}

function fail(session: WatchSession, status: number, body: Json | undefined): void {
  session.end = status === 410 ? 'expired' : 'failed';
  session.message = `${status} ${String(body?.message)}`;
}

function note(recorder: Recorder, session: WatchSession, { type, object }: Json): void {
  const at = recorder.now();
  // Every event is an object with metadata.
  const { metadata } = object as { metadata: { resourceVersion: string; annotations?: Record<string, string> } };
  if (type === 'BOOKMARK') {
    const isEnd = metadata.annotations?.['k8s.io/initial-events-end'] === 'true';
    session.events.push({ at, type, revision: Number(metadata.resourceVersion), ...(isEnd ? { initialEventsEnd: true as const } : {}) });
    return;
  }
  const found = stateOf(object as Json);
  if (!found) return;
  const event: SeenEvent = { at, type: type as WatchEventType, revision: found.state.revision, ...found };
  session.events.push(event);
  if (type !== 'DELETED') hear(recorder, found.key, found.state);
}

/** Where a watch may be taken up again: after the last event, or bookmark. */
const lastRevision = (session: WatchSession): string | undefined => {
  const last = session.events.at(-1);
  // In the middle of the initial events no revision says what was told already.
  const isInitial = session.initialEvents && !session.events.some((event) => event.initialEventsEnd || event.type !== 'ADDED');
  return last && !isInitial ? String(last.revision) : undefined;
};

export interface ObserverOptions {
  name: string;
  recorder: Recorder;
  /** It prefers the first. */
  connections: readonly Connection[];
  random: Random;
  beginRevision: number;
}

export interface Observer {
  /** Everything up to here was seen, in as far as it is still known. */
  readonly revision: number;
  stop(): Promise<void>;
}

/** Watches everything for good: where a watch ends or is cut, it goes on after the last event. */
export function startObserver({ name, recorder, connections, random, beginRevision }: ObserverOptions): Observer {
  const stop = new AbortController();
  let revision = beginRevision;
  const run = async () => {
    let resumes: number | undefined;
    while (!stop.signal.aborted) {
      const connection = chance(random, 0.8) ? (connections[0] as Connection) : pick(random, connections);
      const cut = new AbortController();
      const timer = setTimeout(() => cut.abort(), 1000 + random.next() * 6000);
      const start: Start = { version: String(revision), initialEvents: false, ...(resumes === undefined ? {} : { resumes }) };
      const running = watchOnce(recorder, name, connection, start, { bookmarks: true }, AbortSignal.any([stop.signal, cut.signal]));
      // Told while it runs, so that one may wait for it.
      const session = recorder.history.watches.at(-1) as WatchSession;
      live = session;
      await running;
      clearTimeout(timer);
      revision = Math.max(revision, session.events.at(-1)?.revision ?? 0);
      resumes = session.id;
      if (session.end === 'expired') revision = (await newestRevision(connection)) ?? revision;
      if (session.end === 'failed' || session.end === 'lost' || session.end === 'expired') await pause(50 + random.next() * 100);
    }
  };
  let live: WatchSession | undefined;
  const running = run();
  return {
    get revision() {
      return Math.max(revision, live?.events.at(-1)?.revision ?? 0);
    },
    async stop() {
      stop.abort();
      await running;
    },
  };
}

/** As clients do after 410. */
async function newestRevision(connection: Connection): Promise<number | undefined> {
  try {
    const { status, body } = await connection.send('GET', `${collectionPath(undefined)}?limit=1`);
    return status === 200 ? Number((body.metadata as Json).resourceVersion) : undefined;
  } catch {
    // The server is away again; the observer tries on from where it was.
    return undefined;
  }
}

export interface WatcherOptions {
  name: string;
  recorder: Recorder;
  connections: readonly Connection[];
  random: Random;
}

/** Watches this and that, from here and there, until the signal is aborted. */
export async function runWatcher({ name, recorder, connections, random }: WatcherOptions, signal: AbortSignal): Promise<void> {
  let before: WatchSession | undefined;
  while (!signal.aborted) {
    const resumable = before && lastRevision(before);
    const isResumed = before && resumable && before.end !== 'expired' && chance(random, 0.6);
    const selection: Selection = isResumed && before ? selectionOf(before) : randomSelection(random);
    const start: Start =
      isResumed && before ? { version: resumable, initialEvents: false, resumes: before.id } : randomStart(recorder, random);
    // Bookmarks come two seconds before the end that the client wishes for.
    const timeoutSeconds = chance(random, 0.5) ? 2 + Math.floor(random.next() * 3) : undefined;
    const cut = new AbortController();
    const timer = setTimeout(() => cut.abort(), 200 + random.next() * 4000);
    const wanted = { ...start, ...(timeoutSeconds ? { timeoutSeconds } : {}) };
    before = await watchOnce(recorder, name, pick(random, connections), wanted, selection, AbortSignal.any([signal, cut.signal]));
    clearTimeout(timer);
    if (before.end !== 'cut' && before.end !== 'ended') await pause(50 + random.next() * 100);
  }
}

const selectionOf = ({ namespace, name: object, color, bookmarks }: WatchSession): Selection => ({
  ...(namespace ? { namespace } : {}),
  ...(object ? { name: object } : {}),
  ...(color ? { color } : {}),
  bookmarks,
});

function randomSelection(random: Random): Selection {
  const bookmarks = chance(random, 0.7);
  const color = chance(random, 0.5) ? { color: pick(random, colors) } : {};
  switch (pick(random, ['everything', 'namespace', 'object', 'name'] as const)) {
    case 'everything':
      return { ...color, bookmarks };
    case 'namespace':
      return { ...color, namespace: pick(random, namespaces), bookmarks };
    case 'object': {
      const key = pick(random, keys);
      return { ...color, namespace: namespaceOf(key), name: nameOf(key), bookmarks };
    }
    case 'name':
      return { name: nameOf(pick(random, keys)), bookmarks };
  }
}

function randomStart(recorder: Recorder, random: Random): Start {
  const recent = recorder.recent.length > 0 ? String(pick(random, recorder.recent)) : '0';
  switch (pick(random, ['now', 'any', 'after', 'after', 'list', 'list after'] as const)) {
    case 'now':
      return { version: '', initialEvents: true };
    case 'any':
      return { version: '0', initialEvents: true };
    case 'after':
      return { version: recent, initialEvents: recent === '0' };
    case 'list':
      return { version: '', initialEvents: true, sendInitialEvents: true };
    case 'list after':
      return { version: recent, initialEvents: true, sendInitialEvents: true };
  }
}
