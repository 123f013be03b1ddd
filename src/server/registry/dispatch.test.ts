import { describe, expect, test } from 'vitest';
import { Deployment, extensionsV1beta1, Node } from '../../api/index.ts';
import { admin, deployment, namespace, under } from '../testing/server-of-each-test.ts';
import { openTestServer, type TestServer } from '../testing/test-server.ts';

describe('subresources and versions', () => {
  test('Tables that show something else of objects are refused, watches of them before they begin', async () => {
    const transport = under.server.localTransport({ name: 'admin', groups: ['system:masters'] });
    for (const watch of ['false', 'true'])
      await expect(
        transport.request({
          method: 'GET',
          path: '/api/v1/pods',
          query: new URLSearchParams({ includeObject: 'All', watch }),
          accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
        }),
      ).rejects.toMatchObject({
        message: `Unable to convert to Table as requested: includeObject: Invalid value: "All": must be 'Metadata', 'Object', 'None', or empty`,
      });
  });

  test('scale reads and writes replicas', async () => {
    await admin.create(Deployment, deployment('web'));
    const path = `/apis/apps/v1/namespaces/${namespace}/deployments/web/scale`;
    expect(await admin.raw('GET', path)).toMatchObject({ kind: 'Scale', spec: { replicas: 1 }, status: { selector: 'app=web' } });
    const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'web', namespace }, spec: { replicas: 4 } };
    expect(await admin.raw('PUT', path, { body: scale })).toMatchObject({ spec: { replicas: 4 } });
    const foreign = { ...scale, metadata: { ...scale.metadata, uid: 'another' } };
    await expect(admin.raw('PUT', path, { body: foreign })).rejects.toMatchObject({
      code: 409,
      message: expect.stringMatching(/Precondition failed: UID in precondition: another, UID in object meta: /),
    });
    expect((await admin.get(Deployment, 'web', { namespace })).spec.replicas).toBe(4);
  });

  test('an old version converts on the way in and out', async () => {
    const { apiVersion: _, spec, ...rest } = deployment('old') as unknown as Deployment;
    const sent = { ...rest, apiVersion: 'extensions/v1beta1', spec: { template: spec.template } };
    const made = await admin.create(extensionsV1beta1.Deployment, sent as never);
    expect(made).toMatchObject({ apiVersion: 'extensions/v1beta1', spec: { selector: { matchLabels: { app: 'old' } } } });
    expect(await admin.get(Deployment, 'old', { namespace })).toMatchObject({ apiVersion: 'apps/v1', kind: 'Deployment' });
  });

  test('of a collection one shard is listed and watched, where the gate for that is on', async () => {
    const ranges = ['0x0000000000000000', '0x8000000000000000', '0x10000000000000000'];
    const shard = (i: number) => `shardRange(object.metadata.uid, '${ranges[i]}', '${ranges[i + 1]}')`;
    const own = await openTestServer({ isEnabled: (gate) => gate === 'ShardedListAndWatch' });
    const names = Array.from({ length: 20 }, (_, i) => `c-${i}`);
    for (const { admin } of [own, under])
      for (const name of names) await admin.raw('POST', '/api/v1/namespaces/sharded/configmaps', { body: { metadata: { name } } });
    const path = (i: number | string) =>
      `/api/v1/namespaces/sharded/configmaps?shardSelector=${encodeURIComponent(typeof i === 'number' ? shard(i) : i)}`;
    type Shown = { metadata: object; items: { metadata: { name: string; uid: string } }[] };
    const list = async (at: TestServer, i: number) => (await at.admin.raw('GET', path(i))) as Shown;
    const [low, high] = [await list(own, 0), await list(own, 1)];
    expect(low.metadata).toMatchObject({ shardInfo: { selector: shard(0) } });
    expect([...low.items, ...high.items].map(({ metadata }) => metadata.name).sort()).toEqual([...names].sort());
    expect(Math.min(low.items.length, high.items.length)).toBeGreaterThan(0);
    await expect(own.admin.raw('GET', path('shardRange()'))).rejects.toMatchObject({
      ...{ code: 500, message: 'invalid shard selector: shardRange() requires exactly 3 arguments, got 0' },
    });
    const seen = new Set<string>();
    const transport = own.server.localTransport({ name: 'admin', groups: ['system:masters'] });
    const query = new URLSearchParams({ watch: 'true', shardSelector: shard(1) });
    for await (const { object } of transport.stream({ method: 'GET', path: '/api/v1/namespaces/sharded/configmaps', query })) {
      seen.add((object as Shown['items'][0]).metadata.name);
      if (seen.size === high.items.length) break;
    }
    expect([...seen].sort()).toEqual(high.items.map(({ metadata }) => metadata.name).sort());
    expect((await list(under, 0)).metadata).not.toHaveProperty('shardInfo');
    await own.close();
  });

  test('what is not served is not found', async () => {
    await expect(admin.raw('GET', '/apis/none/v1/things')).rejects.toMatchObject({ code: 404 });
    await expect(admin.raw('GET', '/api/v1/namespaces/work/nodes')).rejects.toMatchObject({ code: 404 });
    const review = '/apis/authentication.k8s.io/v1/tokenreviews';
    const methods: [string, string, number][] = [
      ['POST', '/api/v1/nodes/n', 405],
      ['GET', review, 405],
      ['GET', `${review}/r`, 404],
      ['PUT', '/api/v1/namespaces/work/bindings/b', 404],
      ['DELETE', '/api/v1/namespaces/work/bindings', 405],
      ['DELETE', '/api/v1/componentstatuses/c', 405],
      ['DELETE', '/apis/apps/v1/namespaces/work/deployments/d/scale', 405],
    ];
    for (const [method, path, code] of methods) {
      const body = method === 'POST' || method === 'PUT' ? { body: {} } : {};
      const message = code === 404 ? /^the server could not find/ : /^the server does not allow this method/;
      await expect(admin.raw(method, path, body), `${method} ${path}`).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
    }
    await expect(admin.get(Node, 'n')).rejects.toThrow('nodes "n" not found');
  });
});
