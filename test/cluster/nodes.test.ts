/** Several real nodes, and several real clusters, side by side on one machine: each as whole as if it were alone. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/cluster/layout.ts';
import { clusterTag, nodeLayoutOf } from '../../src/cluster/node-layout.ts';
import { executable, run, startCluster, type TestCluster } from '../support/cluster.ts';
import { buildImage, saveImage } from '../support/images.ts';
import { lockRealCluster } from '../support/real-cluster-lock.ts';
import { eventually } from '../support/wait.ts';

/** Of a name that tells our rules from others'. */
const service = `web-${process.pid}`;
const image = 'example.test/web:1';
const hasContainers = process.getuid?.() === 0 && process.platform === 'linux';

interface NodeState {
  name: string;
  ready: boolean;
  addresses: { type: string; address: string }[];
  podCIDR?: string;
  namespace?: string;
}

/** What the kernel and /run/k8ts hold of a cluster, as lines; other clusters may be about. */
async function traces(clusterName: string, dataDir: string): Promise<string[]> {
  const layout = layoutOf(dataDir);
  const tags = ['control-plane', 'worker', 'worker2'].map((suffix) => nodeLayoutOf(layout, `${clusterName}-${suffix}`).tag);
  const marks = [dataDir, clusterTag(layout), ...tags];
  const [links, routes, rules, mounts] = await Promise.all([
    run('ip', ['link']),
    run('ip', ['route']),
    run('iptables-save', []),
    readFile('/proc/mounts', 'utf8'),
  ]);
  const runDir = existsSync('/run/k8ts') ? readdirSync('/run/k8ts', { withFileTypes: true }) : [];
  const claims = runDir.filter((entry) => entry.isFile()).map((entry) => readFileSync(join('/run/k8ts', entry.name), 'utf8'));
  return [
    ...[links.stdout, routes.stdout, rules.stdout, mounts].flatMap((text) => text.split('\n')),
    ...(existsSync('/run/netns') ? readdirSync('/run/netns') : []),
    ...runDir.map((entry) => entry.name),
    ...claims,
  ].filter((line) => marks.some((mark) => line.includes(mark)));
}

async function nodesOf(cluster: TestCluster): Promise<{ nodes: NodeState[]; nodePortAddress: string }> {
  const { stdout } = await cluster.k8ts('status', '-o', 'json');
  return JSON.parse(stdout);
}

const internalIp = (node: NodeState) => node.addresses.find((a) => a.type === 'InternalIP')?.address ?? '';

/** A web server on each of the nodes that answers its node's name, and a service of type NodePort before them. */
function webManifest(nodes: readonly string[]): string {
  const pods = nodes.map((nodeName, i) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `web-${i}`, labels: { app: 'web' } },
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'web',
          image,
          imagePullPolicy: 'Never',
          command: ['sh', '-c', `mkdir /www && echo ${nodeName} >/www/index.html && exec httpd -f -p 8080 -h /www`],
          readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
        },
      ],
    },
  }));
  const front = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: service },
    spec: { type: 'NodePort', selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
  };
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...pods, front] });
}

interface Web {
  podIps: string[];
  clusterIp: string;
  nodePort: number;
}

async function startWeb(cluster: TestCluster, nodes: readonly string[]): Promise<Web> {
  const applied = await cluster.tryKubectl(['apply', '-f', '-'], webManifest(nodes));
  expect(applied.stderr).toBe('');
  await cluster.kubectl('wait', '--for=condition=Ready', 'pods', '-l', 'app=web', '--timeout=30s');
  const pods = JSON.parse(await cluster.kubectl('get', 'pods', '-l', 'app=web', '-o', 'json'));
  const front = JSON.parse(await cluster.kubectl('get', 'service', service, '-o', 'json'));
  return {
    podIps: pods.items.map((pod: { status: { podIP: string } }) => pod.status.podIP),
    clusterIp: front.spec.clusterIP,
    nodePort: front.spec.ports[0].nodePort,
  };
}

/** Asks in a pod; answers what came back. */
async function fetchIn(cluster: TestCluster, pod: string, url: string): Promise<string> {
  return (await cluster.kubectl('exec', pod, '--', 'curl', '-sS', '-m', '3', url)).trim();
}

async function fetchHere(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(3000) });
  return (await response.text()).trim();
}

/** Asks until every one of `all` has answered, each question anew so that the service chooses anew. */
async function expectAll(all: readonly string[], ask: () => Promise<string>): Promise<void> {
  const seen = new Set<string>();
  await eventually(`answers from ${all}`, async () => {
    const isDone = () => all.every((name) => seen.has(name));
    for (let i = 0; i < 20 && !isDone(); i++) seen.add(await ask());
    return isDone();
  });
  expect([...seen].sort()).toEqual([...all].sort());
}

