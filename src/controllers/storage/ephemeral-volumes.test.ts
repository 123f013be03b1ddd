import { afterEach, beforeEach, expect, test } from 'vitest';
import { PersistentVolumeClaim } from '../../api/index.ts';
import { startCluster, type TestCluster } from '../testing/cluster.ts';
import { ephemeralVolumeController } from './ephemeral-volumes.ts';

let c: TestCluster;
beforeEach(async () => {
  c = await startCluster([ephemeralVolumeController]);
});
afterEach(() => c.stop());

const claimSpec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } };
const run = () =>
  c.runPod('web', {
    spec: { volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate: { metadata: { labels: { a: 'b' } }, spec: claimSpec } } }] },
  });

test('a generic ephemeral volume gets a claim of its own, and gets it back', async () => {
  const pod = await run();
  await c.settle();
  const claim = await c.get(PersistentVolumeClaim, 'web-scratch');
  expect(claim.metadata).toMatchObject({
    labels: { a: 'b' },
    ownerReferences: [{ kind: 'Pod', name: 'web', uid: pod.metadata.uid, controller: true, blockOwnerDeletion: true }],
  });
  await c.update(PersistentVolumeClaim, 'web-scratch', (x) => ({ ...x, metadata: { ...x.metadata, finalizers: [] } }));
  await c.client.delete(PersistentVolumeClaim, 'web-scratch', { namespace: 'work' });
  await c.settle();
  expect((await c.get(PersistentVolumeClaim, 'web-scratch')).metadata.uid).not.toBe(claim.metadata.uid);
});

test("somebody else's claim of that name is not taken", async () => {
  await c.create(PersistentVolumeClaim, { metadata: { name: 'web-scratch' }, spec: claimSpec as never });
  await run();
  await c.settle();
  expect(await c.events()).toContain(
    'FailedBinding: ephemeral volume scratch: PVC work/web-scratch was not created for pod work/web (pod is not owner)',
  );
});
