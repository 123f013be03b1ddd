import { expect, it } from 'vitest';
import { eventually } from '../../support/wait.ts';
import { inClient, jsonpath, k, manifest, walk } from '../walk.ts';

const nodePort = (service: string) => jsonpath(`-n work get svc ${service}`, '{.spec.ports[0].nodePort}');
const clusterIp = (service: string) => jsonpath(`-n work get svc ${service}`, '{.spec.clusterIP}');

async function get(url: string, method = 'GET'): Promise<string> {
  const response = await fetch(url, { method, signal: AbortSignal.timeout(5000), headers: { connection: 'close' } });
  return `${response.status} ${(await response.text()).trim()}`;
}

export function applicationSteps(): void {
  it('applies a namespace, four Deployments and three NodePort Services', async () => {
    await k(`apply -f ${manifest('application/namespace.yaml')}`);
    const told = await k(`apply -f ${manifest('application')}`);
    for (const part of ['redis', 'backend', 'frontend']) expect(told).toContain(`service/saythx-${part} created`);
    for (const part of ['redis', 'backend', 'frontend', 'work']) expect(told).toContain(`deployment.apps/saythx-${part} created`);
    await k('-n work wait --for=condition=Available deploy --all --timeout=60s');
    const services = await k('-n work get svc --no-headers');
    expect(services.match(/saythx-\w+\s+NodePort\s+10\.96\.\d+\.\d+\s+<none>\s+\d+:3[0-2]\d{3}\/TCP/g)).toHaveLength(3);
  });

  it('answers on its node ports, on loopback and on the node address', async () => {
    const port = await nodePort('saythx-frontend');
    for (const address of ['127.0.0.1', walk.nodeAddress])
      await eventually(
        `${address}:${port} answers`,
        async () => (await get(`http://${address}:${port}/`)) === '200 <h1>say thanks</h1>',
        5000,
      );
  });

  it('answers on its ClusterIP from the host', async () => {
    expect(await get(`http://${await clusterIp('saythx-backend')}:8080/healthz`)).toBe('200 ok');
  });

  it('answers by DNS name from another pod', async () => {
    const ip = await clusterIp('saythx-frontend');
    expect(await inClient('cat /etc/resolv.conf')).toMatch(
      /search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local.*\nnameserver 10\.96\.0\.10\noptions ndots:5/,
    );
    expect(await inClient('nslookup saythx-frontend.work.svc.cluster.local')).toContain(`Address: ${ip}`);
    expect(await inClient(`nslookup ${ip}`)).toContain('name = saythx-frontend.work.svc.cluster.local');
    expect(await inClient('wget -qO- http://saythx-frontend.work/')).toContain('say thanks');
    expect(await inClient('wget -qO- http://saythx-backend.work.svc:8080/healthz')).toBe('ok\n');
  });

  it('does its work: the worker finds redis by name and counts', async () => {
    const port = await nodePort('saythx-frontend');
    for (const who of ['ann', 'bob', 'cy']) expect(await get(`http://127.0.0.1:${port}/api/say?who=${who}`, 'POST')).toBe('200 accepted');
    await eventually('all three are counted', async () => (await get(`http://127.0.0.1:${port}/api/done`)) === '200 $1\r\n3');
    const log = await k('-n work logs deploy/saythx-work');
    expect(log).toContain('worker is connected to saythx-redis:6379');
    for (const who of ['ann', 'bob', 'cy']) expect(log).toContain(`worked on ${who}`);
  });

  it('goes on when redis is replaced', async () => {
    const port = await nodePort('saythx-frontend');
    await k('-n work delete pod -l app=redis');
    await k('-n work rollout status deploy/saythx-redis --timeout=60s');
    const before = (await k('-n work get pod -l app=work -o name')).trim();
    await k('-n work rollout restart deploy/saythx-work');
    await k('-n work rollout status deploy/saythx-work --timeout=60s');
    // What redis hands to a worker that is ending is lost: the queue knows no receipts.
    await k(`-n work wait --for=delete ${before} --timeout=60s`);
    await eventually('a request is taken', async () => (await get(`http://127.0.0.1:${port}/api/say?who=dee`, 'POST')) === '200 accepted');
    await eventually('and counted', async () => (await get(`http://127.0.0.1:${port}/api/done`)) === '200 $1\r\n1');
  });
}
