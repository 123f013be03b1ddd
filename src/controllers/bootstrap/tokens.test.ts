import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { ConfigMap, Namespace, Secret } from '../../api/index.ts';
import { startCluster } from '../testing/cluster.ts';
import { bootstrapSignerController, tokenCleanerController } from './tokens.ts';

test('cluster-info is signed by the tokens that may, until they expire', async () => {
  const c = await startCluster([bootstrapSignerController, tokenCleanerController]);
  for (const name of ['kube-system', 'kube-public']) await c.create(Namespace, { metadata: { name }, spec: {} });
  const at = { namespace: 'kube-public' };
  await c.create(ConfigMap, { metadata: { name: 'cluster-info', ...at }, data: { kubeconfig: 'content' } });
  const fields = {
    'token-id': 'abcdef',
    'token-secret': '0123456789abcdef',
    'usage-bootstrap-signing': 'true',
    expiration: new Date(c.clock.now() + 60_000).toISOString(),
  };
  const data = Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
  await c.create(Secret, {
    metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    data,
  });
  await c.settle();
  const signature = (await c.client.get(ConfigMap, 'cluster-info', at)).data?.['jws-kubeconfig-abcdef'] ?? '';
  const [header, nothing, mac] = signature.split('.');
  expect(nothing).toBe('');
  expect(JSON.parse(Buffer.from(header ?? '', 'base64url').toString())).toEqual({ alg: 'HS256', kid: 'abcdef' });
  const signed = `${header}.${Buffer.from('content').toString('base64url')}`;
  expect(mac).toBe(createHmac('sha256', '0123456789abcdef').update(signed).digest('base64url'));
  await c.settle(61_000);
  expect((await c.client.list(Secret, { namespace: 'kube-system' })).items).toEqual([]);
  expect((await c.client.get(ConfigMap, 'cluster-info', at)).data).toEqual({ kubeconfig: 'content' });
  await c.stop();
});
