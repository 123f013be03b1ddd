import { expect, test } from 'vitest';
import { Node, parseCidr } from '../../api/index.ts';
import { startCluster } from '../testing/cluster.ts';
import { createCidrSet } from './cidr-set.ts';
import { nodeIpamController } from './ipam.ts';

const cidr = (text: string) => parseCidr(text) ?? expect.unreachable(text);

test('blocks are given out in turn, around those in use, and end', () => {
  const set = createCidrSet(cidr('10.244.0.0/22'), 24);
  set.occupy(cidr('10.244.1.128/25'));
  expect([set.allocate(), set.allocate(), set.allocate(), set.allocate()]).toEqual([
    '10.244.0.0/24',
    '10.244.2.0/24',
    '10.244.3.0/24',
    undefined,
  ]);
  set.release(cidr('10.244.2.0/24'));
  expect(set.allocate()).toBe('10.244.2.0/24');
});

test('each node gets a range of its own, and one that goes gives its back', async () => {
  const c = await startCluster([nodeIpamController], { clusterCidrs: ['10.244.0.0/23'], serviceCidrs: ['10.96.0.0/16'] });
  await c.node('a');
  await c.node('b');
  await c.settle();
  expect((await c.get(Node, 'a')).spec).toMatchObject({ podCIDR: '10.244.0.0/24', podCIDRs: ['10.244.0.0/24'] });
  expect((await c.get(Node, 'b')).spec.podCIDR).toBe('10.244.1.0/24');
  await c.node('c');
  await c.settle();
  expect((await c.get(Node, 'c')).spec.podCIDR).toBeUndefined();
  expect(await c.events()).toContainEqual('CIDRNotAvailable: Node c status is now: CIDRNotAvailable');
  await c.client.delete(Node, 'a');
  await c.settle(60_000);
  expect((await c.get(Node, 'c')).spec.podCIDR).toBe('10.244.0.0/24');
  await c.stop();
});

test('a node that others write to meanwhile is given a range once', async () => {
  const c = await startCluster([nodeIpamController], { clusterCidrs: ['10.244.0.0/16'], serviceCidrs: ['10.96.0.0/16'] });
  await c.settle();
  const before = c.requests();
  await c.node('a');
  await Promise.all(['1', '2', '3'].map((cpu) => c.status(Node, 'a', { capacity: { cpu } })));
  await c.settle(60_000);
  expect((await c.get(Node, 'a')).spec.podCIDRs).toEqual(['10.244.0.0/24']);
  expect(c.requests() - before).toBe(1);
  await c.stop();
});
