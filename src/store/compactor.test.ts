import { expect, test } from 'vitest';
import { VirtualClock } from '../time/index.ts';
import { compactRegularly } from './compactor.ts';
import { openMemoryStore } from './memory-store.ts';

test('of two servers one forgets, each interval, what is older than the interval before', async () => {
  const clock = new VirtualClock();
  const store = openMemoryStore({ clock, retention: { historyMs: Number.POSITIVE_INFINITY } });
  const controller = new AbortController();
  const errors: unknown[] = [];
  const servers = [1, 2].map(() => compactRegularly({ store, clock, signal: controller.signal, onError: (error) => errors.push(error) }));
  const put = async () => (await store.commit([], [{ put: '/a', value: Buffer.from('x') }])).revision;
  await clock.advance(0);
  const first = await put();
  await clock.advance(300_000);
  const second = await put();
  await expect(store.get('/a', { revision: first })).resolves.toBeDefined();
  await clock.advance(300_000);
  await expect(store.get('/a', { revision: first })).rejects.toMatchObject({ name: 'CompactedError' });
  await expect(store.get('/a', { revision: second })).resolves.toBeDefined();
  controller.abort();
  await Promise.all(servers);
  expect(clock.pending).toBe(0);
  expect(errors).toEqual([]);
  await store.close();
});
