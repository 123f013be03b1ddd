/** The life of a cluster of real containers: images, crashes of each part, and that nothing stays behind. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pod } from '../../src/api/index.ts';
import { run, startCluster, type TestCluster } from '../support/cluster.ts';
import { saveImage } from '../support/images.ts';
import { lockRealCluster } from '../support/real-cluster-lock.ts';
import { traces } from '../support/traces.ts';
import { eventually } from '../support/wait.ts';
import { busyboxImage } from '../walkthrough/images.ts';

const shell = (name: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name} }
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: example.com/loaded:1
    command: [sh, -c, 'trap exit TERM; while :; do sleep 1; done']
`;

describe('a cluster of containers', { timeout: 60_000 }, () => {
  let unlock: () => Promise<void>;
  let cluster: TestCluster;
  let before: Set<string>;

  beforeAll(async () => {
    unlock = await lockRealCluster();
    before = await traces('/k8ts-test-');
    cluster = await startCluster();
  }, 300_000);
  afterAll(async () => {
    await cluster?.down();
    await unlock?.();
  }, 60_000);

  const pod = async (name: string): Promise<Pod> => JSON.parse(await cluster.kubectl('get', 'pod', name, '-o', 'json'));
  const containerOf = async (name: string) => (await pod(name)).status?.containerStatuses?.[0]?.containerID;
  const start = async (name: string) => {
    const applied = await cluster.tryKubectl(['apply', '-f', '-'], shell(name));
    expect(applied.stderr).toBe('');
    await cluster.kubectl('wait', '--for=condition=Ready', `pod/${name}`, '--timeout=30s');
  };
  const processes = async (): Promise<{ component: string; pid: number; running: boolean }[]> =>
    JSON.parse((await cluster.k8ts('status', '-o', 'json')).stdout).processes;
  const up = async () => {
    const result = await cluster.k8ts('up');
    expect(result.stderr).toBe('');
    return result.stdout;
  };

  it('tells how its node came up', async () => {
    const events = () =>
      cluster.kubectl('get', 'events', '-n', 'default', '-o', 'jsonpath={range .items[*]}{.source.component} {.reason},{end}');
    for (const reason of ['NodeHasSufficientMemory', 'NodeHasNoDiskPressure', 'NodeHasSufficientPID', 'Starting'])
      await expect.poll(events).toContain(`kubelet ${reason},`);
    await expect.poll(events).toContain('kube-proxy Starting,');
  });

  it('loads an archive and runs its image without a registry', async () => {
    const archive = join(cluster.dataDir, '../loaded.tar');
    saveImage(busyboxImage(), 'example.com/loaded:1', archive);
    const loaded = await cluster.k8ts('load', archive);
    expect(loaded).toMatchObject({ code: 0, stdout: `Loaded ${archive} into ${cluster.name}-control-plane.\n` });
    await start('first');
    expect((await cluster.k8ts('load', '/no/such.tar')).stderr).toBe('error: open /no/such.tar: no such file or directory\n');
  });

  it('goes on with the same containers after kill -9 of the control plane and the agent', async () => {
    const container = await containerOf('first');
    for (const { pid } of await processes()) process.kill(pid, 'SIGKILL');
    await up();
    expect((await cluster.k8ts('status')).code).toBe(0);
    await start('second');
    expect(await containerOf('first')).toBe(container);
    expect((await pod('first')).status?.containerStatuses?.[0]?.restartCount).toBe(0);
    expect(await cluster.kubectl('exec', 'first', '--', 'echo', 'still here')).toBe('still here\n');
  });

  it('starts only what does not run', async () => {
    const [controlPlane] = (await processes()).filter((p) => p.component === 'control-plane');
    const agents = (await processes()).filter((p) => p.component !== 'control-plane');
    process.kill(controlPlane?.pid ?? 0, 'SIGKILL');
    await up();
    expect((await processes()).filter((p) => p.component !== 'control-plane')).toEqual(agents);
    await eventually('the agent found the new control plane', async () => (await cluster.k8ts('status')).code === 0);
    expect(await up()).toContain('is up already');
  });

  it('gets over the death of containerd', async () => {
    const container = await containerOf('first');
    const found = await run('pgrep', ['-f', `^\\S*containerd --config ${cluster.dataDir}`]);
    const [pid] = found.stdout.trim().split('\n').map(Number);
    expect(pid).toBeGreaterThan(1);
    process.kill(pid ?? 0, 'SIGKILL');
    await eventually('another one runs', async () => {
      const now = (await run('pgrep', ['-f', `^\\S*containerd --config ${cluster.dataDir}`])).stdout.trim();
      return now !== '' && now !== String(pid);
    });
    await start('third');
    expect(await containerOf('first')).toBe(container);
    expect(await cluster.kubectl('exec', 'first', '--', 'echo', 'still here')).toBe('still here\n');
  });

  it('keeps objects over down --keep-data, and starts their containers again', async () => {
    const uid = (await pod('first')).metadata.uid;
    expect((await cluster.k8ts('down', '--keep-data')).code).toBe(0);
    await up();
    await eventually('the pod runs again', async () => {
      const { metadata, status } = await pod('first');
      return (
        metadata.uid === uid &&
        status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') &&
        (await cluster.tryKubectl(['exec', 'first', '--', 'true'])).code === 0
      );
    });
  });

  it('leaves nothing behind: no process, mount, link, namespace, rule or cgroup', async () => {
    const during = await traces('/k8ts-test-');
    const made = [...during].filter((trace) => !before.has(trace));
    for (const kind of ['process', 'mount', 'link', 'cgroup', '-A K'])
      expect(
        made.some((t) => t.startsWith(kind)),
        kind,
      ).toBe(true);
    expect((await cluster.k8ts('down')).code).toBe(0);
    const left = async () => [...(await traces('/k8ts-test-'))].filter((trace) => !before.has(trace));
    await eventually('all is gone', async () => (await left()).length === 0, 5000).catch(async () => expect(await left()).toEqual([]));
    expect(readFileSync(cluster.kubeconfig, 'utf8')).not.toContain(cluster.name);
  });
});
