/** The life of clusters of simulated nodes, as the executable's user sees it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { NodeList, PodList } from '../../src/api/index.ts';
import { executable, kubectlBinary, run, startCluster, type TestCluster } from '../support/cluster.ts';
import { traces } from '../support/traces.ts';
import { eventually, freePort } from '../support/wait.ts';

const json = async <T>(cluster: TestCluster, ...args: string[]) => JSON.parse(await cluster.kubectl(...args, '-o', 'json')) as T; // as asked
const deployment = (name: string, replicas: number) => ['create', 'deployment', name, '--image=nginx', `--replicas=${replicas}`];

describe('a hollow cluster', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startCluster('--runtime', 'hollow');
  });
  afterAll(() => cluster?.down());

  it('says that it is up already', async () => {
    const again = await cluster.k8ts('up', '--runtime', 'hollow');
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toContain(`Cluster "${cluster.name}" is up already: https://127.0.0.1:`);
  });

  it('tells its status', async () => {
    const text = await cluster.k8ts('status');
    expect(text.stdout).toMatch(/\(hollow\) https:\/\/127\.0\.0\.1:\d+: ok\n/);
    expect(text.stdout).toContain('nodes: 1 of 1 ready');
    expect(text.code).toBe(0);
    const status = JSON.parse((await cluster.k8ts('status', '-o', 'json')).stdout);
    expect(status.processes.map((p: { component: string; running: boolean }) => [p.component, p.running]).sort()).toEqual([
      ['control-plane', true],
      ['hollow-nodes', true],
    ]);
  });

  it('shows logs by component', async () => {
    expect((await cluster.k8ts('logs')).stdout).toBe('control-plane\nhollow-nodes\n');
    expect((await cluster.k8ts('logs', 'control-plane')).stdout).toContain('opened the store');
    const unknown = await cluster.k8ts('logs', 'nothing');
    expect(unknown).toMatchObject({ code: 1, stderr: 'error: there is no log of "nothing"; there are: control-plane, hollow-nodes\n' });
  });

  it('prints a kubeconfig of its own', async () => {
    const file = `${cluster.kubeconfig}.printed`;
    writeFileSync(file, (await cluster.k8ts('kubeconfig')).stdout);
    const nodes = await run(kubectlBinary, ['--kubeconfig', file, 'get', 'nodes', '-o', 'name']);
    expect(nodes.stdout).toBe(`node/${cluster.name}-control-plane\n`);
  });

  it('has no images to load', async () => {
    expect((await cluster.k8ts('load', executable)).stderr).toBe(
      'error: simulated nodes have every image already; there is nothing to load\n',
    );
  });

  it('has kubelets that answer for their nodes, and say at once what simulated containers cannot do', async () => {
    const node = `${cluster.name}-control-plane`;
    const proxy = (path: string) => cluster.kubectl('get', '--raw', `/api/v1/nodes/${node}/proxy/${path}`);
    await cluster.kubectl('run', 'talker', '--image=nginx');
    await cluster.kubectl('wait', 'pod/talker', '--for=condition=Ready', '--timeout=20s');
    expect(await cluster.kubectl('logs', 'talker')).toBe('');
    expect((await cluster.tryKubectl(['exec', 'talker', '--', 'ls'])).stderr).toContain('exec is not available in the hollow runtime');
    expect((await cluster.tryKubectl(['attach', 'talker'])).stderr).toContain('attach is not available in the hollow runtime');
    expect((await cluster.tryKubectl(['port-forward', 'talker', ':80'])).stderr).toContain(
      'port-forward is not available in the hollow runtime',
    );
    expect((await cluster.tryKubectl(['exec', 'talker', '-c', 'other', '--', 'ls'])).stderr).toContain('container other is not valid');
    expect(await proxy('healthz')).toBe('ok');
    expect(await proxy('metrics')).toContain(`kubelet_node_name{node="${node}"} 1`);
    expect(JSON.parse(await proxy('pods')).items.map((p: { metadata: { name: string } }) => p.metadata.name)).toContain('talker');
    expect(JSON.parse(await proxy('stats/summary')).node).toMatchObject({ nodeName: node, cpu: { usageNanoCores: 0 } });
    const following = cluster.tryKubectl(['logs', '-f', 'talker']);
    await cluster.kubectl('delete', 'pod', 'talker');
    expect(await following).toMatchObject({ stdout: '', code: 0 });
  });

  it('stands beside another one, in the same kubeconfig, and outlives it', async () => {
    const name = `${cluster.name}-b`;
    const options = ['--name', name, '--data-dir', `${cluster.dataDir}-b`];
    const k8ts = (...args: string[]) => run(process.execPath, [executable, ...args, ...options], { env: cluster.env });
    expect((await k8ts('up', '--runtime', 'hollow')).stderr).toBe('');
    const contexts = (await cluster.kubectl('config', 'get-contexts', '-o', 'name')).trim().split('\n').sort();
    expect(contexts).toEqual([`k8ts-${cluster.name}`, `k8ts-${name}`]);
    const nodesOf = (context: string) => cluster.kubectl('--context', context, 'get', 'nodes', '-o', 'name');
    expect(await nodesOf(`k8ts-${cluster.name}`)).toBe(`node/${cluster.name}-control-plane\n`);
    expect(await nodesOf(`k8ts-${name}`)).toBe(`node/${name}-control-plane\n`);
    expect((await k8ts('down')).stdout).toBe(`Cluster "${name}" is down.\n`);
    expect(await cluster.kubectl('config', 'get-contexts', '-o', 'name')).toBe(`k8ts-${cluster.name}\n`);
    expect(await nodesOf(`k8ts-${cluster.name}`)).toContain(cluster.name);
    expect((await k8ts('status')).stderr).toMatch(/^error: there is no cluster in .*; "k8ts up" makes one\n$/);
    expect((await k8ts('down')).stdout).toBe(`There is no cluster "${name}".\n`);
  });
});

describe('the life of a hollow cluster', () => {
  const clusters: TestCluster[] = [];
  const start = async (...args: string[]) => {
    const cluster = await startCluster('--runtime', 'hollow', ...args);
    clusters.push(cluster);
    return cluster;
  };
  afterEach(async () => {
    for (const cluster of clusters.splice(0)) await cluster.down();
  });

  it('runs a hundred pods on twenty nodes', async () => {
    const cluster = await start('--hollow-nodes', '19');
    await cluster.kubectl(...deployment('many', 100));
    await cluster.kubectl('rollout', 'status', 'deploy/many', '--timeout=50s');
    const nodes = await json<NodeList>(cluster, 'get', 'nodes');
    expect(nodes.items).toHaveLength(20);
    const { items } = await json<PodList>(cluster, 'get', 'pods');
    expect(items.filter((p) => p.status?.phase === 'Running')).toHaveLength(100);
    // The scheduler spreads them.
    expect(new Set(items.map((p) => p.spec.nodeName)).size).toBe(20);
  }, 60_000);

  it('leaves nothing when it goes', async () => {
    const cluster = await start();
    const kubeconfig = readFileSync(cluster.kubeconfig, 'utf8');
    expect(kubeconfig).toContain(`k8ts-${cluster.name}`);
    expect((await cluster.k8ts('down')).stdout).toBe(`Cluster "${cluster.name}" is down.\n`);
    expect([...(await traces(cluster.dataDir))].filter((trace) => trace.includes(cluster.dataDir))).toEqual([]);
    expect(readFileSync(cluster.kubeconfig, 'utf8')).not.toContain(cluster.name);
  });

  it('keeps its objects over down --keep-data', async () => {
    const cluster = await start();
    await cluster.kubectl(...deployment('kept', 2));
    await cluster.kubectl('rollout', 'status', 'deploy/kept', '--timeout=30s');
    const before = await json<PodList>(cluster, 'get', 'pods');
    expect((await cluster.k8ts('down', '--keep-data')).stdout).toContain('its data is kept');
    expect((await cluster.k8ts('up', '--runtime', 'hollow')).code).toBe(0);
    const after = await json<PodList>(cluster, 'get', 'pods');
    expect(after.items.map((p) => p.metadata.uid)).toEqual(before.items.map((p) => p.metadata.uid));
    await cluster.kubectl('scale', 'deploy/kept', '--replicas=3');
    await cluster.kubectl('rollout', 'status', 'deploy/kept', '--timeout=30s');
  });

  it('loses no answered write to kill -9', async () => {
    const cluster = await start();
    await cluster.kubectl(...deployment('kept', 2));
    await cluster.kubectl('rollout', 'status', 'deploy/kept', '--timeout=30s');
    await cluster.kubectl('create', 'configmap', 'last', '--from-literal=a=b');
    const { processes } = JSON.parse((await cluster.k8ts('status', '-o', 'json')).stdout);
    for (const { pid } of processes) process.kill(pid, 'SIGKILL');
    await eventually('status tells it', async () => (await cluster.k8ts('status')).stdout.includes('not running'));
    expect((await cluster.k8ts('up', '--runtime', 'hollow')).code).toBe(0);
    expect(await cluster.kubectl('get', 'cm', 'last', '-o', 'jsonpath={.data.a}')).toBe('b');
    await cluster.kubectl('scale', 'deploy/kept', '--replicas=4');
    await cluster.kubectl('rollout', 'status', 'deploy/kept', '--timeout=30s');
  });
});

describe('k8ts up, where it cannot', () => {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-refused-'));
  const kubeconfig = join(dir, 'kubeconfig');
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const k8ts = (command: string, ...args: string[]) =>
    run(process.execPath, [executable, command, '--name', 'refused', '--data-dir', join(dir, 'data'), ...args], {
      env: { ...process.env, KUBECONFIG: kubeconfig, HOME: dir },
    });
  const up = (...args: string[]) => k8ts('up', '--runtime', 'hollow', ...args);
  const nothingRuns = async () => expect([...(await traces(dir))].filter((t) => t.startsWith('process'))).toEqual([]);

  it('leaves a kubeconfig that cannot be parsed untouched, and says so', async () => {
    const text = 'apiVersion: v1\nclusters: [unclosed\n';
    writeFileSync(kubeconfig, text);
    const result = await up();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^error: .*kubeconfig.*\n/);
    expect(result.stderr).toContain(kubeconfig);
    expect(result.stderr).not.toContain('    at ');
    expect(readFileSync(kubeconfig, 'utf8')).toBe(text);
    await nothingRuns();
    rmSync(kubeconfig);
  });

  it('names a port that is taken', async () => {
    const port = await freePort();
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(port, '127.0.0.1', resolve));
    const result = await up('--api-port', String(port));
    await new Promise((resolve) => holder.close(resolve));
    expect(result).toMatchObject({
      code: 1,
      stderr: `error: listen tcp 127.0.0.1:${port}: bind: address already in use; choose another port with --api-port\n`,
    });
    await nothingRuns();
  });

  it('names a data directory that it cannot write', async () => {
    writeFileSync(join(dir, 'file'), '');
    const result = await run(
      process.execPath,
      [executable, 'up', '--runtime', 'hollow', '--name', 'refused', '--data-dir', join(dir, 'file/data'), '--kubeconfig', kubeconfig],
      {},
    );
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^error: .*\n$/);
    expect(result.stderr).toContain(join(dir, 'file'));
    await nothingRuns();
  });

  it('refuses names, ranges and flags that cannot be', async () => {
    expect((await up('--pod-cidr', '10.244.0.1/16')).stderr).toBe('error: invalid --pod-cidr "10.244.0.1/16": host bits are set\n');
    expect((await up('--hollow-nodes', '-1')).stderr).toContain('must be a whole number of at least 0.');
    expect((await up('--runtime', 'magic')).stderr).toContain('Allowed choices are containerd, hollow.');
    const flag = await up('--apiserver-arg', 'no-such-flag=1');
    expect(flag.code).toBe(1);
    expect(flag.stderr).toContain('no-such-flag');
    await nothingRuns();
  });
});
