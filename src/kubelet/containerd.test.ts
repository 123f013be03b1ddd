/** The kubelet over a real containerd: what the hollow runtime can't show. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigMap, Event, Lease, Node, Pod, type PodSpec, RuntimeClass, Secret, Service } from '../api/index.ts';
import { createClient } from '../client/index.ts';
import { createMemoryApi } from '../client/testing/memory-api.ts';
import {
  type Containerd,
  connectCriRuntime,
  defaultOciRuntime,
  missingForContainerd,
  pauseImageName,
  type Runtime,
  startContainerd,
} from '../runtime/index.ts';
import { systemClock as clock, systemRandom as random } from '../time/index.ts';
import { podCgroups } from './cgroups/pod-cgroups.ts';
import { createKubelet } from './kubelet.ts';
import type { Kubelet } from './kubelet-options.ts';
import { readMachine } from './node/machine.ts';

const busybox = '/bin/busybox';
const able = process.getuid?.() === 0 && existsSync(busybox) && missingForContainerd('/usr/lib/cni').length === 0;
const bridge = `kt${process.pid % 100_000}`;

/** A `docker save` archive of an image that holds busybox and a few names for it. */
function busyboxImage(dir: string): string {
  const layer = join(dir, 'layer');
  mkdirSync(join(layer, 'bin'), { recursive: true });
  copyFileSync(busybox, join(layer, 'bin/busybox'));
  for (const name of ['sh', 'sleep', 'cat', 'echo', 'id', 'httpd']) symlinkSync('busybox', join(layer, 'bin', name));
  execFileSync('tar', ['-C', layer, '-cf', join(dir, 'layer.tar'), '.']);
  const digest = execFileSync('sha256sum', [join(dir, 'layer.tar')], { encoding: 'utf8' }).slice(0, 64);
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
  };
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config));
  writeFileSync(
    join(dir, 'manifest.json'),
    JSON.stringify([{ Config: 'config.json', RepoTags: ['docker.io/library/busybox:1'], Layers: ['layer.tar'] }]),
  );
  execFileSync('tar', ['-C', dir, '-cf', join(dir, 'busybox.tar'), 'manifest.json', 'config.json', 'layer.tar']);
  return join(dir, 'busybox.tar');
}

