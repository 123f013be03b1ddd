/**
 * The figures of a whole local cluster: time to a Ready node and answering DNS, time from `kubectl run` to Ready, memory and CPU
 * at rest. Needs root and a built `dist/`. `node bench/cluster.ts [--runs N]`.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Pod } from '../src/api/index.ts';
import { type Client, connectionOf, createClient, httpsTransport, loadKubeconfig } from '../src/client/index.ts';
import { systemClock } from '../src/time/index.ts';
import { startCluster, type TestCluster } from '../test/support/cluster.ts';
import { buildImage, saveImage } from '../test/support/images.ts';
import { machine, median, table } from './report.ts';

const { values } = parseArgs({ options: { runs: { type: 'string', default: '5' } } });
const runs = Number(values.runs);

async function timeUp(...args: string[]): Promise<number> {
  const begin = systemClock.monotonic();
  const cluster = await startCluster(...args);
  const ms = systemClock.monotonic() - begin;
  await cluster.down();
  return ms;
}

async function repeated(work: () => Promise<number>): Promise<number[]> {
  const out: number[] = [];
  for (let i = 0; i < runs; i++) out.push(await work());
  return out;
}

/** Milliseconds from starting `kubectl run` to having seen the Ready condition through a watch. */
async function timeToReady(cluster: TestCluster, client: Client, name: string): Promise<number> {
  const stop = new AbortController();
  const events = client.watch(Pod, { namespace: 'default', fieldSelector: `metadata.name=${name}`, signal: stop.signal });
  const begin = systemClock.monotonic();
  const run = cluster.kubectl('run', name, '--image=bench/sleep:1', '--image-pull-policy=Never', '--command', '--', 'sleep', '3600');
  for await (const event of events) {
    if (
      event.type !== 'BOOKMARK' &&
      event.type !== 'DELETED' &&
      event.object.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True')
    )
      break;
  }
  const ms = systemClock.monotonic() - begin;
  stop.abort();
  await run;
  await client.delete(Pod, name, { namespace: 'default', gracePeriodSeconds: 0 });
  return ms;
}

interface Usage {
  component: string;
  rssBytes: number;
  cpuTicks: number;
}

async function usage(cluster: TestCluster): Promise<Usage[]> {
  const status = JSON.parse((await cluster.k8ts('status', '-o', 'json')).stdout) as { processes: { component: string; pid: number }[] };
  return status.processes.map(({ component, pid }) => {
    const memory = readFileSync(`/proc/${pid}/status`, 'utf8');
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return {
      component,
      rssBytes: Number(/VmRSS:\s+(\d+)/.exec(memory)?.[1] ?? 0) * 1024,
      cpuTicks: Number(fields[11]) + Number(fields[12]),
    };
  });
}

const clockTicksPerSecond = 100;
const settleMs = 20_000;
const idleMs = 30_000;

const dir = mkdtempSync(join(tmpdir(), 'k8ts-bench-'));
const archive = join(dir, 'sleep.tar');
saveImage(buildImage({ programs: {}, entrypoint: [], command: ['sleep', '3600'] }), 'docker.io/bench/sleep:1', archive);

const rows: string[][] = [];
rows.push(['k8ts up, hollow: to ready', `${median(await repeated(() => timeUp('--runtime', 'hollow'))).toFixed(0)} ms`, '< 1000 ms']);
rows.push(['k8ts up: to Ready node and answering DNS', `${median(await repeated(() => timeUp())).toFixed(0)} ms`, '< 3000 ms']);

const total = (usages: Usage[], of: (usage: Usage) => number) => usages.reduce((sum, usage) => sum + of(usage), 0);
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;

const cluster = await startCluster();
try {
  await systemClock.sleep(settleMs);
  const before = await usage(cluster);
  await systemClock.sleep(idleMs);
  const after = await usage(cluster);
  for (const u of after) rows.push([`memory at rest: ${u.component}`, megabytes(u.rssBytes), '']);
  rows.push(['memory at rest: all', megabytes(total(after, (u) => u.rssBytes)), '< 250 MB']);
  const ticks = total(after, (u) => u.cpuTicks) - total(before, (u) => u.cpuTicks);
  rows.push(['CPU at rest', `${((ticks / clockTicksPerSecond / (idleMs / 1000)) * 100).toFixed(2)} % of a core`, '< 1 %']);

  await cluster.k8ts('load', archive);
  const client = createClient(httpsTransport(await connectionOf(await loadKubeconfig(cluster.kubeconfig))));
  const times: number[] = [];
  for (let i = 0; i < runs * 4; i++) times.push(await timeToReady(cluster, client, `bench-${i}`));
  await client.close();
  rows.push([`kubectl run to Ready, image present (median of ${times.length})`, `${median(times).toFixed(0)} ms`, '< 400 ms']);
  await systemClock.sleep(settleMs);
  rows.push([`memory after ${times.length} pods: all`, megabytes(total(await usage(cluster), (u) => u.rssBytes)), '']);
} finally {
  await cluster.down();
  rmSync(dir, { recursive: true });
}
console.log(machine());
console.log(table(['figure', 'measured', 'target'], rows));