describe.runIf(hasContainers)('real nodes side by side', () => {
  let unlock: () => Promise<void> = async () => {};
  let dir = '';
  let archive = '';
  let first: TestCluster | undefined;
  let second: TestCluster | undefined;

  const cluster = (which: TestCluster | undefined): TestCluster => {
    if (!which) throw new Error('the cluster did not start');
    return which;
  };

  beforeAll(async () => {
    unlock = await lockRealCluster();
    dir = mkdtempSync(join(tmpdir(), 'k8ts-nodes-'));
    archive = join(dir, 'image.tar');
    saveImage(buildImage({ programs: { '/usr/bin/curl': '/usr/bin/curl' }, entrypoint: [], command: ['sh'] }), image, archive);
    first = await startCluster('--nodes', '3');
    second = await startCluster('--nodes', '2');
    for (const c of [first, second]) expect((await c.k8ts('load', archive)).stderr).toBe('');
  }, 120_000);

  afterAll(async () => {
    await first?.down();
    await second?.down();
    if (dir) rmSync(dir, { recursive: true, force: true });
    await unlock();
  }, 60_000);

  it('has each node Ready at an address and a pod range of its own, the first on the host', async () => {
    const { nodes, nodePortAddress } = await nodesOf(cluster(first));
    expect(nodes.map((n) => n.ready)).toEqual([true, true, true]);
    expect(new Set(nodes.map(internalIp)).size).toBe(3);
    expect(new Set(nodes.map((n) => n.podCIDR)).size).toBe(3);
    expect(nodes.map((n) => n.namespace !== undefined)).toEqual([false, true, true]);
    expect(nodePortAddress).toBe('127.0.0.1');
  });

  it('serves DNS from each node', async () => {
    const { nodes } = await nodesOf(cluster(first));
    const slices = await cluster(first).kubectl(
      ...['get', 'endpointslices', '-n', 'kube-system', '-l', 'kubernetes.io/service-name=kube-dns'],
      ...['-o', 'jsonpath={.items[*].endpoints[*].addresses[*]}'],
    );
    expect(slices.split(' ').sort()).toEqual(nodes.map(internalIp).sort());
  });

  it('lets pods of all nodes reach each other by address, Service and name, and the host reach them on every node', async () => {
    const { nodes } = await nodesOf(cluster(first));
    const names = nodes.map((n) => n.name);
    const web = await startWeb(cluster(first), names);
    await Promise.all(
      names.map(async (_, from) => {
        const answers = await Promise.all(web.podIps.map((ip) => fetchIn(cluster(first), `web-${from}`, `http://${ip}:8080/`)));
        expect(answers).toEqual(names);
      }),
    );
    for (let from = 0; from < names.length; from++) {
      await expectAll(names, () => fetchIn(cluster(first), `web-${from}`, `http://${web.clusterIp}/`));
      await expectAll(names, () => fetchIn(cluster(first), `web-${from}`, `http://${service}.default.svc.cluster.local/`));
    }
    for (const address of ['127.0.0.1', ...nodes.map(internalIp)])
      await expectAll(names, () => fetchHere(`http://${address}:${web.nodePort}/`));
  }, 60_000);

  it('keeps a second cluster apart, with the same addresses for pods and services', async () => {
    const { nodes, nodePortAddress } = await nodesOf(cluster(second));
    const names = nodes.map((n) => n.name);
    expect(nodes.map((n) => n.ready && n.namespace !== undefined)).toEqual([true, true]);
    expect(nodePortAddress).toBe(internalIp(nodes[0] as NodeState));
    const web = await startWeb(cluster(second), names);
    for (let from = 0; from < names.length; from++)
      await expectAll(names, () => fetchIn(cluster(second), `web-${from}`, `http://${service}.default.svc.cluster.local/`));
    for (const node of nodes) await expectAll(names, () => fetchHere(`http://${internalIp(node)}:${web.nodePort}/`));
    // The API server, which lives with the first node, has a way to its pods.
    await expectAll(names, async () =>
      (await cluster(second).kubectl('get', '--raw', `/api/v1/namespaces/default/services/${service}:80/proxy/`)).trim(),
    );
    // Nothing of it leads to the first cluster's pods.
    const { nodes: others } = await nodesOf(cluster(first));
    expect(names.filter((name) => others.some((n) => n.name === name))).toEqual([]);
    await expectAll(
      others.map((n) => n.name),
      () => fetchIn(cluster(first), 'web-0', `http://${service}.default.svc.cluster.local/`),
    );
  }, 60_000);

  it('adds a node to a cluster that runs', async () => {
    const up = await cluster(second).k8ts('up', '--nodes', '3');
    expect(up.stderr).toBe('');
    const { nodes } = await nodesOf(cluster(second));
    expect(nodes.map((n) => n.ready)).toEqual([true, true, true]);
  });

  it('takes down what a killed `up` has begun', async () => {
    const dataDir = join(dir, 'killed');
    const env = { ...process.env, HOME: dir, KUBECONFIG: join(dir, 'kubeconfig') };
    const args = ['--name', 'killed', '--data-dir', dataDir];
    const up = spawn(process.execPath, [executable, 'up', '--nodes', '2', ...args], { env, stdio: 'ignore' });
    await eventually('a namespace of the cluster', async () => (await traces('killed', dataDir)).some((line) => line.startsWith('k8ts-')));
    up.kill('SIGKILL');
    const down = await run(process.execPath, [executable, 'down', ...args], { env });
    expect(down.stderr).toBe('');
    expect(down.code).toBe(0);
    expect(await traces('killed', dataDir)).toEqual([]);
  });

  it('leaves nothing behind, also after agents have crashed', async () => {
    const { processes } = JSON.parse((await cluster(second).k8ts('status', '-o', 'json')).stdout);
    for (const { pid } of processes) process.kill(pid, 'SIGKILL');
    const [a, b] = [cluster(first), cluster(second)];
    first = second = undefined;
    // What is looked for is there before.
    for (const c of [a, b]) expect((await traces(c.name, c.dataDir)).length).toBeGreaterThan(10);
    await Promise.all([a.down(), b.down()]);
    for (const c of [a, b]) expect(await traces(c.name, c.dataDir)).toEqual([]);
    expect((await run('iptables-save', [])).stdout).not.toContain(`default/${service}`);
  }, 60_000);
});
