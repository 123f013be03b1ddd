/** What can be done to any system. */

import { setTimeout as pause } from 'node:timers/promises';
import type { Store } from '../../../src/store/index.ts';
import type { SlowDisk } from '../../../src/store/testing/slow-disk.ts';
import { eventually } from '../../support/wait.ts';
import { pick } from '../load/clients.ts';
import type { ApiServerPart } from './api-server-part.ts';
import type { Part } from './process.ts';
import type { Fault, SystemOptions } from './system.ts';

/** Something done to one of the parts, whichever chance says. */
export function partFault<P extends Part>(name: string, parts: readonly P[], begin: (part: P) => Promise<() => Promise<void>>): Fault {
  return { name, begin: (random) => begin(pick(random, parts)) };
}

export const restarting = async (server: ApiServerPart): Promise<() => Promise<void>> => {
  await server.kill();
  return () => server.restart();
};

export const killing = async (part: Part): Promise<() => Promise<void>> => {
  await part.kill();
  return async () => {
    part.start();
    await eventually(`${part.name} runs`, () => part.isRunning);
  };
};

/** A few writes a second, so that an fsync takes a good part of one. */
export const slowDisk = (name: string, disks: readonly SlowDisk[]): Fault => ({
  name,
  begin: async (random) => {
    const disk = pick(random, disks);
    disk.throttle(5 + Math.floor(random.next() * 20));
    return async () => disk.throttle(Number.POSITIVE_INFINITY);
  },
});

const betweenCompactionsMs = 100;

/**
 * Another client of the store forgets history, again and again, nearly or quite up to the present; `alongside` is done before and
 * undone after, such as what keeps a server from hearing of anything.
 */
export const compaction = (
  name: string,
  store: Store,
  tell: SystemOptions['tell'],
  alongside: Fault['begin'] = async () => async () => {},
): Fault => ({
  name,
  longestMs: 1500,
  begin: async (random) => {
    const undo = await alongside(random);
    const over = new AbortController();
    const compacting = (async () => {
      while (!over.signal.aborted) {
        try {
          const revision = (await store.revision()) - Math.floor(random.next() * 3) * 10;
          // Told before it happens: whoever meets it may be answered before this is.
          tell({ what: `history before revision ${revision} is given up`, compacted: revision });
          await store.compact(revision);
        } catch {
          // It was given up before, or nobody leads: another time.
        }
        await pause(betweenCompactionsMs);
      }
    })();
    return async () => {
      over.abort();
      await compacting;
      await undo();
    };
  },
});

/** Another client of the same store writes where no API server looks: what it raises the revision by, these have to learn otherwise. */
export const writesElsewhere = (store: Store): Fault => ({
  name: 'another client writes elsewhere',
  longestMs: 1500,
  begin: async () => {
    const over = new AbortController();
    const writing = (async () => {
      for (let i = 0; !over.signal.aborted; i++) {
        // Where nobody leads it is not done: that is nobody's loss.
        await store.commit([], [{ put: `/elsewhere/${i % 10}`, value: Buffer.from(String(i)) }]).catch(() => {});
        await pause(5);
      }
    })();
    return async () => {
      over.abort();
      await writing;
    };
  },
});
