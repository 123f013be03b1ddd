import { expect, it } from 'vitest';
import type { EndpointSliceList, Service } from '../../../src/api/index.ts';
import { run } from '../../support/cluster.ts';
import { eventually } from '../../support/wait.ts';
import { inClient, json, jsonpath, k, tryK, walk } from '../walk.ts';

async function readyAddresses(service: string): Promise<string[]> {
  const { items } = await json<EndpointSliceList>(`get endpointslices -l kubernetes.io/service-name=${service}`);
  return items.flatMap((slice) => slice.endpoints?.filter((e) => e.conditions?.ready).flatMap((e) => e.addresses) ?? []).sort();
}

const podAddresses = async (selector: string) =>
  (await jsonpath(`get pods -l ${selector} --field-selector status.phase=Running`, '{.items[*].status.podIP}'))
    .split(' ')
    .filter(Boolean)
    .sort();

async function hostNames(url: string, times: number): Promise<Set<string>> {
  const { stdout } = await run('sh', ['-c', `for i in $(seq ${times}); do curl -s -m 2 ${url}; done`]);
  return new Set(stdout.trim().split('\n'));
}

export function serviceSteps(): void {
  it('exposes a pod under a ClusterIP', async () => {
    expect(await k('expose pod redis --port=6379 --target-port=6379 --name=redis-server')).toBe('service/redis-server exposed\n');
    const service = await json<Service>('get svc redis-server');
    expect(service.spec).toMatchObject({ type: 'ClusterIP', selector: { run: 'redis' }, ports: [{ port: 6379, targetPort: 6379 }] });
    await eventually('redis answers by its service name', async () =>
      (await inClient('printf "PING\\r\\n" | nc -w 1 redis-server 6379')).includes('+PONG'),
    );
    expect(await k('describe svc redis-server')).toMatch(/Endpoints:\s+10\.244\.0\.\d+:6379/);
    expect(await k('get endpoints redis-server --no-headers')).toMatch(/redis-server\s+10\.244\.0\.\d+:6379/);
  });

  it('exposes a deployment on a node port', async () => {
    await k('expose deploy web --type=NodePort --name=web-port');
    const port = await jsonpath('get svc web-port', '{.spec.ports[0].nodePort}');
    expect(Number(port)).toBeGreaterThanOrEqual(30000);
    expect(Number(port)).toBeLessThanOrEqual(32767);
    await eventually('all three pods answer', async () => (await hostNames(`http://127.0.0.1:${port}/`, 30)).size === 3);
    expect((await tryK(`create service nodeport taken --tcp=80 --node-port=${port}`)).stderr).toContain(
      'provided port is already allocated',
    );
  });

  it('lets endpoints follow pods within a second or so', async () => {
    expect(await readyAddresses('web')).toEqual(await podAddresses('app=web'));
    await k('scale deploy web --replicas=1');
    await eventually('one endpoint is left', async () => (await readyAddresses('web')).length === 1);
    await k('scale deploy web --replicas=3');
    await eventually('three are back', async () => (await readyAddresses('web')).length === 3);
    await k('rollout status deploy web --timeout=30s');
    await eventually('they are the pods', async () => String(await readyAddresses('web')) === String(await podAddresses('app=web')), 5000);
  });

  it('refuses connections to a service without endpoints', async () => {
    await k('create service clusterip nobody --tcp=80');
    const ip = await jsonpath('get svc nobody', '{.spec.clusterIP}');
    await eventually('curl is refused', async () => (await run('curl', ['-s', '-m', '2', `http://${ip}/`])).code === 7);
    await k('delete svc nobody');
  });

  it('sends a client to the same pod with session affinity', async () => {
    const ip = await jsonpath('get svc web', '{.spec.clusterIP}');
    await eventually('requests are spread', async () => (await hostNames(`http://${ip}/`, 20)).size === 3);
    await k('patch svc web -p', '{"spec":{"sessionAffinity":"ClientIP"}}');
    await eventually('they go to one', async () => (await hostNames(`http://${ip}/`, 20)).size === 1);
  });

  it("answers a headless service's name with its pods, and an ExternalName's with a CNAME", async () => {
    await k('expose deploy web --cluster-ip=None --name=web-pods');
    await eventually('DNS answers with all pods', async () => {
      const answer = await inClient('nslookup web-pods.default.svc.cluster.local');
      return (await podAddresses('app=web')).every((address) => answer.includes(`Address: ${address}`));
    });
    await k('create service externalname elsewhere --external-name=web.default.svc.cluster.local');
    await eventually('the CNAME leads to the service', async () =>
      (await inClient('wget -qO- http://elsewhere.default.svc.cluster.local/')).startsWith('web-'),
    );
  });

  it("writes upstream's chains", async () => {
    const rules = (await run('iptables-save', ['-t', 'nat'])).stdout;
    expect(rules).toMatch(/-A KUBE-SERVICES .*--comment "default\/web cluster IP".* -j KUBE-SVC-/);
    expect(rules).toMatch(/-A KUBE-NODEPORTS .*--comment "?default\/web-port"? .*-j KUBE-EXT-/);
    expect(rules).toMatch(/-A KUBE-SEP-\w+ .*-j DNAT --to-destination 10\.244\.0\.\d+:80/);
    await k('delete svc web-port web-pods elsewhere');
    await eventually('rules of a deleted service go', async () => !(await run('iptables-save', ['-t', 'nat'])).stdout.includes('web-port'));
    expect(walk.nodeAddress).toBeTruthy();
  });
}
