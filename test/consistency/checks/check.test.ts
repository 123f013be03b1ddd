import { describe, expect, test } from 'vitest';
import type { History, Operation, WatchSession } from '../history.ts';
import { checkHistory } from './check.ts';
import { exampleHistory } from './example-history.ts';
import { linearize } from './linearizability.ts';
import { describeFindings } from './report.ts';

const seeds = [1, 2, 3];
const found = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the example has no such thing');
  return value;
};
const done = (history: History, verb: string, nth = 5): Operation =>
  found(history.operations.filter((o) => o.call.verb === verb && o.outcome === 'done')[nth]);
const watchOf = (history: History, client: string): WatchSession => found(history.watches.findLast((watch) => watch.client === client));
const promisesOf = (history: History) => checkHistory(history).violations.map((violation) => violation.promise);

test.each(seeds)('a consistent history is found to be one (seed %i)', (seed) => {
  const history = exampleHistory(seed);
  expect(checkHistory(history).violations).toEqual([]);
  expect(describeFindings(history, checkHistory(history))).toContain('consistent');
});

test('a list whose revision was given up between its pages goes on with what is there then', () => {
  const history = exampleHistory(1);
  const page = found(history.operations.find(({ call }) => call.verb === 'list' && call.continues !== undefined));
  const revision = found(page.list).revision;
  const last = found(history.operations.findLast(({ call, list }) => call.verb === 'list' && list && call.limit === undefined));
  const first = found(history.operations.find(({ id }) => page.call.verb === 'list' && id === page.call.continues));
  const rest = found(last.list).items.filter((item) => item.key > found(first.list?.items[0]).key);
  history.incidents.push({ entry: 'incident', at: 0, what: 'history is given up', compacted: revision + 1 });
  history.operations.push(
    { ...page, id: 9998, outcome: 'refused', status: 410 },
    { ...last, id: 9999, call: { ...page.call, afresh: true } as typeof page.call, list: { ...found(last.list), items: rest } },
  );
  delete found(history.operations.find(({ id }) => id === 9998)).list;
  expect(checkHistory(history).violations).toEqual([]);
  found(history.operations.at(-1)?.list).items.pop();
  expect(promisesOf(history)).toContain('lists are of one moment');
});

test.each(seeds)('what nobody saw, of a server that was killed, leaves open what comes after it (seed %i)', (seed) => {
  const history = exampleHistory(seed);
  const observer = watchOf(history, 'observer-0');
  // The gap ends just before something is created again.
  const end = observer.events.findIndex((event, i) => i > 20 && event.type === 'ADDED');
  const [first, last] = [found(observer.events[end - 8]), found(observer.events[end - 1])];
  const isLost = (revision = 0) => revision >= first.revision && revision <= last.revision;
  const after = { ...observer, id: 9999, version: String(last.revision), events: observer.events.slice(end) };
  observer.events.splice(end - 8);
  history.watches = [observer, after];
  for (const operation of history.operations)
    if (operation.invokedAt < last.at + 2 && (operation.answeredAt ?? 0) > first.at - 2) operation.outcome = 'unknown';
  history.operations = history.operations.filter(({ outcome, call }) => outcome !== 'unknown' || !['get', 'list'].includes(call.verb));
  for (const operation of history.operations) {
    if (operation.outcome === 'unknown' || isLost(operation.state?.revision)) {
      operation.outcome = 'unknown';
      delete operation.state;
    }
  }
  const findings = checkHistory(history);
  expect(describeFindings(history, findings)).toContain('8 revisions unseen: consistent');
  found(after.events[0]).type = 'DELETED';
  expect(promisesOf(history)).toContain('watches');
});

type Spoil = (history: History) => void;

