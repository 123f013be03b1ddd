/** What the components beside the API server tell of themselves, asked as a monitoring system and as kubectl ask. */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startCluster, type TestCluster } from '../support/cluster.ts';

let cluster: TestCluster;
let ports: { scheduler: number; controllerManager: number };

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

const pem = (file: string) => readFileSync(join(cluster.dataDir, 'pki', file), 'utf8');

interface Reply {
  status: number;
  body: string;
  warning?: string;
}

function get(port: number, path: string, options: { admin?: boolean; token?: string; accept?: string } = {}): Promise<Reply> {
  const { admin = false, token, accept } = options;
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host: '127.0.0.1',
        port,
        path,
        agent: false,
        // The certificate is the cluster's own and can be checked.
        ca: pem('ca.crt'),
        ...(admin ? { cert: pem('admin.crt'), key: pem('admin.key') } : {}),
        headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...(accept === undefined ? {} : { accept }) },
      },
      (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.on('end', () => {
          const { warning } = response.headers;
          resolve({ status: response.statusCode ?? 0, body, ...(typeof warning === 'string' ? { warning } : {}) });
        });
      },
    );
    asked.on('error', reject);
    asked.end();
  });
}

beforeAll(async () => {
  ports = { scheduler: await freePort(), controllerManager: await freePort() };
  cluster = await startCluster(
    ...['--runtime', 'hollow'],
    ...['--scheduler-arg', `secure-port=${ports.scheduler}`, '--controller-manager-arg', `secure-port=${ports.controllerManager}`],
    ...['--scheduler-arg', 'logging-format=text', '--scheduler-arg', 'v=3'],
    ...['--apiserver-arg', 'logging-format=json', '--apiserver-arg', 'v=3'],
  );
});
afterAll(() => cluster?.down());

it('lists the components as kubectl shows them', async () => {
  await expect
    .poll(async () =>
      (await cluster.kubectl('get', 'componentstatuses', '--no-headers')).split('\n').map((line) => line.split(/\s+/).slice(0, 3)),
    )
    .toEqual([['scheduler', 'Healthy', 'ok'], ['controller-manager', 'Healthy', 'ok'], ['etcd-0', 'Healthy', 'ok'], ['']]);
});

it('tells what pods ask for and may use, as the scheduler sees it', async () => {
  await cluster.kubectl('wait', '--for=create', 'sa/default', '--timeout=20s');
  const resources = { limits: { cpu: '1500m' }, requests: { cpu: '250m', memory: '64Mi' } };
  const overrides = { spec: { containers: [{ name: 'asks', image: 'nginx', resources }] } };
  await cluster.kubectl('run', 'asks', '--image=nginx', `--overrides=${JSON.stringify(overrides)}`);
  await cluster.kubectl('wait', '--for=condition=Ready', 'pod/asks', '--timeout=20s');
  const told = async () => (await get(ports.scheduler, '/metrics/resources', { admin: true })).body;
  const labels = (resource: string, unit: string) =>
    `{namespace="default",node="${node}",pod="asks",priority="0",resource="${resource}",scheduler="default-scheduler",unit="${unit}"}`;
  const node = (await cluster.kubectl('get', 'pod', 'asks', '-o', 'jsonpath={.spec.nodeName}')).trim();
  await expect.poll(told).toContain(`kube_pod_resource_request${labels('cpu', 'cores')} 0.25\n`);
  expect(await told()).toContain(`kube_pod_resource_request${labels('memory', 'bytes')} 6.7108864e+07\n`);
  expect(await told()).toContain(`kube_pod_resource_limit${labels('cpu', 'cores')} 1.5\n`);
  expect(await told()).not.toContain('registered_metrics_total');
  expect((await get(ports.controllerManager, '/metrics/resources', { admin: true })).status).toBe(404);
});

it('tells everybody how it is, and those who may, its metrics and configuration', async () => {
  for (const port of Object.values(ports)) {
    expect(await get(port, '/healthz?verbose')).toEqual({ status: 200, body: '[+]ping ok\nhealthz check passed\n' });
    expect((await get(port, '/livez')).body).toBe('ok');
    expect((await get(port, '/readyz')).body).toBe('ok');
    const refused = await get(port, '/metrics');
    expect(refused.status).toBe(403);
    expect(JSON.parse(refused.body).message).toBe('forbidden: User "system:anonymous" cannot get path "/metrics"');
    expect((await get(port, '/metrics', { token: 'nonsense' })).status).toBe(401);
    expect((await get(port, '/nowhere', { admin: true })).status).toBe(404);
  }
  const token = (await cluster.kubectl('create', 'token', 'default')).trim();
  expect((await get(ports.scheduler, '/metrics', { token })).status).toBe(403);
  await cluster.kubectl('create', 'clusterrole', 'scrape', '--verb=get', '--non-resource-url=/metrics');
  await cluster.kubectl('create', 'clusterrolebinding', 'scrape', '--clusterrole=scrape', '--serviceaccount=kube-system:default');
  const other = (await cluster.kubectl('create', 'token', 'default', '-n', 'kube-system')).trim();
  await expect.poll(async () => (await get(ports.scheduler, '/metrics', { token: other })).status).toBe(200);

  const scheduler = (await get(ports.scheduler, '/metrics', { admin: true })).body;
  expect(scheduler).toContain('# HELP scheduler_pending_pods [STABLE] Number of pending pods');
  expect(scheduler).not.toContain('workqueue_');
  const manager = (await get(ports.controllerManager, '/metrics', { admin: true })).body;
  for (const text of [scheduler, manager])
    expect(text).toMatch(/^rest_client_requests_total\{code="200",host="127\.0\.0\.1:\d+",method="GET"\} \d+$/m);
  expect(manager).toContain('workqueue_adds_total{name="');
  expect(JSON.parse((await get(ports.controllerManager, '/configz', { admin: true })).body)).toMatchObject({
    'kubecontrollermanager.config.k8s.io': { Generic: { Controllers: ['*'], LeaderElection: { LeaderElect: false } } },
  });
});

