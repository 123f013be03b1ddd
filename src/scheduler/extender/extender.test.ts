import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Node, Pod } from '../../api/index.ts';
import { makeNode, makePod, startCluster, type TestCluster } from '../testing/test-cluster.ts';

/** What an extender is asked: the args of kube-scheduler's extender API, under Go's names. */
interface Args {
  Pod: Pod;
  Nodes: { items: Node[] } | null;
  NodeNames: string[] | null;
  Node: string;
}

let server: Server | undefined;
let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
});

/** Starts an extender that answers its verbs so, and answers its address. */
async function extend(verbs: Record<string, (args: Args) => unknown>): Promise<string> {
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const answer = verbs[request.url?.slice(1) ?? '']?.(JSON.parse(Buffer.concat(chunks).toString()));
    response.statusCode = answer === undefined ? 500 : 200;
    response.end(JSON.stringify(answer ?? {}));
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
const run = async (extender: object, nodes: Node[], pod: Pod) => {
  cluster = await startCluster({ config: { extenders: [extender as never] } });
  for (const node of nodes) await cluster.client.create(Node, node);
  await cluster.client.create(Pod, pod, { namespace: 'default' });
  return cluster;
};
const condition = (pod: Pod | undefined) => pod?.status?.conditions?.find((c) => c.type === 'PodScheduled');

test('an extender leaves nodes out, prefers others, and says why where none is left', async () => {
  const urlPrefix = await extend({
    filter: ({ Nodes }) => {
      const [fit, unfit] = [true, false].map((ok) => Nodes?.items.filter((n) => (n.metadata.labels?.gpu === 'yes') === ok) ?? []);
      return { Nodes: { items: fit }, FailedNodes: Object.fromEntries((unfit ?? []).map((n) => [n.metadata.name, 'no gpu here'])) };
    },
    prioritize: ({ Nodes }) => Nodes?.items.map((n) => ({ Host: n.metadata.name, Score: n.metadata.name === 'b' ? 10 : 0 })),
  });
  const gpu = { labels: { gpu: 'yes' } };
  const config = { urlPrefix, filterVerb: 'filter', prioritizeVerb: 'prioritize', weight: 5 };
  const { until, client } = await run(config, [makeNode('c')], makePod('p'));
  await until('p', (p) => condition(p)?.message?.startsWith('0/1 nodes are available: 1 no gpu here.') ?? false);
  for (const name of ['a', 'b', 'd']) await client.create(Node, makeNode(name, gpu));
  await client.create(Pod, makePod('q'), { namespace: 'default' });
  await until('q', (p) => p?.spec.nodeName === 'b');
  await until('p', (p) => ['a', 'b', 'd'].includes(p?.spec.nodeName ?? ''));
});

test('one that knows nodes by name, and binds pods that ask for its resources', async () => {
  const bound: string[] = [];
  const urlPrefix = await extend({
    filter: ({ NodeNames }) => ({ nodenames: NodeNames?.filter((name) => name === 'b') }),
    bind: ({ Node: name }) => {
      bound.push(name);
      return {};
    },
  });
  const resource = 'example.com/foo';
  const config = {
    ...{ urlPrefix, filterVerb: 'filter', bindVerb: 'bind', nodeCacheCapable: true },
    managedResources: [{ name: resource, ignoredByScheduler: true }],
  };
  const nodes = [makeNode('a'), makeNode('b')];
  const asking = makePod('p', { spec: { containers: [{ name: 'main', image: 'i', resources: { requests: { [resource]: '1' } } }] } });
  const { client, until } = await run(config, nodes, asking);
  await expect.poll(() => bound).toEqual(['b']);
  await client.create(Pod, makePod('other'), { namespace: 'default' });
  await until('other', (p) => !!p?.spec.nodeName);
  expect(bound).toEqual(['b']);
});

test.each([true, false])('one that fails: ignorable %s', async (ignorable) => {
  const urlPrefix = await extend({});
  const { until } = await run({ urlPrefix, filterVerb: 'filter', ignorable }, [makeNode('a')], makePod('p'));
  await until('p', (p) => (ignorable ? !!p?.spec.nodeName : (condition(p)?.message ?? '').includes('failed filter with extender at URL')));
});
