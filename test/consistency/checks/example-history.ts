/** A history that a consistent store would have given, for tests to spoil: made by a store of a few lines, in which nothing is at the same time. */
import { seededRandom } from '../../../src/time/index.ts';
import {
  type Call,
  emptyHistory,
  type History,
  type Key,
  type ObjectState,
  type Operation,
  type SeenEvent,
  type WatchSession,
} from '../history.ts';
import { pick } from '../load/clients.ts';

export const beginRevision = 100;
const keys = ['c1/a', 'c1/b', 'c2/a', 'c2/b'];

export function exampleHistory(seed: number, writes = 60): History {
  const random = seededRandom(seed);
  const history = emptyHistory({
    entry: 'head',
    engine: 'example',
    seed,
    seconds: 1,
    beginRevision,
    endRevision: 0,
    observers: ['observer-0'],
  });
  history.incidents.push({ entry: 'incident', at: 0, what: 'api is ready', server: 'api', is: 'ready' });
  const objects = new Map<Key, ObjectState>();
  const changes: { at: number; key: Key; before: ObjectState | undefined; state: ObjectState | undefined; revision: number }[] = [];
  let [revision, ids, now] = [beginRevision, 0, 0];
  const operate = (call: Call, answer: Partial<Operation>) => {
    // Requests overlap a little, as those of many clients do.
    const invokedAt = now - random.next() * 3;
    const operation = { entry: 'operation', id: ++ids, client: `client-${ids % 3}`, server: 'api', call, invokedAt } as const;
    history.operations.push({ ...operation, answeredAt: now + random.next() * 3, outcome: 'done', ...answer });
  };
  const change = (key: Key, state: ObjectState | undefined) => {
    changes.push({ at: now, key, before: objects.get(key), state, revision });
    if (state) objects.set(key, state);
    else objects.delete(key);
  };
  const sorted = (color?: string) =>
    [...objects]
      .filter(([, state]) => !color || state.color === color)
      .map(([key, state]) => ({ key, state }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));

  for (let i = 0; i < writes; i++) {
    now += 2;
    const key = pick(random, keys);
    const [value, color] = [`v${i}`, pick(random, ['red', 'blue'])];
    const present = objects.get(key);
    if (!present) {
      const state = { revision: ++revision, uid: `uid-${i}`, value, color };
      change(key, state);
      operate({ verb: 'create', key, value, color }, { state, status: 201 });
    } else if (random.next() < 0.3) {
      revision++;
      change(key, undefined);
      operate({ verb: 'delete', key }, { uid: present.uid, status: 200 });
    } else {
      const state = { ...present, revision: ++revision, value, color };
      change(key, state);
      operate({ verb: 'update', key, value, color, ifRevision: present.revision }, { state, status: 200 });
    }
    now += 2;
    const read = pick(random, keys);
    const found = objects.get(read);
    operate({ verb: 'get', key: read, version: '' }, found ? { state: found, status: 200 } : { outcome: 'refused', status: 404 });
    operate(
      { verb: 'create', key, value: `refused-${i}`, color },
      objects.has(key) ? { outcome: 'refused', status: 409 } : { outcome: 'failed' },
    );
    const all = sorted();
    operate({ verb: 'list', version: '' }, { status: 200, list: { revision, items: all, more: false } });
    const first = all.slice(0, 1);
    const page = { verb: 'list', version: '', limit: 1 } as const;
    operate(page, { status: 200, list: { revision, items: first, more: all.length > 1 } });
    if (all.length > 1) operate({ ...page, continues: ids }, { status: 200, list: { revision, items: all.slice(1), more: false } });
  }

  const watch = (client: string, from: number, color?: string, session: Partial<WatchSession> = {}): WatchSession => ({
    ...{
      entry: 'watch',
      id: ++ids,
      client,
      server: 'api',
      version: String(from),
      initialEvents: false,
      bookmarks: true,
      ...(color ? { color } : {}),
    },
    ...{ invokedAt: 0, endedAt: now + 10, end: 'cut', ...session },
    events: changes.flatMap(({ at, key, before, state, revision }): SeenEvent[] => {
      if (revision <= from) return [];
      const [was, is] = [before, state].map((one) => one !== undefined && (!color || one.color === color));
      if (is && state) return [{ at, type: was ? 'MODIFIED' : 'ADDED', revision, key, state }];
      return was && before ? [{ at, type: 'DELETED', revision, key, state: { ...before, revision } }] : [];
    }),
  });
  const whole = watch('observer-0', beginRevision);
  whole.events.push({ at: now + 9, type: 'BOOKMARK', revision: revision + 3 });
  history.head.endRevision = revision;
  // Cut in the middle and resumed.
  const middle = whole.events[Math.floor(writes / 2)]?.revision ?? 0;
  const firstHalf = watch('watcher-0', beginRevision);
  firstHalf.events = firstHalf.events.filter((event) => event.revision <= middle);
  const secondHalf = watch('watcher-0', middle, undefined, { resumes: firstHalf.id });
  const listed = watch('watcher-1', revision, undefined, { version: '', initialEvents: true, invokedAt: now + 6 });
  listed.events = [
    ...sorted().map(({ key, state }): SeenEvent => ({ at: now + 7, type: 'ADDED', revision: state.revision, key, state })),
    { at: now + 7, type: 'BOOKMARK', revision, initialEventsEnd: true },
  ];
  history.watches.push(whole, firstHalf, secondHalf, watch('watcher-2', beginRevision, 'red'), listed);
  return history;
}
