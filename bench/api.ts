/**
 * The API server under load: HTTP/2 over TLS, 4 connections, 32 requests at a time, durable store, server in a process of its own.
 * `node bench/api.ts [--seconds N] [--only WORD,...] [--profile DIR [--allocations]] [--v8 FLAGS]`.
 *
 * A bare Node HTTP/2 server is measured first, by the same client, since machines that are shared are now faster, now slower.
 * Beside the rate it tells the processor time that the server's process spent on a request, all its threads together: on a machine
 * that is shared that is the steadier figure.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle, root } from '../scripts/bundle.ts';
import { controlPlaneV8Flags, memoryEnvironment } from '../src/cluster/v8-flags.ts';
import { systemClock as clock } from '../src/time/index.ts';
import { openRawClient, type RawClient } from './api/raw-client.ts';
import type { Order, Report } from './api/server.ts';
import { machine, table } from './report.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    profile: { type: 'string' },
    allocations: { type: 'boolean' },
    v8: { type: 'string' },
  },
});
const seconds = Number(values.seconds);
const only = values.only.split(',').filter((word) => word !== '');
const isWanted = (figure: string) => only.length === 0 || only.some((word) => figure.includes(word));
const connections = 4;
const concurrency = 32;
const listed = 2000;
const watcherCount = 100;
const storedPods = 10_000;
/** Before anything is measured, so that V8 has compiled what runs most; no more of them are stored than it takes for the store to be warm. */
const warmUp = { stored: 500, dry: 3500 };
/** The time after which memory is told: what is garbage goes when the server rests. */
const restMs = 30_000;

/** What is measured: a server in a process of its own, and the client's connections to it. */
interface Subject {
  server: ChildProcess;
  pid: number;
  where: Exclude<Report, 'done'>;
  /** Over one connection after the other. */
  send: RawClient['send'];
  close(): Promise<void>;
}

/** Starts one of the servers in `bench/api`, bundled as it is delivered; in the repository's tree, so that it finds its packages. */
async function start(script: string, dir: string): Promise<Subject> {
  const built = join(root, '.cache/bench');
  await bundle({ [script]: join(import.meta.dirname, 'api', `${script}.ts`) }, built);
  const server = fork(join(built, `${script}.js`), [dir], {
    execArgv: ['--disable-warning=ExperimentalWarning', ...(values.v8?.split(' ') ?? controlPlaneV8Flags)],
    env: memoryEnvironment(),
  });
  const where = await Promise.race([
    once(server, 'message').then(([message]) => message as Exclude<Report, 'done'>), // its first word
    once(server, 'exit').then(([code]) => Promise.reject(new Error(`the server ended with ${code}`))),
  ]);
  const clients: RawClient[] = await Promise.all(Array.from({ length: connections }, () => openRawClient(where)));
  let turn = 0;
  return {
    server,
    pid: server.pid ?? 0,
    where,
    send: (...request) => (clients[turn++ % clients.length] as RawClient).send(...request),
    close: async () => {
      for (const client of clients) client.close();
      if (server.connected) server.send('stop' satisfies Order);
      if (server.exitCode === null) await once(server, 'exit');
    },
  };
}

async function order(server: ChildProcess, given: Order): Promise<void> {
  const answered = once(server, 'message');
  server.send(given);
  await answered;
}

const ticksPerSecond = 100;