const spoiled: [what: string, promise: string, spoil: Spoil][] = [
  [
    'an answered write that nobody ever sees',
    'answered writes are kept',
    (history) => {
      const { revision } = found(done(history, 'update').state);
      for (const watch of history.watches) watch.events = watch.events.filter((event) => event.revision !== revision);
      for (const operation of history.operations) delete operation.list;
    },
  ],
  [
    'a deletion that was answered and never happened',
    'answered writes are kept',
    (history) => {
      const call = { verb: 'delete', key: 'c1/a' } as const;
      const last = found(history.operations.at(-1));
      history.operations.push({ ...last, id: 9999, call, invokedAt: 1, answeredAt: 500, outcome: 'done', uid: 'uid-of-nobody' });
    },
  ],
  [
    'a refused write that happened',
    'refused writes do not happen',
    (history) => void Object.assign(done(history, 'update'), { outcome: 'refused' }),
  ],
  [
    'a write that nobody asked for',
    'nothing comes from nowhere',
    (history) => {
      const write = done(history, 'update');
      history.operations = history.operations.filter((operation) => operation !== write);
    },
  ],
  [
    'a deletion that nobody asked for',
    'nothing comes from nowhere',
    (history) => {
      const write = done(history, 'delete', 2);
      history.operations = history.operations.filter((operation) => operation !== write);
    },
  ],
  [
    'a write with an older revision than one that was answered before it was asked for',
    'revisions follow real time',
    (history) => {
      const write = done(history, 'update', 3);
      write.invokedAt += 40;
      write.answeredAt += 40;
    },
  ],
  ['a stale read', 'reads of the most recent are', (history) => readOld(history, '')],
  ['a stale read, of the register alone', 'linearizable', (history) => readOld(history, '')],
  [
    'a read that is older than it asks for',
    'reads are not older than asked for',
    (history) => readOld(history, String(found(history.watches[0]?.events.at(-2)).revision)),
  ],
  [
    'an update that met another revision than its condition says',
    'linearizable',
    (history) => {
      const { call } = done(history, 'update', 4);
      if (call.verb === 'update') call.ifRevision = found(call.ifRevision) - 1;
    },
  ],
  [
    'an answer with what never was',
    'nothing comes from nowhere',
    (history) => {
      const read = done(history, 'get');
      read.state = { ...found(read.state), value: 'phantom' };
    },
  ],
  [
    'an object that was there and was not found',
    'linearizable',
    (history) => {
      const read = done(history, 'get', 8);
      delete read.state;
      Object.assign(read, { outcome: 'refused', status: 404 });
    },
  ],
  [
    'a phantom in a list',
    'lists are of one moment',
    (history) => {
      const { list } = done(history, 'list', 20);
      const gone = found(history.watches[0]?.events.find((event) => event.key && !list?.items.some((item) => item.key === event.key)));
      found(list).items.push({ key: found(gone.key), state: found(gone.state) });
      found(list).items.sort((a, b) => (a.key < b.key ? -1 : 1));
    },
  ],
  ['an object missing from a list', 'lists are of one moment', (history) => void found(done(history, 'list', 40).list).items.pop()],
  [
    'a list of a mixture of moments',
    'lists are of one moment',
    (history) => {
      const lists = history.operations.flatMap(({ list }) => list ?? []);
      const [at, later] = lists.flatMap((list, i) => {
        const next = lists[i + 9];
        const [a, b] = [list.items[0], next?.items[0]];
        return next && a?.key === b?.key && a?.state.revision !== b?.state.revision && list.items.length > 1 ? [[list, next]] : [];
      })[0] as [(typeof lists)[0], (typeof lists)[0]];
      at.items[0] = found(later.items[0]);
    },
  ],
  [
    'a list that is older than what was known',
    'lists are not older than asked for',
    (history) => {
      const [list] = history.operations.filter((operation) => operation.list);
      found(list).invokedAt += 100;
      found(list).answeredAt += 100;
    },
  ],
  [
    'a second page of another moment',
    'pages are of one moment',
    (history) => {
      const page = found(history.operations.find(({ call }) => call.verb === 'list' && call.continues !== undefined));
      found(page.list).revision++;
    },
  ],
  [
    'a list that is refused though its revision was never given up',
    'what is kept is answered',
    (history) => {
      const list = done(history, 'list');
      const { revision } = found(list.list);
      history.incidents.push({ entry: 'incident', at: 0, what: 'history is given up', compacted: revision });
      delete list.list;
      Object.assign(list, { outcome: 'refused', status: 410, call: { verb: 'list', version: String(revision), match: 'Exact' } });
    },
  ],
  ['a lost event', 'watches', (history) => void watchOf(history, 'watcher-0').events.splice(5, 1)],
  ['a lost event of a selection', 'watches', (history) => void watchOf(history, 'watcher-2').events.splice(5, 1)],
  ['an event lost where a watch was resumed', 'watches', (history) => void watchOf(history, 'watcher-0').events.shift()],
  [
    'a duplicated event',
    'watches',
    (history) => {
      const { events } = watchOf(history, 'watcher-0');
      events.splice(5, 0, found(events[4]));
    },
  ],
  [
    'an event told again where a watch was resumed',
    'watches',
    (history) => {
      const before = history.watches.find((watch) => watch.client === 'watcher-0');
      watchOf(history, 'watcher-0').events.unshift(found(before?.events.at(-1)));
    },
  ],
  [
    'reordered events',
    'watches',
    (history) => {
      const { events } = watchOf(history, 'watcher-0');
      events.splice(4, 2, found(events[5]), found(events[4]));
    },
  ],
  [
    'an event of the wrong type',
    'watches',
    (history) =>
      void Object.assign(found(watchOf(history, 'watcher-2').events.find((event) => event.type === 'ADDED')), { type: 'MODIFIED' }),
  ],
  [
    'an event that does not belong to the selection',
    'watches',
    (history) => {
      const { events } = watchOf(history, 'watcher-2');
      const other = found(
        history.watches[0]?.events.find((e) => e.state?.color === 'blue' && !events.some((o) => o.revision === e.revision)),
      );
      const at = events.findIndex((event) => event.revision > other.revision);
      events.splice(at, 0, other);
    },
  ],
  [
    'a bookmark before what it says was sent',
    'watches',
    (history) => {
      const { events } = watchOf(history, 'watcher-0');
      events.splice(3, 0, { at: found(events[3]).at, type: 'BOOKMARK', revision: found(events[3]).revision });
      events.splice(4, 1);
    },
  ],
  ['initial events that lack an object', 'watches', (history) => void watchOf(history, 'watcher-1').events.shift()],
  [
    'a watch that expires though nothing is old',
    'watches',
    (history) => void Object.assign(watchOf(history, 'watcher-0'), { end: 'expired', events: [] }),
  ],
  [
    'a watch that falls silent',
    'watches go on',
    (history) => {
      const observer = watchOf(history, 'observer-0');
      const backup = { ...observer, client: 'observer-1', events: [...observer.events] };
      observer.events = observer.events.slice(0, 20);
      history.head.observers.push('observer-1');
      history.watches.push(backup);
    },
  ],
  [
    'two tales of one revision',
    'one change for each revision',
    (history) => {
      const { events } = watchOf(history, 'watcher-0');
      const index = events.findIndex((event) => event.type === 'MODIFIED');
      const event = found(events[index]);
      events[index] = { ...event, state: { ...found(event.state), value: 'another' } };
    },
  ],
];

