import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../time/index.ts';
import { connectCriRuntime } from '../cri/cri-runtime.ts';
import type { Runtime, RuntimeEvent } from '../runtime.ts';
import { type Containerd, defaultOciRuntime, startContainerd } from './containerd.ts';
import { pauseImageName } from './pause-image.ts';

let dir: string;
let containerd: Containerd;
let runtime: Runtime;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8ts-containerd-'));
  const options = {
    dir,
    stateDir: join(dir, 'run'),
    cniBinDir: '/usr/lib/cni',
    cniConfDir: join(dir, 'net.d'),
    ociRuntime: defaultOciRuntime(),
    sandboxImage: pauseImageName,
    registryMirrors: { 'docker.io': ['http://127.0.0.1:5000'] },
  };
  containerd = await startContainerd(options, { clock: systemClock, logger: pino({ level: 'silent' }), logFile: join(dir, 'log') });
  runtime = await connectCriRuntime({ endpoint: containerd.endpoint, clock: systemClock });
});

afterAll(async () => {
  await runtime.close();
  await containerd.stop();
  await rm(dir, { recursive: true });
});

const hostNetworkSandbox = (name: string) => ({
  metadata: { name, uid: name, namespace: 'default', attempt: 0 },
  logDirectory: join(dir, 'logs'),
  linux: { securityContext: { namespaceOptions: { network: 'NODE' as const } } },
});

test('names itself, and says that there is no network without a CNI configuration', async () => {
  expect(runtime.name).toBe('containerd');
  const network = (await runtime.status({})).status?.conditions?.find((c) => c.type === 'NetworkReady');
  expect(network).toMatchObject({ status: false, reason: 'NetworkPluginNotReady' });
  expect(network?.message).toContain('cni plugin not initialized');
});

test('a sandbox runs from the locally built pause image, and its end is an event that comes after CRI has noted it', async () => {
  const abort = new AbortController();
  const seen: { event: RuntimeEvent; state: string | undefined }[] = [];
  let started = () => {};
  const subscribed = new Promise<void>((resolve) => {
    started = resolve;
  });
  const reading = (async () => {
    for await (const event of runtime.events(abort.signal)) {
      if (event.type === 'started') started();
      if (event.type !== 'stopped') continue;
      const status = await runtime.podSandboxStatus({ podSandboxId: event.containerId });
      seen.push({ event, state: status.status?.state });
      abort.abort();
    }
  })();
  // The subscription is lazy: sandboxes are made until one's start was heard.
  const ids: string[] = [];
  do {
    const { podSandboxId = '' } = await runtime.runPodSandbox({ config: hostNetworkSandbox(`pause-${ids.length}`) });
    ids.push(podSandboxId);
  } while (!(await Promise.race([subscribed.then(() => true), systemClock.sleep(100).then(() => false)])) && ids.length < 20);
  const last = ids.at(-1) ?? '';
  await runtime.stopPodSandbox({ podSandboxId: last });
  await reading;
  expect(seen).toEqual([{ event: { type: 'stopped', containerId: last }, state: 'SANDBOX_NOTREADY' }]);
  for (const podSandboxId of ids) {
    await runtime.stopPodSandbox({ podSandboxId });
    await runtime.removePodSandbox({ podSandboxId });
  }
  expect((await runtime.listPodSandbox({})).items ?? []).toEqual([]);
});

test('a missing object is a RuntimeError with the gRPC code', async () => {
  await expect(runtime.podSandboxStatus({ podSandboxId: 'nothing' })).rejects.toMatchObject({ name: 'RuntimeError', code: 'NOT_FOUND' });
});
