import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { ConfigMap, errors } from '../api/index.ts';
import { VirtualClock } from '../time/index.ts';
import { createClient, measuredTransports, type Transport } from './index.ts';

test('requests and watches are counted by what came of them', async () => {
  const registry = new Registry();
  const transport: Transport = {
    request: ({ path }) =>
      path.endsWith('/gone')
        ? Promise.resolve({ status: 404, body: errors.notFound(ConfigMap, 'gone').status, warnings: [] })
        : path.endsWith('/cut')
          ? Promise.reject(new Error('connection reset'))
          : Promise.resolve({ status: 200, body: {}, warnings: [] }),
    async *stream({ path }) {
      if (path.includes('denied')) throw errors.forbidden(ConfigMap, '', 'no');
      yield { type: 'ADDED', object: {} };
      yield { type: 'ADDED', object: {} };
    },
    close: () => Promise.resolve(),
  };
  const client = createClient(measuredTransports({ registry, clock: new VirtualClock(), host: 'a:6443' })(transport));
  const get = (name: string) => client.get(ConfigMap, name, { namespace: 'default' });
  await get('a');
  await expect(get('gone')).rejects.toThrow('not found');
  await expect(get('cut')).rejects.toThrow('connection reset');
  const watch = async (namespace: string) => {
    let events = 0;
    for await (const _ of client.watch(ConfigMap, { namespace })) events++;
    return events;
  };
  expect(await watch('default')).toBe(2);
  await expect(watch('denied')).rejects.toThrow('no');
  const text = await registry.metrics();
  for (const [code, count] of Object.entries({ 200: 2, 404: 1, '<error>': 1, 403: 1 }))
    expect(text).toContain(`rest_client_requests_total{code="${code}",host="a:6443",method="GET"} ${count}\n`);
  expect(text).toContain('rest_client_request_duration_seconds_count{host="a:6443",verb="GET"} 5\n');
});
