/** Every engine under load and each of its faults once, in an order as never before. `run.ts` does it for longer, and again with the seed. */
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkHistory } from './checks/check.ts';
import { describeFindings } from './checks/report.ts';
import { writeHistory } from './history.ts';
import { runOnce } from './run-once.ts';
import { type Engine, engines } from './systems/system.ts';

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const runs: Record<Engine, boolean> = {
  memory: true,
  embedded: true,
  etcd: isRoot && spawnSync('etcd', ['--version']).status === 0,
  'etcd-face': isRoot,
};
describe('answers are those of one consistent store', () => {
  for (const engine of engines) {
    const seed = Math.floor(Math.random() * 2 ** 31);
    test.runIf(runs[engine])(`${engine}, seed ${seed}`, { timeout: 180_000 }, async () => {
      const history = await runOnce({ engine, seed, seconds: 0, eachFaultOnce: true });
      const findings = checkHistory(history);
      const words = describeFindings(history, findings);
      console.log(words);
      if (findings.violations.length > 0) {
        const file = join(tmpdir(), `k8ts-consistency-${engine}-${seed}.jsonl`);
        writeHistory(file, history);
        expect.fail(`${words}\nthe history is in ${file}: node test/consistency/run.ts --check ${file}`);
      }
      expect(history.operations.filter((operation) => operation.outcome === 'done').length).toBeGreaterThan(20);
    });
  }
});
