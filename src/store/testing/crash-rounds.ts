/** Kills a writer at random instants, again and again over the same store, and looks each time at what is there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Random } from '../../time/index.ts';
import { openEmbeddedStore } from '../embedded-store.ts';
import { checkStore } from '../maintenance.ts';

const writerScript = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));

/** Runs the writer until it has been answered `answers` times, kills it, and gives each writer's last answered count. */
async function writeAndKill(dir: string, answers: number): Promise<Map<string, number>> {
  const child = spawn(process.execPath, [writerScript, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  let output = '';
  let seen = 0;
  for await (const chunk of child.stdout.setEncoding('utf8') as AsyncIterable<string>) {
    output += chunk;
    seen += chunk.split('\n').length - 1;
    if (seen > answers) child.kill('SIGKILL');
  }
  await exit;
  if (child.signalCode !== 'SIGKILL') throw new Error(`the writer ended by itself with ${child.exitCode}`);
  const answered = new Map<string, number>();
  // The last line may be cut.
  for (const line of output.split('\n').slice(1, -1)) {
    const [writer = '', count] = line.split(' ');
    answered.set(writer, Number(count));
  }
  return answered;
}

/** Throws where an answered write is lost, an unanswered one is there by half, or the store is not sound. */
async function examine(dir: string, answered: ReadonlyMap<string, number>, leastRevision: number): Promise<number> {
  const { problems } = await checkStore(dir);
  if (problems.length > 0) throw new Error(`the store is not sound: ${problems.join('; ')}`);
  const store = await openEmbeddedStore({ dir });
  try {
    for (const [writer, count] of answered) {
      const stored = Number((await store.get(`/counter/${writer}`))?.value.toString());
      if (!(stored >= count)) throw new Error(`writer ${writer} was answered ${count}, and ${stored} is there`);
      // A commit raises the counter and writes an entry.
      const entries = (await store.range(`/entry/${writer}/`, { countOnly: true })).count;
      if (entries !== stored) throw new Error(`writer ${writer} has counted to ${stored}, and ${entries} entries are there`);
      const last = await store.get(`/entry/${writer}/${stored}`);
      if (stored > 0 && !last?.value.equals(Buffer.alloc(500, stored)))
        throw new Error(`entry ${stored} of writer ${writer} is not what was written`);
    }
    const revision = await store.revision();
    if (revision < leastRevision) throw new Error(`the store has gone back from revision ${leastRevision} to ${revision}`);
    return revision;
  } finally {
    await store.close();
  }
}

export interface CrashRoundsOptions {
  dir: string;
  rounds: number;
  random: Random;
  /** The writer is killed after up to so many answers. */
  answers: number;
  onRound?(round: number, revision: number): void;
}

/** Answers the revision that the store has reached. */
export async function crashRounds({ dir, rounds, random, answers, onRound }: CrashRoundsOptions): Promise<number> {
  let revision = 1;
  for (let round = 1; round <= rounds; round++) {
    const answered = await writeAndKill(dir, Math.floor(random.next() * answers));
    revision = await examine(dir, answered, revision);
    onRound?.(round, revision);
  }
  return revision;
}
