import { expect, test } from 'vitest';
import { openMemoryStore } from '../../store/index.ts';
import { VirtualClock } from '../../time/index.ts';
import { endpointLeases } from './endpoint-leases.ts';

test('servers that go take their addresses with them, but for the last, after whom nobody is left to be named', async () => {
  const clock = new VirtualClock();
  const store = openMemoryStore({ clock });
  const published: string[][] = [];
  const errors: unknown[] = [];
  const server = (address: string) =>
    endpointLeases({
      ...{ store, prefix: '/registry', address, clock },
      publish: async (addresses) => void published.push(addresses),
      onError: (error) => errors.push(error),
    });
  const [first, second] = [server('192.0.2.1'), server('192.0.2.2')];
  await first.begin();
  await second.begin();
  await first.end();
  await second.end();
  expect(published).toEqual([['192.0.2.1'], ['192.0.2.1', '192.0.2.2'], ['192.0.2.2']]);
  expect(errors).toEqual([]);
  expect((await store.range('/registry/masterleases/')).values).toEqual([]);
  await store.close();
});
