import { afterEach, describe, expect, it } from 'vitest';
import { IPAddress, Service, ServiceCIDR } from '../../src/api/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let api: TestApiServer | undefined;
afterEach(() => api?.close());

const until = async (holds: () => Promise<boolean>) => {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('it did not come true');
    await new Promise(setImmediate);
  }
};

describe('IPAddress objects', () => {
  it('follow the cluster IPs of Services', async () => {
    api = await startApiServer();
    const { admin } = api;
    const names = async () => (await admin.list(IPAddress)).items.map(({ metadata }) => metadata.name);
    expect(await names()).toEqual(['10.96.0.1']);
    expect((await admin.get(ServiceCIDR, 'kubernetes')).spec).toEqual({ cidrs: ['10.96.0.0/16'] });
    const made = await admin.create(
      Service,
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'default' }, spec: { ports: [{ port: 80 }] } },
      { namespace: 'default' },
    );
    const ip = made.spec?.clusterIP ?? '';
    await until(async () => (await names()).includes(ip));
    expect(await admin.get(IPAddress, ip)).toMatchObject({
      metadata: { labels: { 'ipaddress.kubernetes.io/ip-family': 'IPv4', 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' } },
      spec: { parentRef: { resource: 'services', namespace: 'default', name: 'web' } },
    });
    await admin.delete(Service, 'web', { namespace: 'default' });
    await until(async () => !(await names()).includes(ip));
  });
});
