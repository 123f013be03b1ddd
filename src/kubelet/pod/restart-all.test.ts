import { afterEach, describe, expect, it } from 'vitest';
import type { ContainerRestartRule, Pod } from '../../api/index.ts';
import { startTestKubelet } from '../testing.ts';

let t: Awaited<ReturnType<typeof startTestKubelet>>;
afterEach(() => t.stop());

const restarting = (pod: Pod) => pod.status?.conditions?.find(({ type }) => type === 'AllContainersRestarting');

describe('a pod with a rule to restart all of its containers', () => {
  const restartPolicyRules: ContainerRestartRule[] = [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }];
  const source = (policy: 'Always' | 'Never', seconds: number) => ({
    name: 'source',
    image: 'busybox',
    command: ['sh', '-c', `sleep ${seconds}; exit 42`],
    restartPolicy: policy,
    restartPolicyRules,
  });
  const statuses = async () => {
    const { initContainerStatuses = [], containerStatuses = [] } = (await t.pod('all')).status ?? {};
    return [...initContainerStatuses, ...containerStatuses].map(({ name, restartCount, state = {}, lastState }) => [
      name,
      restartCount,
      state.waiting?.reason ?? Object.keys(state)[0],
      lastState?.terminated?.reason,
    ]);
  };
  const removed = 'RestartingAllContainers';

  it.each(['Never', 'Always'] as const)('begins anew in its sandbox when one ends so, with restartPolicy %s', async (restartPolicy) => {
    t = await startTestKubelet();
    await t.create('all', {
      restartPolicy,
      initContainers: [
        { name: 'init', image: 'busybox', command: ['true'] },
        { name: 'side', image: 'envoy', restartPolicy: 'Always' },
      ],
      containers: [source('Never', 5), { name: 'done', image: 'busybox', command: ['sleep', '3'], restartPolicy: 'Never' }],
    });
    await t.advance(4000);
    const before = await t.pod('all');
    expect(before.status?.phase).toBe('Running');
    expect(restarting(before)).toMatchObject({ status: 'False' });
    const sandboxes = (await t.runtime.listPodSandbox({})).items?.map(({ id, state }) => [id, state]);
    await t.advance(1002);
    expect(await statuses()).toEqual([
      ['init', 1, 'terminated', removed],
      ['side', 1, 'running', removed],
      ['source', 1, 'running', removed],
      ['done', 1, 'running', removed],
    ]);
    expect((await t.pod('all')).status).toMatchObject({ phase: 'Running', podIP: before.status?.podIP });
    expect(restarting(await t.pod('all'))).toMatchObject({ status: 'False' });
    expect((await t.runtime.listPodSandbox({})).items?.map(({ id, state }) => [id, state])).toEqual(sandboxes);
    expect(await t.events('all')).toContain('Normal Killing killing');

    // The next time the one that ended waits as others do that crash.
    await t.advance(5001);
    expect(await statuses()).toEqual([
      ['init', 2, 'terminated', removed],
      ['side', 2, 'running', removed],
      ['source', 2, 'CrashLoopBackOff', removed],
      ['done', 2, 'running', removed],
    ]);
    await t.advance(10_000);
    expect((await statuses())[2]).toEqual(['source', 2, 'running', removed]);
  });

  it('has not failed by an init container that asks for it', async () => {
    t = await startTestKubelet();
    await t.create('all', { restartPolicy: 'Never', initContainers: [source('Never', 1)] });
    await t.advance(1001);
    expect((await t.pod('all')).status?.phase).toBe('Pending');
    expect(await statuses()).toEqual([
      ['source', 1, 'running', removed],
      ['main', 0, 'PodInitializing', undefined],
    ]);
  });

  it('says that it is restarting until all are removed, be it by the next kubelet', async () => {
    t = await startTestKubelet();
    const { removeContainer } = t.runtime;
    t.runtime.removeContainer = () => Promise.reject(new Error('busy'));
    await t.create('all', {
      restartPolicy: 'Never',
      initContainers: [source('Always', 5)],
      containers: [{ name: 'main', image: 'nginx' }],
    });
    await t.advance(5001);
    expect((await t.pod('all')).status?.phase).toBe('Running');
    expect(restarting(await t.pod('all'))).toMatchObject({
      status: 'True',
      reason: 'RestartAllContainersStarted',
      message: 'container exited with restart policy rule',
    });
    expect((await statuses()).map(([, , state]) => state)).toEqual(['terminated', 'terminated']);
    t.runtime.removeContainer = removeContainer;
    await t.restartKubelet();
    expect(await statuses()).toEqual([
      ['source', 1, 'running', removed],
      ['main', 1, 'running', removed],
    ]);
    expect(restarting(await t.pod('all'))).toMatchObject({ status: 'False' });
  });
});
