import { describe, expect, it } from 'vitest';
import { seededRandom, VirtualClock } from '../../time/index.ts';
import type { RuntimeEvent } from '../runtime.ts';
import { exitPlan } from './exit-plan.ts';
import { hollowRuntime } from './hollow-runtime.ts';

async function started(command: string[] = []) {
  const clock = new VirtualClock();
  const runtime = hollowRuntime({ clock, random: seededRandom(1), podCIDR: '10.1.2.0/29' });
  await runtime.pullImage({ image: { image: 'busybox' } });
  const { podSandboxId = '' } = await runtime.runPodSandbox({ config: { metadata: { name: 'p' }, labels: { a: 'b' } } });
  const { containerId = '' } = await runtime.createContainer({
    podSandboxId,
    config: { metadata: { name: 'c' }, image: { image: 'busybox' }, command },
  });
  await runtime.startContainer({ containerId });
  const state = async () => (await runtime.containerStatus({ containerId })).status;
  return { clock, runtime, podSandboxId, containerId, state };
}

describe('hollow runtime', () => {
  it('runs a container until it is stopped, and reports each step', async () => {
    const { runtime, containerId, podSandboxId, state } = await started();
    const stop = new AbortController();
    const events: RuntimeEvent[] = [];
    const reading = (async () => {
      for await (const event of runtime.events(stop.signal)) if (events.push(event) === 3) stop.abort();
    })();
    expect((await state())?.state).toBe('CONTAINER_RUNNING');
    await runtime.stopContainer({ containerId, timeout: 30 });
    expect(await state()).toMatchObject({ state: 'CONTAINER_EXITED', exitCode: 143, reason: 'Error' });
    await runtime.removePodSandbox({ podSandboxId });
    await reading;
    expect(events.map((e) => e.type)).toEqual(['stopped', 'deleted', 'deleted']);
    await expect(runtime.containerStatus({ containerId })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('exits when its command says so', async () => {
    const { clock, state } = await started(['sh', '-c', 'sleep 5; exit 3']);
    await clock.advance(4999);
    expect((await state())?.state).toBe('CONTAINER_RUNNING');
    await clock.advance(1);
    expect(await state()).toMatchObject({ state: 'CONTAINER_EXITED', exitCode: 3, reason: 'Error' });
  });

  it('hands out the addresses of its range and refuses when there are none left', async () => {
    const { runtime, podSandboxId } = await started();
    const addresses: (string | undefined)[] = [];
    for (let i = 0; i < 4; i++) {
      const { podSandboxId: id = '' } = await runtime.runPodSandbox({ config: {} });
      addresses.push((await runtime.podSandboxStatus({ podSandboxId: id })).status?.network?.ip);
    }
    expect(addresses).toEqual(['10.1.2.3', '10.1.2.4', '10.1.2.5', '10.1.2.6']);
    await expect(runtime.runPodSandbox({ config: {} })).rejects.toThrow('no IP addresses available');
    await runtime.stopPodSandbox({ podSandboxId });
    await expect(runtime.runPodSandbox({ config: {} })).resolves.toBeDefined();
  });

  it('selects containers by label, sandbox and state', async () => {
    const { runtime, podSandboxId, containerId } = await started();
    const ids = async (filter: object) => (await runtime.listContainers({ filter })).containers?.map((c) => c.id);
    expect(await ids({ podSandboxId })).toEqual([containerId]);
    expect(await ids({ labelSelector: { no: 'such' } })).toEqual([]);
    expect(await ids({ state: { state: 'CONTAINER_EXITED' } })).toEqual([]);
    expect((await runtime.listPodSandbox({ filter: { labelSelector: { a: 'b' } } })).items).toHaveLength(1);
  });
});

describe('exit plans', () => {
  it.each([
    [['sleep', '2'], { afterMs: 2000, exitCode: 0 }],
    [['sleep', 'infinity'], undefined],
    [['/bin/false'], { afterMs: 0, exitCode: 1 }],
    [['/bin/sh', '-ec', 'echo hi && exit 7'], { afterMs: 0, exitCode: 7 }],
    [['nginx', '-g', 'daemon off;'], undefined],
    [[], undefined],
  ])('%j', (command, plan) => {
    expect(exitPlan('c', command, {})).toEqual(plan);
  });

  it('prefers annotations, and among those the one for the container', () => {
    const annotations = { 'hollow.k8ts.io/exit-code': '1', 'hollow.k8ts.io/exit-code.c': '2', 'hollow.k8ts.io/run-seconds': '3' };
    expect(exitPlan('c', ['true'], annotations)).toEqual({ afterMs: 3000, exitCode: 2 });
  });
});
