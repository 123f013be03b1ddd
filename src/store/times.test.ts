import { expect, test } from 'vitest';
import { VirtualClock } from '../time/index.ts';
import { openMemoryStore } from './memory-store.ts';
import { parseRetention, type Retention } from './retention.ts';

const open = (retention?: Retention) => {
  const clock = new VirtualClock();
  const store = openMemoryStore({ clock, ...(retention ? { retention } : {}) });
  const put = async (value: string | Buffer) => (await store.commit([], [{ put: '/a', value: Buffer.from(value) }])).revision;
  const at = async (ms: number) => {
    const revision = await store.times?.revisionAt(ms);
    return revision && (await store.get('/a', { revision }))?.value.toString();
  };
  return { clock, store, put, at };
};

test('the state at any time is that of the last write before it', async () => {
  const { clock, store, put, at } = open({ historyMs: 3_600_000 });
  expect(await store.times?.historyBegin()).toBeUndefined();
  const start = clock.now();
  for (let i = 0; i < 100; i++) {
    await put(`${i}`);
    await clock.advance(i % 3 === 0 ? 0 : 1000);
  }
  expect(await store.times?.historyBegin()).toBe(start);
  expect(await at(start - 1)).toBeUndefined();
  // Two of three writes are a second after the one before; the first two share a time.
  for (let second = 0; second < 66; second++)
    expect(await at(start + second * 1000 + 500)).toBe(`${second + Math.floor((second + 1) / 2) + (second % 2 === 0 ? 1 : 0)}`);
  expect(await at(clock.now())).toBe('99');
  await store.close();
});

test('a clock that is set back does not turn history around', async () => {
  const { clock, store, put, at } = open();
  const wall = clock.now();
  let offset = 0;
  const now = clock.now.bind(clock);
  clock.now = () => now() + offset;
  await put('before');
  offset = -60_000;
  await put('after');
  expect(await at(wall - 1)).toBeUndefined();
  expect(await at(wall)).toBe('after');
  await store.close();
});

test('history is kept for its time, and no longer', async () => {
  const { clock, store, put, at } = open({ historyMs: 600_000 });
  const start = clock.now();
  for (let minute = 0; minute < 30; minute++) {
    await put(`${minute}`);
    await clock.advance(60_000);
  }
  await put('last');
  await clock.advance(0);
  expect(await at(start + 30_000)).toBeUndefined();
  expect(await at(clock.now() - 570_000)).toBe('20');
  expect(await store.times?.historyBegin()).toBeGreaterThanOrEqual(clock.now() - 11 * 60_000);
  await store.close();
});

test('history is kept up to its size', async () => {
  const { clock, store, put } = open({ historyBytes: 1_000_000 });
  for (let i = 0; i < 1000; i++) {
    await put(Buffer.alloc(10_000, i));
    await clock.advance(60_000);
  }
  expect(await store.sizeBytes()).toBeGreaterThan(900_000);
  expect(await store.sizeBytes()).toBeLessThan(1_150_000);
  await store.close();
});

test.each([
  ['1h', { historyMs: 3_600_000 }],
  ['1h30m', { historyMs: 5_400_000 }],
  ['7d', { historyMs: 604_800_000 }],
  ['512Mi', { historyBytes: 512 * 2 ** 20 }],
  ['1h,1.5Gi', { historyMs: 3_600_000, historyBytes: 1.5 * 2 ** 30 }],
  ['', undefined],
  ['1', undefined],
  ['1 h', undefined],
  ['an hour', undefined],
  ['-1h', undefined],
])('--history=%s', (text, retention) => {
  expect(parseRetention(text)).toEqual(retention);
});
