import { afterEach, beforeEach, expect, test } from 'vitest';
import { Deployment, EndpointSlice, Namespace, Pod, ReplicaSet, Service } from '../api/index.ts';
import { allControllers } from './all.ts';
import { startCluster, type TestCluster } from './testing/cluster.ts';

let c: TestCluster;
beforeEach(async () => {
  c = await startCluster(allControllers, { clusterCidrs: ['10.244.0.0/16'], rootCa: 'PEM' }, () => true);
});
afterEach(() => c.stop());

const deployment = {
  metadata: { name: 'web' },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image: 'nginx:1' }] } },
  },
};

test('all controllers together run an application, and take it away with its namespace', async () => {
  await c.node('node');
  await c.create(Deployment, deployment);
  await c.create(Service, {
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ipFamilies: ['IPv4'], ports: [{ port: 80 }] } as never,
  });
  await c.settle(1000);
  const pods = await c.list(Pod);
  expect(pods).toHaveLength(3);
  for (const [i, { metadata }] of pods.entries()) {
    await c.client.createSubresource(
      Pod,
      metadata.name,
      'binding',
      { apiVersion: 'v1', kind: 'Binding', metadata: { name: metadata.name }, target: { kind: 'Node', name: 'node' } },
      { namespace: 'work' },
    );
    const ip = `10.244.0.${i + 2}`;
    await c.status(Pod, metadata.name, { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: [{ type: 'Ready', status: 'True' }] });
  }
  await c.settle(1000);
  expect((await c.get(Deployment, 'web')).status).toMatchObject({ availableReplicas: 3 });
  expect((await c.list(EndpointSlice))[0]?.endpoints).toHaveLength(3);

  await c.client.delete(Deployment, 'web', { namespace: 'work', propagationPolicy: 'Background' });
  await c.settle(1000);
  expect(await c.list(ReplicaSet)).toEqual([]);
  for (const { metadata } of pods) await c.removePod(metadata.name);
  await c.client.delete(Namespace, 'work');
  await c.settle(1000);
  expect(await c.find(Namespace, 'work')).toBeUndefined();
  expect(await c.list(Service)).toEqual([]);
});

test('a cluster in which nothing happens asks nothing of its API server', async () => {
  await c.settle(10_000);
  const before = c.requests();
  await c.settle(100_000);
  expect(c.requests() - before).toBe(0);
});
