import { expect, test } from 'vitest';
import { VirtualClock } from '../time/index.ts';
import { storeContract } from './contract.ts';
import { openMemoryStore } from './memory-store.ts';

storeContract('memory', async (clock) => openMemoryStore({ clock }));

test('history older than its keep is forgotten as writes go on', async () => {
  const clock = new VirtualClock();
  const store = openMemoryStore({ clock, retention: { historyMs: 60_000 } });
  const put = (value: string) => store.commit([], [{ put: '/a', value: Buffer.from(value) }]);
  const early = await put('early');
  for (let minute = 0; minute < 3; minute++) {
    await clock.advance(60_000);
    await put(`minute ${minute}`);
  }
  await clock.advance(0);
  await expect(store.get('/a', { revision: early.revision })).rejects.toMatchObject({ name: 'CompactedError' });
  const kept = await store.get('/a', { revision: early.revision + 2 });
  expect(kept?.value.toString()).toBe('minute 1');
  await store.close();
});

test('no more than so many revisions are kept', async () => {
  const store = openMemoryStore({ clock: new VirtualClock(), retention: { historyRevisions: 100 } });
  for (let i = 0; i < 500; i++) await store.commit([], [{ put: '/a', value: Buffer.alloc(100) }]);
  expect(await store.sizeBytes()).toBeLessThan(25_000);
  await store.close();
});