/** A read long after another write answers what was there before. */
function readOld(history: History, version: string): void {
  const write = found(history.operations.find(({ call, outcome }) => call.verb === 'update' && outcome === 'done'));
  if (write.call.verb !== 'update') return;
  const before = found(
    history.watches[0]?.events.findLast(
      (e) => e.key === ('key' in write.call ? write.call.key : '') && e.revision < found(write.state).revision,
    ),
  );
  const call = { verb: 'get', key: write.call.key, version } as const;
  const times = { invokedAt: write.answeredAt + 50, answeredAt: write.answeredAt + 51 };
  history.operations.push({ ...write, id: 9999, call, ...times, state: found(before.state) });
}

describe('a spoiled history is noticed', () => {
  for (const [what, promise, spoil] of spoiled) {
    test.each(seeds)(`${what} (seed %i)`, (seed) => {
      const history = exampleHistory(seed);
      spoil(history);
      expect(promisesOf(history)).toContain(promise);
    });
  }
});

describe('the search for an order', () => {
  /** A register of one number, written and read. */
  const model = { initial: 0, fingerprint: (state: number) => String(state) };
  const write = (calledAt: number, answeredAt: number, value: number) => ({ calledAt, answeredAt, apply: () => value });
  const read = (calledAt: number, answeredAt: number, value: number) => ({
    ...{ calledAt, answeredAt },
    apply: (state: number) => (state === value ? state : undefined),
  });

  test('finds the only order of overlapping operations', () => {
    expect(linearize(model, [write(0, 10, 1), write(0, 10, 2), read(1, 9, 2), read(11, 12, 1)]).ok).toBe(true);
  });
  test('does not let an operation happen before it was asked for', () => {
    expect(linearize(model, [read(0, 1, 1), write(2, 3, 1)]).ok).toBe(false);
  });
  test('does not let a read go back', () => {
    expect(linearize(model, [write(0, 20, 1), read(1, 2, 1), read(3, 4, 0)]).ok).toBe(false);
  });
  test('lets what was never answered happen late, or never', () => {
    const lost = { ...write(0, Number.POSITIVE_INFINITY, 1), optional: true };
    expect(linearize(model, [lost, read(5, 6, 0), read(7, 8, 1)]).ok).toBe(true);
    expect(linearize(model, [lost, read(5, 6, 0), read(7, 8, 0)]).ok).toBe(true);
    expect(linearize(model, [lost, read(5, 6, 1), read(7, 8, 0)]).ok).toBe(false);
  });
  test('ends soon where many operations overlap and no order fits', () => {
    const many = Array.from({ length: 12 }, (_, i) => write(0, 100, i + 1));
    expect(linearize(model, [...many, read(101, 102, 99)]).ok).toBe(false);
  });
});
