import { afterEach, beforeEach, expect, test } from 'vitest';
import { Pod, ResourceClaimTemplate, resourceV1 } from '../api/index.ts';
import { resourceClaimController } from './resource-claims.ts';
import { startCluster, type TestCluster } from './testing/cluster.ts';

const { ResourceClaim } = resourceV1;
let c: TestCluster;
beforeEach(async () => {
  c = await startCluster([resourceClaimController]);
});
afterEach(() => c.stop());

const spec: resourceV1.ResourceClaimSpec = {
  devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1 } }] },
};
const run = () => c.runPod('web', { spec: { resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'one' }] } });
const only = async () => {
  const [claim, ...more] = await c.list(ResourceClaim);
  expect(more).toEqual([]);
  return claim;
};

test("a pod's template becomes a claim that the pod names, and that goes when the pod has finished", async () => {
  const pod = await run();
  await c.settle();
  expect(await c.events()).toContainEqual(expect.stringMatching(/^FailedResourceClaimCreation: PodResourceClaim gpu: .*"one" not found$/));
  await c.create(ResourceClaimTemplate, { metadata: { name: 'one' }, spec: { metadata: { labels: { a: 'b' } }, spec } } as never);
  await c.settle();
  const claim = await only();
  expect(claim?.metadata).toMatchObject({
    name: expect.stringMatching(/^web-gpu-/),
    labels: { a: 'b' },
    annotations: { 'resource.kubernetes.io/pod-claim-name': 'gpu' },
    ownerReferences: [{ kind: 'Pod', uid: pod.metadata.uid, controller: true }],
  });
  const { status } = await c.get(Pod, 'web');
  expect(status?.resourceClaimStatuses).toEqual([{ name: 'gpu', resourceClaimName: claim?.metadata.name }]);
  await c.status(Pod, 'web', { ...status, phase: 'Succeeded' });
  await c.settle();
  expect(await only()).toBeUndefined();
});

test('devices that no pod holds any more are given back', async () => {
  const pod = await c.runPod('web', { spec: { resourceClaims: [{ name: 'gpu', resourceClaimName: 'shared' }] } });
  await c.create(ResourceClaim, { metadata: { name: 'shared' }, spec });
  const consumer = { resource: 'pods', name: 'web', uid: pod.metadata.uid ?? '' };
  const results = [{ request: 'r', driver: 'd', pool: 'p', device: 'g0' }];
  await c.status(ResourceClaim, 'shared', { allocation: { devices: { results } }, reservedFor: [consumer] });
  await c.settle();
  expect((await c.get(ResourceClaim, 'shared')).status?.reservedFor).toEqual([consumer]);
  await c.removePod('web');
  await c.settle();
  expect((await c.get(ResourceClaim, 'shared')).status).toEqual({});
});
