/**
 * Kills the embedded store under load a thousand times: `node scripts/crash-store.ts [ROUNDS] [SEED]`. Fails where an answered write is
 * lost or an unanswered one is there by half.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crashRounds } from '../src/store/testing/crash-rounds.ts';
import { seededRandom } from '../src/time/index.ts';

const rounds = Number(process.argv[2] ?? 1000);
const seed = Number(process.argv[3] ?? 1);
const random = seededRandom(seed);
let done = 0;
console.log(`${rounds} rounds, seed ${seed}`);
while (done < rounds) {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-crash-'));
  try {
    // A new store now and then, so that its first writes are hit too and its size does not slow the rounds.
    const some = Math.min(50, rounds - done);
    const revision = await crashRounds({ dir, rounds: some, random, answers: 1500 });
    done += some;
    console.log(`${done} rounds: no answered write lost, none half there (revision ${revision})`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