it('tells monitoring systems its status and flags, as text and as objects', async () => {
  const url = new URL(/server: (\S+)/.exec(await cluster.kubectl('config', 'view', '--minify'))?.[1] ?? '');
  await cluster.kubectl('create', 'clusterrolebinding', 'monitor', '--clusterrole=system:monitoring', '--serviceaccount=default:default');
  const token = (await cluster.kubectl('create', 'token', 'default')).trim();
  const components = [
    {
      component: 'apiserver',
      port: Number(url.port),
      paths: ['/flagz', '/healthz', '/livez', '/metrics', '/readyz', '/statusz', '/version'],
      flag: 'v',
    },
    {
      component: 'kube-scheduler',
      port: ports.scheduler,
      paths: ['/configz', '/flagz', '/healthz', '/livez', '/metrics', '/readyz'],
      flag: 'v',
    },
    {
      component: 'kube-controller-manager',
      port: ports.controllerManager,
      paths: ['/configz', '/flagz', '/healthz', '/livez', '/metrics', '/readyz'],
      flag: 'secure-port',
    },
  ];
  const as = (kind: string, version: string, type = 'application/json') => `${type};g=config.k8s.io;v=${version};as=${kind}`;
  for (const { component, port, paths, flag } of components) {
    expect((await get(port, '/statusz')).status).toBe(403);
    await expect.poll(async () => (await get(port, '/statusz', { token })).status, { timeout: 20_000 }).toBe(200);
    const text = (await get(port, '/statusz', { token })).body;
    expect(text).toMatch(
      new RegExp(
        `^\\n${component} statusz\\nWarning: This endpoint is not meant to be machine parseable, .*\\n\\nStarted[:= ]+\\w{3} \\w{3} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d UTC \\d{4}\\nUp[:= ]+0 hr 0\\d min \\d\\d sec\\nGo version[:= ]+node v[\\d.]+\\nBinary version[:= ]+1\\.36\\.`,
      ),
    );
    const status = await get(port, '/statusz', { token, accept: as('Statusz', 'v1beta1') });
    expect(JSON.parse(status.body)).toEqual({
      kind: 'Statusz',
      apiVersion: 'config.k8s.io/v1beta1',
      metadata: { name: component },
      startTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      uptimeSeconds: expect.any(Number),
      goVersion: expect.stringMatching(/^node v/),
      binaryVersion: expect.stringMatching(/^1\.36\./),
      emulationVersion: '1.36',
      paths: expect.arrayContaining(paths),
    });
    expect(status.warning).toBeUndefined();
    const older = await get(port, '/statusz', { token, accept: as('Statusz', 'v1alpha1', 'application/yaml') });
    expect(older.body).toMatch(/^apiVersion: config\.k8s\.io\/v1alpha1\n(.*\n)*kind: Statusz\n/);
    expect(older.warning).toBe('299 - "This version of the statusz endpoint is deprecated. Please use a newer version."');
    for (const accept of ['application/json', as('Flagz', 'v1beta1'), as('Statusz', 'v1'), 'text/html']) {
      const refused = await get(port, '/statusz', { token, accept });
      expect([accept, refused.status]).toEqual([accept, 406]);
      expect(JSON.parse(refused.body).message).toBe(
        'only the following media types are accepted: application/json, application/yaml, text/plain',
      );
    }
    expect((await get(port, '/statusz', { token, accept: '*/*' })).body).toContain(`${component} statusz`);
    expect((await get(port, '/flagz', { token })).body).toMatch(
      new RegExp(`^\\n${component} flagz\\nWarning: .*\\n(.+\\n)*v[:= ]+[03]\\n`),
    );
    const flags = JSON.parse((await get(port, '/flagz', { token, accept: as('Flagz', 'v1beta1') })).body);
    expect(flags).toMatchObject({ kind: 'Flagz', metadata: { name: component }, flags: { [flag]: expect.stringMatching(/^\d+$/) } });
  }
});

it('logs as it is told to', () => {
  const lines = readFileSync(join(cluster.dataDir, 'logs', 'control-plane.log'), 'utf8').split('\n');
  expect(
    lines.find((line) =>
      /^I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ kube-scheduler\.ts:1\] "HTTP" verb="GET" URI="\/metrics" latency="[\d.]+(µs|ms|s)" .*resp=200$/.test(
        line,
      ),
    ),
  ).toBeDefined();
  const listed = lines.find((line) => line.includes('componentstatuses'));
  expect(JSON.parse(listed ?? '')).toMatchObject({ caller: 'kube-apiserver.ts:1', msg: 'HTTP', v: 3, verb: 'LIST', resp: 200 });
});
