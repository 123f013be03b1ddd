/** An API server, a kubelet with its server and a containerd, put together without the rest of a cluster, for upstream's kubectl. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Registry as MetricsRegistry } from 'prom-client';
import { kinds, type Pod, Pod as PodResource, ServiceAccount } from '../../src/api/index.ts';
import { createClient, formatKubeconfig, httpsTransport } from '../../src/client/index.ts';
import { createKubelet, createKubeletServer, readMachine } from '../../src/kubelet/index.ts';
import { ensurePki } from '../../src/pki/index.ts';
import { connectCriRuntime, defaultOciRuntime, pauseImageName, startContainerd } from '../../src/runtime/index.ts';
import { createClusterApiServer, parseIpRange, parsePortRange } from '../../src/server/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { systemClock as clock, systemRandom as random } from '../../src/time/index.ts';
import { buildImage, saveImage } from '../support/images.ts';
import { eventually, freePort } from '../support/wait.ts';

const nodeName = 'node-1';
export const image = 'docker.io/library/tools:1';

export async function startStreamingCluster() {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-streaming-'));
  const logger = pino({ level: process.env.LOG_LEVEL ?? 'silent' });
  const stop = new AbortController();
  const bridge = `ks${process.pid % 100_000}`;
  const net = join(dir, 'net.d');
  mkdirSync(net);
  const ipam = { type: 'host-local', dataDir: join(dir, 'ipam'), ranges: [[{ subnet: '10.253.9.0/24' }]] };
  const plugins = [{ type: 'bridge', bridge, isGateway: true, ipam }];
  writeFileSync(join(net, '10-test.conflist'), JSON.stringify({ cniVersion: '1.0.0', name: bridge, plugins }));

  const [pki, containerd] = await Promise.all([
    ensurePki(join(dir, 'pki'), {
      now: clock.now(),
      nodes: [nodeName],
      servers: [{ file: 'kubelet-server', commonName: `system:node:${nodeName}`, ipAddresses: ['127.0.0.1'] }],
    }),
    startContainerd(
      {
        dir,
        stateDir: join(dir, 'run'),
        cniBinDir: '/usr/lib/cni',
        cniConfDir: net,
        ociRuntime: defaultOciRuntime(),
        sandboxImage: pauseImageName,
        registryMirrors: {},
      },
      { clock, logger, logFile: join(dir, 'containerd.log') },
    ),
  ]);
  const archive = join(dir, 'tools.tar');
  saveImage(buildImage({ programs: {}, entrypoint: ['/bin/sh'] }), image, archive);
  const [runtime] = await Promise.all([connectCriRuntime({ endpoint: containerd.endpoint, clock }), containerd.importImages(archive)]);

  const certificate = (file: string) => {
    const found = pki.clients[file] ?? pki.servers[file];
    if (found === undefined) throw new Error(`no certificate ${file}`);
    return { cert: found.certificate, key: found.key };
  };
  const server = await createClusterApiServer({
    store: openMemoryStore(),
    clock,
    random,
    logger,
    metrics: new MetricsRegistry(),
    kinds,
    tls: { cert: pki.apiserver.certificate, key: pki.apiserver.key, clientCa: pki.ca.certificate },
    bindAddress: '127.0.0.1',
    authentication: {
      issuers: ['https://kubernetes.default.svc'],
      signingKey: pki.serviceAccount.privateKey,
      publicKey: pki.serviceAccount.publicKey,
      clientCa: pki.ca.certificate,
    },
    services: { ranges: [parseIpRange('10.96.0.0/16')], ports: parsePortRange('30000-32767') },
    advertise: { address: '192.0.2.1', port: 6443 },
    kubelets: { ca: pki.ca.certificate, ...certificate('apiserver-kubelet-client') },
  });
  const { port: apiPort } = await server.listen();
  await server.bootstrap();
  const admin = createClient(server.localTransport({ name: 'admin', groups: ['system:masters', 'system:authenticated'] }));
  await admin.create(ServiceAccount, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } }, { namespace: 'default' });

  const client = createClient(
    httpsTransport({ server: `https://127.0.0.1:${apiPort}`, ca: pki.ca.certificate, ...certificate(`kubelet-${nodeName}`) }),
  );
  const port = await freePort();
  const machine = await readMachine(dir);
  const metrics = new MetricsRegistry();
  const kubelet = createKubelet({
    nodeName,
    client,
    runtime,
    clock,
    random,
    logger,
    machine,
    registry: metrics,
    rootDir: join(dir, 'kubelet'),
    nodeIPs: ['127.0.0.1'],
    config: { podLogsDir: join(dir, 'pod-logs'), port },
  });
  const kubeletServer = createKubeletServer({
    kubelet,
    runtime,
    client,
    machine,
    tls: { ...certificate('kubelet-server'), clientCa: pki.ca.certificate },
    address: '127.0.0.1',
    port,
    healthzPort: 0,
    metrics,
    clock,
    logger,
  });
  await kubeletServer.listen();
  const running = kubelet.run(stop.signal);
  await Promise.race([kubelet.registered, running]);

  const kubeconfig = join(dir, 'kubeconfig');
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const { cert, key } = certificate('admin');
  writeFileSync(
    kubeconfig,
    formatKubeconfig({
      name: 'test',
      cluster: { server: `https://127.0.0.1:${apiPort}`, 'certificate-authority-data': base64(pki.ca.certificate) },
      user: { 'client-certificate-data': base64(cert), 'client-key-data': base64(key) },
    }),
  );

  return {
    admin,
    kubelet,
    server,
    apiUrl: `https://127.0.0.1:${apiPort}`,
    kubeletUrl: `https://127.0.0.1:${port}`,
    tls: { ca: pki.ca.certificate, ...certificate('admin') },
    ca: pki.ca.certificate,
    env: { ...process.env, KUBECONFIG: kubeconfig, HOME: dir },
    kubeletServer,
    /** Runs a shell script in a pod of one container, and waits until it is in the phase. */
    async pod(name: string, script: string, phase = 'Running', more: Partial<Pod['spec']['containers'][number]> = {}): Promise<Pod> {
      await admin.create(
        PodResource,
        {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name },
          spec: {
            nodeName,
            restartPolicy: 'Never',
            automountServiceAccountToken: false,
            terminationGracePeriodSeconds: 0,
            containers: [{ name: 'main', image, imagePullPolicy: 'Never', command: ['/bin/sh', '-c', script], ...more }],
          },
        },
        { namespace: 'default' },
      );
      return eventually(`${name} is ${phase}`, async () => {
        const pod = await admin.get(PodResource, name, { namespace: 'default' });
        return pod.status?.phase === phase ? pod : undefined;
      });
    },
    async stop() {
      for (const pod of (await admin.list(PodResource)).items)
        await admin.delete(PodResource, pod.metadata.name, { namespace: pod.metadata.namespace, gracePeriodSeconds: 0 });
      await eventually('no sandbox is left', async () => ((await runtime.listPodSandbox({})).items ?? []).length === 0);
      stop.abort();
      await running;
      await kubeletServer.close();
      await client.close();
      await server.close();
      await runtime.close();
      await containerd.stop();
      execFileSync('ip', ['link', 'delete', bridge]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
