/**
 * The process that `crash-rounds.ts` kills: writes under load, gives room back now and then, and says on stdout
 * what has been answered.
 * Arguments: the store's directory. Lines: `WRITER COUNT`.
 */
import { writeSync } from 'node:fs';
import { openEmbeddedStore } from '../embedded-store.ts';

const store = await openEmbeddedStore({ dir: process.argv[2] ?? '', retention: { historyRevisions: 200 } });
writeSync(1, 'open\n');

async function write(writer: number): Promise<never> {
  const counter = `/counter/${writer}`;
  const before = await store.get(counter);
  for (let count = Number(before?.value.toString() ?? 0) + 1; ; count++) {
    const value = Buffer.from(String(count));
    await store.commit(
      [],
      [
        { put: counter, value },
        { put: `/entry/${writer}/${count}`, value: Buffer.alloc(500, count) },
      ],
    );
    writeSync(1, `${writer} ${count}\n`);
  }
}

async function defragment(): Promise<never> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    await store.defragment?.();
  }
}

await Promise.all([defragment(), ...Array.from({ length: 16 }, (_, writer) => write(writer))]);
