import { expect, test } from 'vitest';
import { ConfigMap } from '../../api/index.ts';
import { VirtualClock } from '../../time/index.ts';
import { memoryStorages } from '../testing/memory-storages.ts';
import { keepAsMade } from './keep-as-made.ts';
import { persistently } from './persistently.ts';

test('what fails is told and tried again until it succeeds, and nobody waits for that', async () => {
  const clock = new VirtualClock();
  const { signal } = new AbortController();
  const errors: unknown[] = [];
  let tries = 0;
  const work = async () => {
    tries++;
    if (tries < 3) throw new Error(`no ${tries}`);
  };
  await persistently(work, { clock, signal, onError: (error) => errors.push(String(error)) });
  expect(tries).toBe(1);
  await expect
    .poll(async () => {
      await clock.advance(10_000);
      return tries;
    })
    .toBe(3);
  await clock.advance(30_000);
  expect(tries).toBe(3);
  expect(errors).toEqual(['Error: no 1', 'Error: no 2']);
});

test('it ends with its signal', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  let tries = 0;
  const work = async () => {
    tries++;
    throw new Error('no');
  };
  await persistently(work, { clock, signal: stop.signal, onError: () => {} });
  stop.abort();
  await clock.advance(30_000);
  expect(tries).toBe(1);
});

test('what somebody removes is made again, at most once an interval', async () => {
  const clock = new VirtualClock();
  const { storages, put, close } = memoryStorages();
  const stop = new AbortController();
  let made = 0;
  const work = async () => {
    await put(ConfigMap, { metadata: { namespace: 'ns', name: 'kept' } });
    made++;
  };
  await work();
  const keep = { clock, signal: stop.signal, onError: () => {}, storages };
  await keepAsMade({
    ...keep,
    objects: [{ resource: ConfigMap as never, namespace: 'ns', name: 'kept' }],
    work: async () => {
      if ((await storages(ConfigMap).get('ns', 'kept')) === undefined) await work();
    },
  });
  await storages(ConfigMap).delete('ns', 'kept', {});
  await clock.advance(9_000);
  expect(made).toBe(1);
  await expect
    .poll(async () => {
      await clock.advance(1_000);
      return made;
    })
    .toBe(2);
  stop.abort();
  await close();
});
