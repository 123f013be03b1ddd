/** The official JavaScript client: typed calls and informers. */
import { CoreV1Api, KubeConfig, makeInformer, type V1ConfigMap } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let server: TestApiServer;
let config: KubeConfig;
beforeAll(async () => {
  server = await startApiServer();
  config = new KubeConfig();
  config.loadFromFile(server.kubeconfig);
});
afterAll(() => server.close());

test('an informer hears of what typed calls do', async () => {
  const api = config.makeApiClient(CoreV1Api);
  const namespace = 'default';
  const list = () => api.listNamespacedConfigMap({ namespace });
  const informer = makeInformer<V1ConfigMap>(config, `/api/v1/namespaces/${namespace}/configmaps`, list);
  const heard: string[] = [];
  for (const event of ['add', 'update', 'delete'] as const)
    informer.on(event, ({ metadata, data }) => heard.push(`${event} ${metadata?.name} ${data?.a}`));
  await informer.start();
  try {
    const made = await api.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'one' }, data: { a: '1' } } });
    expect(made.metadata?.creationTimestamp).toBeInstanceOf(Date);
    await expect.poll(() => heard).toEqual(['add one 1']);
    await api.replaceNamespacedConfigMap({ namespace, name: 'one', body: { ...made, data: { a: '2' } } });
    await expect.poll(() => heard.at(-1)).toBe('update one 2');
    await api.deleteNamespacedConfigMap({ namespace, name: 'one' });
    await expect.poll(() => heard.at(-1)).toBe('delete one 2');
    await expect(api.readNamespacedConfigMap({ namespace, name: 'one' })).rejects.toMatchObject({ code: 404 });
  } finally {
    await informer.stop();
  }
});
