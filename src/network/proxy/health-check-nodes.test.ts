import { once } from 'node:events';
import { createServer } from 'node:net';
import { pino } from 'pino';
import { afterAll, expect, test } from 'vitest';
import { healthCheckNodes } from './health-check-nodes.ts';
import type { ProxyEndpoint, ServicePort } from './service-map.ts';

const endpoint = (ip: string, more: Partial<ProxyEndpoint> = {}): ProxyEndpoint => ({
  ip,
  port: 8080,
  ready: true,
  serving: true,
  terminating: false,
  isLocal: true,
  isElsewhere: false,
  ...more,
});

const port = (name: string, healthCheckNodePort: number, ...endpoints: ProxyEndpoint[]): ServicePort => ({
  name,
  protocol: 'tcp',
  clusterIP: '10.96.0.9',
  port: 80,
  nodePort: 30080,
  externalIPs: [],
  loadBalancerIPs: [],
  loadBalancerSourceRanges: [],
  affinitySeconds: 0,
  internalPolicyLocal: false,
  externalPolicyLocal: true,
  healthCheckNodePort,
  endpoints,
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

let healthy = true;
const checks = healthCheckNodes({ logger: pino({ level: 'silent' }), isHealthy: () => healthy });
afterAll(() => checks.close());

async function ask(at: number) {
  const response = await fetch(`http://127.0.0.1:${at}/`, { headers: { connection: 'close' } });
  return { status: response.status, weight: response.headers.get('x-load-balancing-endpoint-weight'), body: await response.json() };
}

test('a health check node port tells how many endpoints are here, and goes with its service', async () => {
  const at = await freePort();
  const local = [
    endpoint('10.0.0.1'),
    endpoint('10.0.0.2'),
    endpoint('10.0.0.3', { ready: false }),
    endpoint('10.1.0.1', { isLocal: false }),
  ];
  checks.sync([port('work/web:http', at, ...local), port('work/web:https', at, ...local), port('work/other', 0, ...local)]);
  expect(await ask(at)).toEqual({
    status: 200,
    weight: '2',
    body: { service: { namespace: 'work', name: 'web' }, localEndpoints: 2, serviceProxyHealthy: true },
  });

  healthy = false;
  expect(await ask(at)).toMatchObject({ status: 503, body: { localEndpoints: 2, serviceProxyHealthy: false } });
  healthy = true;

  checks.sync([port('work/web:http', at, endpoint('10.1.0.1', { isLocal: false }))]);
  expect(await ask(at)).toMatchObject({ status: 503, weight: '0', body: { localEndpoints: 0, serviceProxyHealthy: true } });

  const elsewhere = await freePort();
  checks.sync([port('work/web:http', elsewhere, ...local)]);
  expect(await ask(elsewhere)).toMatchObject({ status: 200 });
  await expect(ask(at)).rejects.toThrow();

  checks.sync([]);
  await expect(ask(elsewhere)).rejects.toThrow();
});
