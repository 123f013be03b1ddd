/**
 * Checks consistency for as long as one likes: `node test/consistency/run.ts [--engine ENGINE] [--seconds N | --each-fault-once]
 * [--seed N] [--out FILE]`, or what a run has noted before: `--check FILE`. Exit code 1 where something is inconsistent; the history is then in FILE.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkHistory } from './checks/check.ts';
import { describeFindings } from './checks/report.ts';
import { type History, readHistory, writeHistory } from './history.ts';
import { runOnce } from './run-once.ts';
import { type Engine, engines } from './systems/system.ts';

const { values } = parseArgs({
  options: {
    engine: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    'each-fault-once': { type: 'boolean', default: false },
    seed: { type: 'string' },
    clients: { type: 'string', default: '6' },
    'think-ms': { type: 'string', default: '20' },
    out: { type: 'string' },
    check: { type: 'string' },
    quiet: { type: 'boolean', default: false },
  },
});

function judge(history: History): boolean {
  const findings = checkHistory(history);
  console.log(describeFindings(history, findings));
  return findings.violations.length === 0;
}

if (values.check) process.exit(judge(readHistory(values.check)) ? 0 : 1);

const chosen = engines.filter((engine) => values.engine === undefined || engine === values.engine);
if (chosen.length === 0) throw new Error(`unknown engine ${values.engine}; there are ${engines.join(', ')}`);
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());

let consistent = true;
for (const engine of chosen as Engine[]) {
  if (interrupted.signal.aborted) break;
  const eachFaultOnce = values['each-fault-once'];
  console.log(`${engine}: ${eachFaultOnce ? 'each fault once' : `${values.seconds} s`}, seed ${seed}`);
  const history = await runOnce({
    ...{ engine, seed, seconds: Number(values.seconds), clients: Number(values.clients), thinkMs: Number(values['think-ms']) },
    ...{ eachFaultOnce, signal: interrupted.signal },
    ...(values.quiet ? {} : { onIncident: console.log }),
  });
  const isConsistent = judge(history);
  const file = values.out ?? join(tmpdir(), `k8ts-consistency-${engine}-${seed}.jsonl`);
  if (values.out || !isConsistent) {
    writeHistory(file, history);
    console.log(`the history is in ${file}; check it again with --check ${file}`);
  }
  consistent &&= isConsistent;
}
process.exit(consistent ? 0 : 1);