/** Seconds of processor time that a process, or one of its threads, has used. */
function cpuSeconds(task: string): number {
  const stat = readFileSync(`/proc/${task}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

const residentMegabytes = (pid: number) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1000;

const configMap = (name: string, i: number) =>
  Buffer.from(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, labels: { app: `a${i % 7}` } },
      data: { key: 'x'.repeat(200) },
    }),
  );
const pod = (name: string) =>
  Buffer.from(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app: 'bench' } },
      spec: {
        schedulerName: 'nobody',
        automountServiceAccountToken: false,
        containers: [{ name: 'c', image: 'nginx', resources: { requests: { cpu: '10m' } } }],
      },
    }),
  );
const mergePatch = (n: number) => Buffer.from(JSON.stringify({ data: { n: String(n) } }));
const mergePatchType = 'application/merge-patch+json';

const dir = mkdtempSync(join(tmpdir(), 'k8ts-bench-'));
const rows: string[][] = [];

/** `count` calls of `work`, `concurrency` at a time, or as many as begin before `untilMs`. */
async function concurrently(work: (i: number) => Promise<unknown>, count: number, untilMs = Number.POSITIVE_INFINITY): Promise<number> {
  let next = 0;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < count && clock.monotonic() < untilMs) await work(next++);
    }),
  );
  return next;
}

/** Runs `work` and notes how often a second it came about and what each cost the server. Without a count it runs for the time. */
async function measure(
  { server, pid }: Subject,
  figure: string,
  upstream: string,
  work: (i: number) => Promise<unknown>,
  { count = Number.POSITIVE_INFINITY, per = 1 } = {},
): Promise<void> {
  if (!isWanted(figure)) return;
  if (values.profile !== undefined) {
    mkdirSync(values.profile, { recursive: true });
    const file = join(values.profile, figure.replaceAll(' ', '-'));
    await order(server, values.allocations ? { allocations: `${file}.heapprofile` } : { profile: `${file}.cpuprofile` });
  }
  const begin = clock.monotonic();
  const cpu = cpuSeconds(`${pid}`);
  const mainThread = `${pid}/task/${pid}`;
  const mainCpu = cpuSeconds(mainThread);
  const done = await concurrently(work, count, count === Number.POSITIVE_INFINITY ? begin + seconds * 1000 : undefined);
  const elapsed = (clock.monotonic() - begin) / 1000;
  const spent = cpuSeconds(`${pid}`) - cpu;
  const mainSpent = cpuSeconds(mainThread) - mainCpu;
  const each = (cpuTime: number) => ((cpuTime / done / per) * 1e6).toFixed(per > 1 ? 2 : 0);
  if (values.profile !== undefined) await order(server, 'stop-profile');
  rows.push([figure, ((done * per) / elapsed).toFixed(0), upstream, each(spent), each(mainSpent), residentMegabytes(pid).toFixed(0)]);
}

/** How fast the machine is in this minute. */
async function measureBareServer(): Promise<void> {
  if (!isWanted('bare Node server')) return;
  const bare = await start('bare-server', join(dir, 'bare'));
  try {
    await measure(bare, 'bare Node server: GET', '', () => bare.send('GET', '/'));
    await measure(bare, 'bare Node server: POST', '', (i) => bare.send('POST', '/', configMap(`m-${i}`, i)));
  } finally {
    await bare.close();
  }
}

await measureBareServer();
const api = await start('server', join(dir, 'api'));
const { send } = api;

const maps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';

async function fanOut(): Promise<void> {
  if (!isWanted('watch fan-out')) return;
  // About as many as are done in that time.
  const writes = 3000 * seconds;
  let seen = 0;
  let all = Promise.withResolvers<void>();
  const onData = (chunk: Buffer) => {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) seen++;
    if (seen >= writes * watcherCount) all.resolve();
  };
  const watching = await Promise.all(Array.from({ length: connections }, () => openRawClient(api.where)));
  const { length } = watching;
  await Promise.all(
    Array.from({ length: watcherCount }, (_, i) =>
      watching[i % length]?.follow('/api/v1/namespaces/kube-public/configmaps?watch=1', onData),
    ),
  );
  const target = '/api/v1/namespaces/kube-public/configmaps';
  await Promise.all(Array.from({ length: concurrency }, (_, i) => send('POST', target, configMap(`w-${i}`, i))));
  await clock.sleep(500);
  seen = 0;
  all = Promise.withResolvers();
  let writing = Promise.resolve(0);
  await measure(
    api,
    'watch fan-out',
    '53000',
    async (i) => {
      if (i > 0) return;
      writing = concurrently((n) => send('PATCH', `${target}/w-${n % concurrency}`, mergePatch(n), mergePatchType), writes);
      await Promise.all([writing, all.promise]);
    },
    { count: 1, per: writes * watcherCount },
  );
  for (const client of watching) client.close();
}

try {
  rows.push(['at rest', '', '(346 MB)', '', '', residentMegabytes(api.pid).toFixed(0)]);
  let made = 0;
  const warm = '/api/v1/namespaces/kube-system/configmaps';
  await concurrently((i) => send('POST', warm, configMap(`warm-${i}`, i)), warmUp.stored);
  await concurrently((i) => send('POST', `${warm}?dryRun=All`, configMap(`dry-${i}`, i)), warmUp.dry);
  await measure(api, 'create ConfigMap', '1500', (i) => send('POST', maps, configMap(`m-${i}`, i)).then(() => made++));
  await measure(api, 'get ConfigMap', '3580', (i) => send('GET', `${maps}/m-${i % made}`));
  await measure(api, 'merge patch ConfigMap', '1430', (i) => send('PATCH', `${maps}/m-${i % made}`, mergePatch(i), mergePatchType));
  const many = '/api/v1/namespaces/kube-node-lease/configmaps';
  await concurrently((i) => send('POST', many, configMap(`l-${i}`, i)), listed);
  await measure(api, `list ${listed} ConfigMaps`, '42', () => send('GET', `${many}?limit=${listed}`));
  await measure(api, `list of ${listed} by label`, '75', () => send('GET', `${many}?labelSelector=app%3Da3&limit=${listed}`));
  await measure(api, 'delete ConfigMap', '1120', (i) => send('DELETE', `${maps}/m-${i}`), { count: made });
  await fanOut();
  await measure(api, 'create Pod', '945', (i) => send('POST', pods, pod(`p-${i}`)), { count: storedPods });
  await measure(api, `list ${listed} Pods`, '17', () => send('GET', `${pods}?limit=${listed}`));
  if (only.length === 0) {
    await clock.sleep(restMs);
    rows.push([`at rest with ${storedPods} pods`, '', '(930 MB)', '', '', residentMegabytes(api.pid).toFixed(0)]);
  }
} finally {
  await api.close();
  rmSync(dir, { recursive: true });
}
console.log(machine());
console.log(
  table(['a second', 'k8ts', 'upstream v1.20 with etcd', 'server CPU, µs each', 'of its main thread', 'resident then, MB'], rows),
);
