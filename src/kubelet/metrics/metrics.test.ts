import { Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { hollowRuntime } from '../../runtime/hollow/index.ts';
import { seededRandom, VirtualClock } from '../../time/index.ts';
import { startTestKubelet } from '../testing.ts';
import { measuredRuntime } from './measured-runtime.ts';

let t: Awaited<ReturnType<typeof startTestKubelet>> | undefined;
afterEach(() => t?.stop());

/** Samples of a family without its comments. */
const samples = async (registry: Registry, name: string) =>
  (await registry.metrics()).split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));

it('counts pods, containers and probes, and forgets the probes of containers that are gone', async () => {
  const registry = new Registry();
  t = await startTestKubelet({
    kubelet: { registry },
    runtime: { imageExists: (image) => image !== 'gone:1', exec: () => ({ exitCode: 0 }) },
  });
  await t.create('probed', {
    containers: [
      { name: 'main', image: 'nginx:1', imagePullPolicy: 'IfNotPresent', readinessProbe: { exec: { command: ['x'] }, periodSeconds: 10 } },
    ],
  });
  expect(await samples(registry, 'kubelet_started_pods_total')).toEqual(['kubelet_started_pods_total 1']);
  expect(await samples(registry, 'kubelet_started_containers_total')).toEqual([
    'kubelet_started_containers_total{container_type="container"} 1',
  ]);
  const [probe = '', ...others] = await samples(registry, 'prober_probe_total');
  expect(probe).toMatch(
    /^prober_probe_total\{probe_type="Readiness",result="successful",container="main",pod="probed",namespace="default",pod_uid="[^"]+"\} 1$/,
  );
  expect(others).toEqual([]);
  const timed = 'prober_probe_duration_seconds_count';
  expect(await samples(registry, timed)).toEqual([`${timed}{probe_type="Readiness",container="main",pod="probed",namespace="default"} 1`]);
  await t.create('lost', { containers: [{ name: 'main', image: 'gone:1', imagePullPolicy: 'IfNotPresent' }] });
  expect(await samples(registry, 'kubelet_started_containers_errors_total')).toContain(
    'kubelet_started_containers_errors_total{container_type="container",code="ErrImagePull"} 1',
  );
  await t.create('reads', {
    volumes: [{ name: 'v', image: { reference: 'data:1', pullPolicy: 'IfNotPresent' } }],
    containers: [
      { name: 'main', image: 'nginx:1', imagePullPolicy: 'IfNotPresent', volumeMounts: [{ name: 'v', mountPath: '/v' }] },
      { name: 'other', image: 'nginx:1', imagePullPolicy: 'IfNotPresent' },
    ],
  });
  for (const [what, count] of Object.entries({ requested: 1, mounted_succeed: 1, mounted_errors: 0 }))
    expect(await samples(registry, `kubelet_image_volume_${what}_total`)).toEqual([`kubelet_image_volume_${what}_total ${count}`]);
  await t.delete('probed');
  await t.advance(1000);
  expect(await samples(registry, 'prober_probe_total')).toEqual([]);
  expect(await samples(registry, timed)).toEqual([]);
  const rounds = await samples(registry, 'kubelet_pod_worker_duration_seconds_count');
  expect(rounds).toContain('kubelet_pod_worker_duration_seconds_count{operation_type="create"} 3');
  for (const operation of ['sync', 'kill'])
    expect(rounds).toContainEqual(
      expect.stringMatching(`^kubelet_pod_worker_duration_seconds_count\\{operation_type="${operation}"\\} [1-9]`),
    );
});

it("counts and times a runtime's operations, also those that fail", async () => {
  const registry = new Registry();
  const clock = new VirtualClock();
  const runtime = measuredRuntime(hollowRuntime({ clock, random: seededRandom(1) }), registry, () => clock.monotonic());
  await runtime.version({});
  await runtime.version({});
  await expect(runtime.containerStatus({ containerId: 'nobody' })).rejects.toThrow('not found');
  expect(await samples(registry, 'kubelet_runtime_operations_total')).toEqual(
    expect.arrayContaining([
      'kubelet_runtime_operations_total{operation_type="version"} 2',
      'kubelet_runtime_operations_total{operation_type="container_status"} 1',
    ]),
  );
  expect(await samples(registry, 'kubelet_runtime_operations_errors_total')).toEqual([
    'kubelet_runtime_operations_errors_total{operation_type="container_status"} 1',
  ]);
  expect(await samples(registry, 'kubelet_runtime_operations_duration_seconds_count')).toContain(
    'kubelet_runtime_operations_duration_seconds_count{operation_type="version"} 2',
  );
});
