/** Upstream's merge library (structured-merge-diff), which Debian packages, asked through a small program of ours. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { paths } from '../../src/api/index.ts';
import { type History, mergeSchemaOf } from './histories.ts';
import type { Outcome } from './replay.ts';

const library = '/usr/share/gocode/src/sigs.k8s.io/structured-merge-diff';
const cache = join(import.meta.dirname, '../../.cache/server-side-apply');

/** Builds the program. Its library is found by the path that it names itself, which is not where Debian puts it. */
function build(): string {
  const place = join(cache, 'src/sigs.k8s.io/structured-merge-diff');
  mkdirSync(place, { recursive: true });
  rmSync(join(place, 'v4'), { force: true });
  symlinkSync(library, join(place, 'v4'));
  const program = join(cache, 'oracle');
  const env = { ...process.env, GO111MODULE: 'off', GOPATH: `${cache}:/usr/share/gocode`, GOCACHE: join(cache, 'build'), GOFLAGS: '' };
  const { status, stderr, error } = spawnSync('go', ['build', '-o', program, './oracle'], {
    cwd: import.meta.dirname,
    env,
    encoding: 'utf8',
  });
  if (error || status !== 0) throw new Error(`go build failed: ${error?.message ?? stderr}`);
  return program;
}

export interface Oracle {
  ask(history: History): Promise<Outcome[]>;
  stop(): Promise<void>;
}

type Answer = (Omit<Outcome, 'conflicts'> & { conflicts?: Record<string, Parameters<typeof paths>[0]> })[];

export function startOracle(program = process.env.SERVER_SIDE_APPLY_ORACLE ?? build()): Oracle {
  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask({ type, operations }) {
      child.stdin.write(`${JSON.stringify({ schema: mergeSchemaOf(type), operations })}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error('the oracle has ended');
      const answer = JSON.parse(value) as Answer; // as oracle/main.go writes it
      return answer.map(({ conflicts, ...outcome }) => ({
        ...outcome,
        ...(conflicts
          ? { conflicts: Object.fromEntries(Object.entries(conflicts).map(([manager, set]) => [manager, [...paths(set)].sort()])) }
          : {}),
      }));
    },
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}
