import { afterEach, describe, expect, it } from 'vitest';
import { ConfigMap, Lease, Node, Pod } from '../api/index.ts';
import { startTestKubelet } from './testing.ts';

let t: Awaited<ReturnType<typeof startTestKubelet>>;
afterEach(() => t.stop());

const condition = (object: { status?: { conditions?: { type: string }[] } }, type: string) =>
  object.status?.conditions?.find((c) => c.type === type);

describe('the node', () => {
  it('is registered with labels, resources and a ready condition, and has a lease', async () => {
    t = await startTestKubelet();
    const node = await t.client.get(Node, 'node-1');
    expect(node.metadata.labels).toMatchObject({ 'kubernetes.io/hostname': 'node-1', 'kubernetes.io/os': 'linux' });
    expect(node.status?.capacity).toMatchObject({ cpu: '4', memory: '16777216Ki', pods: '110' });
    expect(node.status?.allocatable?.memory).toBe('16284Mi');
    expect(condition(node, 'Ready')).toMatchObject({ status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' });
    expect(node.status?.nodeInfo?.containerRuntimeVersion).toBe('hollow://1.0.0');
    expect(node.status?.declaredFeatures).toEqual(['GuaranteedQoSPodCPUResize', 'RestartAllContainersOnContainerExits']);
    const before = await t.client.get(Lease, 'node-1', { namespace: 'kube-node-lease' });
    await t.advance(10_000);
    const after = await t.client.get(Lease, 'node-1', { namespace: 'kube-node-lease' });
    expect(Date.parse(after.spec.renewTime ?? '') - Date.parse(before.spec.renewTime ?? '')).toBe(10_000);
  });

  it('tells that it was cordoned and uncordoned', async () => {
    t = await startTestKubelet();
    for (const [unschedulable, reason] of [
      [true, 'NodeNotSchedulable'],
      [false, 'NodeSchedulable'],
    ] as const) {
      await t.client.patch(Node, 'node-1', 'merge', { spec: { unschedulable } });
      await t.advance(11_000);
      expect(await t.events('node-1')).toContain(`Normal ${reason} Node node-1 status is now: ${reason}`);
    }
  });

  it('says that its network is not ready', async () => {
    t = await startTestKubelet();
    t.runtime.setNetworkReady(false);
    await t.advance(10_000);
    expect(condition(await t.client.get(Node, 'node-1'), 'Ready')).toMatchObject({
      status: 'False',
      reason: 'KubeletNotReady',
      message:
        'container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized',
    });
  });
});

describe('a pod', () => {
  it('runs, without time passing, and says so', async () => {
    t = await startTestKubelet();
    await t.create('web');
    const pod = await t.pod('web');
    expect(pod.status).toMatchObject({
      phase: 'Running',
      podIP: '10.1.0.2',
      podIPs: [{ ip: '10.1.0.2' }],
      hostIP: '192.0.2.1',
      qosClass: 'BestEffort',
      containerStatuses: [{ name: 'main', ready: true, started: true, restartCount: 0, image: 'nginx:1' }],
    });
    expect(pod.status?.conditions?.map((c) => [c.type, c.status])).toEqual([
      ['PodReadyToStartContainers', 'True'],
      ['Initialized', 'True'],
      ['Ready', 'True'],
      ['ContainersReady', 'True'],
      ['PodScheduled', 'True'],
    ]);
    const events = await t.events('web');
    expect(events.map((e) => e.replace(/in .*\. Image/, 'in T. Image'))).toEqual([
      'Normal Pulling Pulling image "nginx:1"',
      'Normal Pulled Successfully pulled image "nginx:1" in T. Image size: 1000000 bytes.',
      'Normal Created Container created',
      'Normal Started Container started',
    ]);
  });

  it('is taken by a node that was labelled for it a moment ago', async () => {
    t = await startTestKubelet();
    await t.client.patch(Node, 'node-1', 'merge', { metadata: { labels: { color: 'blue' } } });
    await t.create('web', { nodeSelector: { color: 'blue' } });
    expect((await t.pod('web')).status?.phase).toBe('Running');
    await t.create('other', { nodeSelector: { color: 'green' } });
    expect((await t.pod('other')).status).toMatchObject({
      phase: 'Failed',
      reason: 'NodeAffinity',
      message: "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    });
  });

  it('is removed from the API and the runtime once its containers have ended', async () => {
    t = await startTestKubelet();
    await t.create('web');
    await t.delete('web');
    await expect(t.pod('web')).rejects.toMatchObject({ reason: 'NotFound' });
    expect((await t.runtime.listPodSandbox({})).items).toEqual([]);
    expect(await t.events('web')).toContain('Normal Killing Stopping container main');
    expect(t.kubelet.pods()).toEqual([]);
  });

  it('restarts a crashing container at once, then after 10 s, 20 s, ...', async () => {
    t = await startTestKubelet();
    await t.create('crash', { containers: [{ name: 'main', image: 'busybox', command: ['false'] }] });
    const restarts = async () => (await t.pod('crash')).status?.containerStatuses?.[0];
    await t.advance(1);
    expect(await restarts()).toMatchObject({
      restartCount: 1,
      ready: false,
      state: {
        waiting: {
          reason: 'CrashLoopBackOff',
          message: expect.stringMatching(/^back-off 10s restarting failed container=main pod=crash_default\(uid-\d+\)$/),
        },
      },
      lastState: { terminated: { exitCode: 1, reason: 'Error' } },
    });
    expect(condition(await t.pod('crash'), 'Ready')).toMatchObject({
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [main]',
    });
    await t.advance(10_001);
    expect(await restarts()).toMatchObject({ restartCount: 2, state: { waiting: { message: expect.stringContaining('back-off 20s') } } });
    await t.advance(15_000);
    expect((await restarts())?.restartCount).toBe(2);
    await t.advance(5_000);
    expect((await restarts())?.restartCount).toBe(3);
    expect(
      (await t.events('crash')).some((e) => /BackOff Back-off restarting failed container main in pod crash_default\(uid-/.test(e)),
    ).toBe(true);
  });

  it.each([
    ['Never', 'exit 0', 'Succeeded', 'PodCompleted'],
    ['Never', 'exit 3', 'Failed', 'PodFailed'],
    ['OnFailure', 'exit 0', 'Succeeded', 'PodCompleted'],
  ] as const)('with restartPolicy %s and `%s` ends as %s', async (restartPolicy, script, phase, reason) => {
    t = await startTestKubelet();
    await t.create('job', { restartPolicy, containers: [{ name: 'main', image: 'busybox', command: ['sh', '-c', script] }] });
    await t.advance(1);
    const pod = await t.pod('job');
    expect(pod.status?.phase).toBe(phase);
    expect(condition(pod, 'Ready')).toMatchObject({ status: 'False', reason });
    expect(pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(Number(script.slice(5)));
    expect((await t.runtime.listPodSandbox({})).items?.[0]).toMatchObject({ state: 'SANDBOX_NOTREADY' });
    await t.delete('job');
    await expect(t.pod('job')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('runs init containers one after the other before its containers', async () => {
    t = await startTestKubelet();
    await t.create('init', {
      initContainers: [
        { name: 'one', image: 'busybox', command: ['sleep', '1'] },
        { name: 'two', image: 'busybox', command: ['sleep', '2'] },
      ],
    });
    const states = async () => {
      const { initContainerStatuses = [], containerStatuses = [], phase } = (await t.pod('init')).status ?? {};
      return [
        phase,
        ...[...initContainerStatuses, ...containerStatuses].map((s) => s.state?.waiting?.reason ?? Object.keys(s.state ?? {})[0]),
      ];
    };
    expect(await states()).toEqual(['Pending', 'running', 'PodInitializing', 'PodInitializing']);
    expect(condition(await t.pod('init'), 'Initialized')).toMatchObject({
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [one two]',
    });
    await t.advance(1000);
    expect(await states()).toEqual(['Pending', 'terminated', 'running', 'PodInitializing']);
    await t.advance(2000);
    expect(await states()).toEqual(['Running', 'terminated', 'terminated', 'running']);
  });

  it('keeps a sidecar beside its containers, and stops it when they are done', async () => {
    t = await startTestKubelet();
    await t.create('batch', {
      restartPolicy: 'Never',
      initContainers: [{ name: 'side', image: 'envoy', restartPolicy: 'Always' }],
      containers: [{ name: 'main', image: 'busybox', command: ['sleep', '5'] }],
    });
    expect((await t.pod('batch')).status).toMatchObject({
      phase: 'Running',
      initContainerStatuses: [{ name: 'side', ready: true, started: true }],
      containerStatuses: [{ name: 'main', ready: true }],
    });
    await t.advance(5000);
    expect((await t.pod('batch')).status).toMatchObject({
      phase: 'Succeeded',
      initContainerStatuses: [{ state: { terminated: { exitCode: 143 } } }],
    });
  });

  it('waits with ErrImagePull, then ImagePullBackOff, and starts when the image has appeared', async () => {
    let exists = false;
    t = await startTestKubelet({ runtime: { imageExists: () => exists } });
    await t.create('web');
    const reason = async () => (await t.pod('web')).status?.containerStatuses?.[0]?.state?.waiting?.reason;
    expect(await reason()).toBe('ErrImagePull');
    await t.advance(2000);
    expect(await reason()).toBe('ImagePullBackOff');
    expect(await t.events('web')).toEqual(
      expect.arrayContaining([
        'Warning Failed Error: ErrImagePull',
        'Normal BackOff Back-off pulling image "nginx:1"',
        'Warning Failed Error: ImagePullBackOff',
      ]),
    );
    exists = true;
    await t.advance(10_000);
    expect((await t.pod('web')).status?.phase).toBe('Running');
  });

  it('finds every image that there is on a simulated node, even where it may not be pulled', async () => {
    t = await startTestKubelet({ runtime: { imageExists: (image) => image === 'nginx:1' } });
    for (const image of ['nginx:1', 'other:1'])
      await t.create(image.slice(0, 5), { containers: [{ name: 'main', image, imagePullPolicy: 'Never' }] });
    expect((await t.pod('nginx')).status?.phase).toBe('Running');
    expect((await t.pod('other')).status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('ErrImageNeverPull');
  });

  it('mounts images as volumes once they are there', async () => {
    let exists = false;
    t = await startTestKubelet({ runtime: { imageExists: (image) => image === 'nginx:1' || exists } });
    await t.create('web', {
      volumes: [{ name: 'model', image: { reference: 'models:1', pullPolicy: 'IfNotPresent' } }],
      containers: [{ name: 'main', image: 'nginx:1', volumeMounts: [{ name: 'model', mountPath: '/model', subPath: 'weights' }] }],
    });
    expect((await t.pod('web')).status?.containerStatuses?.[0]?.state?.waiting?.reason).toMatch(/^(ErrImagePull|ImagePullBackOff)$/);
    exists = true;
    await t.advance(20_000);
    expect((await t.pod('web')).status?.phase).toBe('Running');
    const { containers: [made] = [] } = await t.runtime.listContainers({});
    const { status } = await t.runtime.containerStatus({ containerId: made?.id ?? '' });
    expect(status?.mounts).toEqual([
      expect.objectContaining({
        containerPath: '/model',
        readonly: true,
        image: expect.objectContaining({ image: 'models:1' }),
        imageSubPath: 'weights',
      }),
    ]);
  });

  it('says why a container cannot be configured, and starts when what it needs is there', async () => {
    t = await startTestKubelet();
    await t.create('web', {
      containers: [{ name: 'main', image: 'nginx:1', envFrom: [{ configMapRef: { name: 'settings' } }] }],
    });
    expect((await t.pod('web')).status?.containerStatuses?.[0]?.state?.waiting).toEqual({
      reason: 'CreateContainerConfigError',
      message: 'configmap "settings" not found',
    });
    await t.client.create(ConfigMap, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'settings', namespace: 'default' },
      data: { A: 'b' },
    });
    await t.advance(15_000);
    expect((await t.pod('web')).status?.phase).toBe('Running');
  });

  it('is refused when the node has no room for it', async () => {
    t = await startTestKubelet();
    await t.create('big', { containers: [{ name: 'main', image: 'nginx:1', resources: { requests: { cpu: '5' } } }] });
    expect((await t.pod('big')).status).toMatchObject({
      phase: 'Failed',
      reason: 'OutOfcpu',
      message: "Pod was rejected: Node didn't have enough resource: cpu, requested: 5000, used: 0, capacity: 4000",
    });
  });

  it('fails when its deadline passes', async () => {
    t = await startTestKubelet();
    await t.create('late', { activeDeadlineSeconds: 5 });
    await t.advance(5000);
    expect((await t.pod('late')).status).toMatchObject({ phase: 'Failed', reason: 'DeadlineExceeded' });
  });

  it('becomes unready and ready with its readiness probe, and is restarted by its liveness probe', async () => {
    let ready = true;
    let alive = true;
    t = await startTestKubelet({
      runtime: { exec: (_, [name]) => ({ exitCode: (name === 'ready' ? ready : alive) ? 0 : 1, stdout: `${name}!` }) },
    });
    await t.create('web', {
      terminationGracePeriodSeconds: 5,
      containers: [
        {
          name: 'main',
          image: 'nginx:1',
          readinessProbe: { exec: { command: ['ready'] }, periodSeconds: 2, failureThreshold: 1 },
          livenessProbe: { exec: { command: ['alive'] }, periodSeconds: 10, failureThreshold: 2 },
        },
      ],
    });
    const status = async () => (await t.pod('web')).status?.containerStatuses?.[0];
    expect((await status())?.ready).toBe(true);
    ready = false;
    await t.advance(2000);
    expect((await status())?.ready).toBe(false);
    expect(await t.events('web')).toContain('Warning Unhealthy Readiness probe failed: ready!');
    ready = true;
    await t.advance(2000);
    expect((await status())?.ready).toBe(true);
    alive = false;
    await t.advance(20_000);
    expect(await t.events('web')).toContain('Normal Killing Container main failed liveness probe, will be restarted');
    expect((await status())?.restartCount).toBe(1);
  });

  it('keeps running, with no restart, when the kubelet restarts', async () => {
    t = await startTestKubelet();
    await t.create('web');
    const before = await t.pod('web');
    await t.restartKubelet();
    const after = await t.pod('web');
    expect(after.status).toEqual(before.status);
    await t.delete('web');
    await expect(t.pod('web')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('that has ended stays as it was, though the runtime has lost its containers', async () => {
    t = await startTestKubelet();
    await t.create('late', { activeDeadlineSeconds: 5 });
    await t.advance(5000);
    const before = await t.pod('late');
    await t.stop();
    for (const { id } of (await t.runtime.listPodSandbox({})).items ?? []) await t.runtime.removePodSandbox({ podSandboxId: id ?? '' });
    await t.restartKubelet();
    expect((await t.pod('late')).status).toEqual(before.status);
    expect((await t.runtime.listPodSandbox({})).items).toEqual([]);
  });

  it('that was running when the machine went down runs again, counted as a restart', async () => {
    t = await startTestKubelet();
    await t.create('web');
    await t.stop();
    for (const { id } of (await t.runtime.listPodSandbox({})).items ?? []) await t.runtime.removePodSandbox({ podSandboxId: id ?? '' });
    await t.restartKubelet();
    expect((await t.pod('web')).status).toMatchObject({ phase: 'Running', containerStatuses: [{ restartCount: 1, ready: true }] });
  });

  it('that vanished while the kubelet was down is removed from the runtime', async () => {
    t = await startTestKubelet();
    await t.create('web');
    await t.stop();
    await t.client.delete(Pod, 'web', { namespace: 'default', gracePeriodSeconds: 0 });
    await t.restartKubelet();
    expect((await t.runtime.listPodSandbox({})).items).toEqual([]);
  });
});