describe.runIf(able)('on containerd', () => {
  const dir = able ? mkdtempSync(join(tmpdir(), 'k8ts-kubelet-')) : '';
  const logger = pino({ level: 'silent' });
  const api = createMemoryApi(clock, [Pod, Node, Lease, Event, Service, ConfigMap, Secret, RuntimeClass]);
  api.gracefulKinds.add('Pod');
  const client = createClient(api);
  const cgroups = able ? podCgroups({ mountPoint: '/sys/fs/cgroup', root: `/${bridge}`, cfsQuota: true, pidsLimit: -1 }) : undefined;
  const stop = new AbortController();
  let containerd: Containerd;
  let runtime: Runtime;
  let kubelet: Kubelet;
  let running: Promise<void>;

  beforeAll(async () => {
    const net = join(dir, 'net.d');
    mkdirSync(net);
    const ipam = { type: 'host-local', dataDir: join(dir, 'ipam'), ranges: [[{ subnet: '10.253.7.0/24' }]] };
    const plugins = [{ type: 'bridge', bridge, isGateway: true, ipam }];
    writeFileSync(join(net, '10-test.conflist'), JSON.stringify({ cniVersion: '1.0.0', name: bridge, plugins }));
    const options = {
      dir,
      stateDir: join(dir, 'run'),
      cniBinDir: '/usr/lib/cni',
      cniConfDir: net,
      ociRuntime: defaultOciRuntime(),
      sandboxImage: pauseImageName,
      registryMirrors: {},
    };
    containerd = await startContainerd(options, { clock, logger, logFile: join(dir, 'log') });
    runtime = await connectCriRuntime({ endpoint: containerd.endpoint, clock });
    execFileSync('ctr', ['--address', containerd.endpoint.replace('unix://', ''), '-n', 'k8s.io', 'images', 'import', busyboxImage(dir)]);
    const rootDir = join(dir, 'kubelet');
    mkdirSync(rootDir);
    const machine = await readMachine(rootDir);
    const config = { podLogsDir: join(dir, 'logs'), clusterDNS: ['10.96.0.10'] };
    kubelet = createKubelet({
      nodeName: 'n',
      client,
      runtime,
      clock,
      random,
      logger,
      machine,
      rootDir,
      nodeIPs: ['127.0.0.1'],
      config,
      ...(cgroups ? { cgroups } : {}),
    });
    running = kubelet.run(stop.signal);
    await kubelet.registered;
  });

  afterAll(async () => {
    stop.abort();
    await running;
    for (const { id: podSandboxId = '' } of (await runtime.listPodSandbox({})).items ?? []) {
      await runtime.stopPodSandbox({ podSandboxId });
      await runtime.removePodSandbox({ podSandboxId });
    }
    await cgroups?.removeRoot();
    await runtime.close();
    await containerd.stop();
    if (existsSync(`/sys/class/net/${bridge}`)) execFileSync('ip', ['link', 'del', bridge]);
    rmSync(dir, { recursive: true });
  });

  const create = (name: string, spec: Omit<PodSpec, 'nodeName'>) =>
    client.create(Pod, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default' },
      spec: { restartPolicy: 'Always', terminationGracePeriodSeconds: 5, ...spec, nodeName: 'n' },
    });
  const get = (name: string) => client.get(Pod, name, { namespace: 'default' });
  const isReady = (pod: Pod) => pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true;

  /** Resolves when the pod is as wanted, at the latest after 20 s. */
  async function until(name: string, wanted: (pod: Pod) => boolean): Promise<Pod> {
    const signal = AbortSignal.timeout(20_000);
    for await (const { object } of client.watch(Pod, { namespace: 'default', fieldSelector: `metadata.name=${name}`, signal })) {
      // Bookmarks are not asked for.
      if (wanted(object as Pod)) return object as Pod;
    }
    throw new Error(`the watch of ${name} ended`);
  }

  it('a pod gets its address, files, environment, limits and log, and leaves nothing behind', async () => {
    await client.create(ConfigMap, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'c', namespace: 'default' },
      data: { k: 'value' },
    });
    await create('web', {
      securityContext: { runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000 },
      volumes: [
        { name: 'c', configMap: { name: 'c' } },
        { name: 'm', emptyDir: { medium: 'Memory' } },
      ],
      containers: [
        {
          name: 'main',
          image: 'busybox:1',
          imagePullPolicy: 'Never',
          command: ['sh', '-c', 'echo $(GREETING); trap "exit 0" TERM; while true; do sleep 0.1; done'],
          env: [
            { name: 'GREETING', value: 'hello' },
            { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          ],
          // As the API server stores it: requests default to limits.
          resources: { limits: { memory: '64Mi', cpu: '500m' }, requests: { memory: '64Mi', cpu: '500m' } },
          volumeMounts: [
            { name: 'c', mountPath: '/c' },
            { name: 'c', mountPath: '/one', subPath: 'k' },
            { name: 'm', mountPath: '/m' },
          ],
          lifecycle: { postStart: { exec: { command: ['sh', '-c', 'echo post > /m/post'] } } },
        },
      ],
    });
    const pod = await until('web', isReady);
    expect(pod.status?.podIP).toMatch(/^10\.253\.7\./);
    const found = await kubelet.findContainer('default', 'web');
    const run = async (script: string) =>
      Buffer.from((await runtime.execSync({ containerId: found?.containerId ?? '', cmd: ['sh', '-c', script] })).stdout ?? []).toString();
    expect(await run('echo $IP; cat /c/k /one; cat /m/post; id')).toBe(
      `${pod.status?.podIP}\nvaluevaluepost\nuid=1000 gid=3000 groups=2000,3000\n`,
    );
    expect(await run('cat /etc/hosts')).toContain(`${pod.status?.podIP}\tweb`);
    expect(await run('cat /etc/resolv.conf')).toContain('options ndots:5');
    expect(await run('cat /proc/self/cgroup')).toContain(`/${bridge}/kubepods/pod${pod.metadata.uid}/`);
    expect(readFileSync(found?.logPath ?? '', 'utf8')).toMatch(/^\S+Z stdout F hello\n$/);

    await client.delete(Pod, 'web', { namespace: 'default' });
    await expect.poll(() => kubelet.pods().length, { timeout: 20_000 }).toBe(0);
    await expect.poll(() => [...readdirSync(join(dir, 'kubelet/pods')), ...readdirSync(join(dir, 'logs'))], { timeout: 5000 }).toEqual([]);
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(join(dir, 'kubelet'));
    await expect(get('web')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('a pod is ready soon after it serves, and tells what its containers said at their end', async () => {
    const probe = { httpGet: { path: '/busybox', port: 8080 }, periodSeconds: 30 };
    await create('probed', {
      containers: [
        {
          name: 'main',
          image: 'busybox:1',
          imagePullPolicy: 'Never',
          command: ['sh', '-c', 'sleep 0.3; exec httpd -f -p 8080 -h /bin'],
          readinessProbe: probe,
        },
      ],
    });
    await create('ends', {
      restartPolicy: 'Never',
      containers: [
        { name: 'main', image: 'busybox:1', imagePullPolicy: 'Never', command: ['sh', '-c', 'echo bye > /dev/termination-log; exit 4'] },
      ],
    });
    await until('probed', isReady);
    const ended = await until('ends', (pod) => pod.status?.phase === 'Failed');
    expect(ended.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 4, reason: 'Error', message: 'bye\n' });
  });
});
