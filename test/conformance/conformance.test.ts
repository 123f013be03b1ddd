/** What upstream's conformance tests look at on a node and in its network, with real containers and upstream's kubectl. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EventList, Pod } from '../../src/api/index.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { buildImage, saveImage } from '../support/images.ts';
import { lockRealCluster } from '../support/real-cluster-lock.ts';
import { eventually } from '../support/wait.ts';
import * as pods from './pods.ts';

const programs = Object.fromEntries(['curl', 'dig', 'socat'].map((name) => [`/usr/bin/${name}`, `/usr/bin/${name}`]));

describe('a node and its network', { timeout: 90_000 }, () => {
  let unlock: () => Promise<void>;
  let cluster: TestCluster;
  let dir: string;

  const apply = async (...manifests: readonly pods.Manifest[]) => {
    const applied = await cluster.tryKubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests }));
    expect(applied.stderr).toBe('');
  };
  const podOf = async (name: string): Promise<Pod> => JSON.parse(await cluster.kubectl('get', 'pod', name, '-o', 'json'));
  const eventsOf = async (name: string): Promise<string[]> => {
    const list: EventList = JSON.parse(
      await cluster.kubectl('get', 'events', '--field-selector', `involvedObject.name=${name}`, '-o', 'json'),
    );
    return list.items.map(({ type, reason, message }) => `${type} ${reason} ${message}`);
  };
  const until = (name: string, phase: string) =>
    eventually(
      `${name} is ${phase}`,
      async () => {
        const found = await podOf(name);
        return found.status?.phase === phase ? found : undefined;
      },
      60_000,
    );
  const ready = (...names: string[]) =>
    cluster.kubectl('wait', '--for=condition=Ready', '--timeout=40s', ...names.map((name) => `pod/${name}`));
  const inside = (...command: string[]) => cluster.tryKubectl(['exec', 'client', '--', ...command]);
  const fetch = async (url: string) => (await inside('curl', '-sS', '-m', '3', url)).stdout;
  const logFolder = async (name: string) => {
    const { uid } = (await podOf(name)).metadata;
    return join(cluster.dataDir, 'nodes', `${cluster.name}-control-plane`, 'pod-logs', `default_${name}_${uid}`, 'main');
  };

  beforeAll(async () => {
    unlock = await lockRealCluster();
    dir = mkdtempSync(join(tmpdir(), 'k8ts-conformance-'));
    cluster = await startCluster('--kubelet-arg', 'container-log-max-size=20Ki', '--kubelet-arg', 'container-log-max-files=3');
    const archive = join(dir, 'tools.tar');
    saveImage(buildImage({ programs, entrypoint: [], command: ['sh'] }), pods.image, archive);
    expect(await cluster.k8ts('load', archive)).toMatchObject({ code: 0 });
    await eventually('the service account is there', async () => (await cluster.tryKubectl(['get', 'sa', 'default'])).code === 0);
    await apply(...pods.services, ...pods.webs, pods.client, pods.talker, ...pods.overLimits, pods.endings, pods.images, pods.secured);
    await apply(...pods.refused, ...pods.ends(dir), pods.badHook, pods.grpcProbed, pods.datagrams('datagrams-1'));
  }, 300_000);
  afterAll(async () => {
    await cluster?.down();
    await unlock?.();
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  it('tells how containers ended, and their last words', async () => {
    const { status } = await until('endings', 'Failed');
    const ends = Object.fromEntries((status?.containerStatuses ?? []).map(({ name, state }) => [name, state?.terminated]));
    expect(ends).toMatchObject({
      file: { exitCode: 0, reason: 'Completed', message: 'DONE' },
      custom: { exitCode: 0, reason: 'Completed', message: 'CUSTOM' },
      fallback: { exitCode: 3, reason: 'Error', message: 'TAIL' },
      greedy: { exitCode: 137, reason: 'OOMKilled' },
      'no-program': { exitCode: 128, reason: 'StartError' },
    });
    expect(ends['no-fallback']).not.toHaveProperty('message');
  });

  it('says which images cannot be had', async () => {
    await eventually('both are refused', async () => {
      const reasons = (await podOf('images')).status?.containerStatuses?.map(({ state }) => state?.waiting?.reason);
      return reasons?.[0] === 'ErrImageNeverPull' && reasons[1] === 'InvalidImageName';
    });
    expect(await eventsOf('images')).toEqual(
      expect.arrayContaining([
        'Warning ErrImageNeverPull Container image "nobody/nothing:1" is not present with pull policy of Never',
        'Warning Failed Error: ErrImageNeverPull',
        'Warning Failed Error: InvalidImageName',
      ]),
    );
  });

  it('confines a container as its security context says', async () => {
    await until('secured', 'Succeeded');
    const log = await cluster.kubectl('logs', 'secured');
    expect(log).toContain('uid=1001 gid=2001 groups=2001,3001,4001\n');
    expect(log).toContain('touch: /x: Read-only file system\n');
    expect(log).toMatch(/CapBnd:\s+0000000000000400\nNoNewPrivs:\s+1\nSeccomp:\s+2\n1\n/);
    expect(log).toMatch(/-rw-r--r--\s+1 1001\s+3001\s+0 .* f\n/);
    expect(log).toMatch(/tmpfs\s+10240\s/);
  });

  it('refuses pods rather than run them otherwise than they ask', async () => {
    const { status } = await until('unsafe-sysctl', 'Failed');
    expect(status).toMatchObject({
      reason: 'SysctlForbidden',
      message: 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted',
    });
    expect(status).not.toHaveProperty('containerStatuses');
    await eventually('the pod with users of its own is refused', async () =>
      (await eventsOf('own-users')).includes(
        "Warning FailedCreatePodSandBox Failed to create pod sandbox: can't set `spec.hostUsers: false`, runtime does not support user namespaces",
      ),
    );
    await eventually('the one that would be root waits', async () => {
      const waiting = (await podOf('root')).status?.containerStatuses?.[0]?.state?.waiting;
      return (
        waiting?.reason === 'CreateContainerConfigError' &&
        waiting.message?.startsWith('container has runAsNonRoot and image will run as root')
      );
    });
  });

  it('runs hooks in their order, keeps what they print to itself, and stops sidecars after those they serve', async () => {
    const written = (file: string) => readFileSync(join(dir, file), 'utf8').trim().split('\n');
    await ready('hooked');
    await cluster.kubectl('delete', 'pod', 'hooked');
    expect(written('hooked')).toEqual(['postStart', 'preStop', 'stopped', 'TERM']);
    await until('served', 'Succeeded');
    expect(written('served')).toEqual(['main', 'second', 'first']);
    await eventually('the hook has failed', async () =>
      (await eventsOf('bad-hook')).includes('Warning FailedPostStartHook PostStartHook failed'),
    );
    expect((await eventsOf('bad-hook')).join()).not.toContain('secret');
  });

  it('probes over gRPC', async () => {
    await eventually('the probe has failed', async () =>
      (await eventsOf('grpc-probed')).some((e) => /^Warning Unhealthy Readiness probe failed: error: failed to connect service at/.test(e)),
    );
  });

  it('evicts pods that use more disk than they may', async () => {
    expect((await until('full-volume', 'Failed')).status).toMatchObject({
      reason: 'Evicted',
      message: 'Usage of EmptyDir volume "data" exceeds the limit "5Mi". ',
    });
    expect((await until('full-layer', 'Failed')).status).toMatchObject({
      reason: 'Evicted',
      message: 'Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ',
    });
  });

  it('rotates logs, and loses no line of them for who follows', async () => {
    const follower = cluster.spawnKubectl(['logs', '-f', 'talker'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    follower.stdout?.on('data', (chunk) => {
      text += chunk;
    });
    const folder = await logFolder('talker');
    const rotated = () => readdirSync(folder).filter((name) => name !== '0.log');
    await eventually('two older logs', () => rotated().length === 2 && rotated().some((name) => name.endsWith('.gz')), 60_000);
    const seen = text.length;
    await eventually('the follower goes on', () => text.length > seen);
    follower.kill();
    const numbers = [...text.matchAll(/^line (\d+) of/gm)].map(([, n]) => Number(n));
    expect(numbers).toEqual(numbers.map((_, i) => (numbers[0] ?? 0) + i));
    await cluster.kubectl('delete', 'pod', 'talker', '--grace-period=0', '--force');
    await eventually('its logs are gone', () => !readdirSync(join(folder, '../..')).some((name) => name.startsWith('default_talker_')));
  });

  it('leads to services by address and by every name they have', async () => {
    await ready('client', 'web-1', 'web-2');
    const addressOf = async (name: string) => (await podOf(name)).status?.podIP ?? '';
    const digs = async (...question: string[]) => (await inside('dig', '+short', ...question)).stdout.trim().split('\n').sort();
    await eventually('both are behind the service', async () => (await digs('names.default.svc.cluster.local')).length === 2);
    expect(await fetch('http://web-2.names:8080/name')).toBe('web-2\n');
    expect(await fetch('http://alias/name')).toMatch(/^web-[12]\n$/);
    expect(await fetch('http://web.default/name')).toMatch(/^web-[12]\n$/);
    expect(await digs('-x', await addressOf('web-1'))).toEqual(['web-1.names.default.svc.cluster.local.']);
    expect(await digs('srv', '_http._tcp.names.default.svc.cluster.local')).toEqual(
      ['web-1', 'web-2'].map((name) => `0 50 8080 ${name}.names.default.svc.cluster.local.`),
    );
    const answers = await inside('sh', '-c', 'for i in 1 2 3 4 5 6 7 8; do curl -sS -m 3 http://sticky/name; done');
    expect(new Set(answers.stdout.trim().split('\n')).size).toBe(1);
    const hairpin = await cluster.tryKubectl([
      'exec',
      'web-1',
      '--',
      'sh',
      '-c',
      'for i in 1 2 3 4 5 6 7 8 9 10; do curl -sS -m 3 http://web/name; done',
    ]);
    expect(hairpin.stdout.trim().split('\n')).toHaveLength(10);
    expect((await inside('curl', '-sS', '-m', '3', 'http://nobody/')).stderr).toMatch(/refused|Couldn't connect/);
  });

  it("answers load balancers' question for endpoints of this node", async () => {
    const port = await cluster.kubectl('get', 'service', 'local', '-o', 'jsonpath={.spec.healthCheckNodePort}');
    const node = await cluster.kubectl('get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[0].address}');
    const ask = async () => JSON.parse((await fetch(`http://${node}:${port}/`)) || '{}');
    await ready('web-1', 'web-2', 'client');
    await eventually('both are counted', async () => (await ask()).localEndpoints === 2);
    expect(await ask()).toEqual({ service: { namespace: 'default', name: 'local' }, localEndpoints: 2, serviceProxyHealthy: true });
  });

  it('leads datagrams of one socket to the pod that comes after the one that went', async () => {
    await ready('client', 'datagrams-1');
    const ask = async () => (await inside('sh', '-c', 'echo | timeout 3 socat -t1 - UDP:datagrams:9000,sourceport=5555')).stdout;
    await eventually('the first answers', async () => (await ask()) === 'datagrams-1\n');
    await cluster.kubectl('delete', 'pod', 'datagrams-1', '--now');
    await apply(pods.datagrams('datagrams-2'));
    await ready('datagrams-2');
    await eventually('the second answers', async () => (await ask()) === 'datagrams-2\n');
  });
});
