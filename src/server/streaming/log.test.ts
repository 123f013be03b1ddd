import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Node, Pod } from '../../api/index.ts';
import { ensurePki, type Pki } from '../../pki/index.ts';
import { seededRandom, systemClock } from '../../time/index.ts';
import { openTestServer, type TestServer } from '../testing/test-server.ts';
import { type Streaming, streamingHandlers } from './index.ts';

let dir: string;
let pki: Pki;
let kubelet: Server;
const closing: { close(): unknown }[] = [];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8ts-log-'));
  pki = await ensurePki(dir, { now: systemClock.now() });
  kubelet = createServer({ cert: pki.apiserver.certificate, key: pki.apiserver.key }, (_, response) => response.end('said\n'));
  await new Promise<void>((resolve) => kubelet.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  for (const each of closing.reverse()) await each.close();
  kubelet.close();
  await rm(dir, { recursive: true });
});

/** An API server with a pod on the kubelet's node; `ca`: whom it trusts to know kubelets. */
async function serve(ca: string): Promise<{ server: TestServer; streaming: Streaming; metrics: Registry }> {
  const metrics = new Registry();
  const server = await openTestServer();
  closing.push(server);
  const { certificate: cert, key } = pki.apiserver;
  const dependencies = { storageOf: server.server.storageOf, kubeletTls: { ca, cert, key }, random: seededRandom(1) };
  const streaming = streamingHandlers({ ...dependencies, metrics });
  closing.push(streaming);
  for (const handler of streaming.handlers) server.server.addHandler(handler);
  const { port } = kubelet.address() as AddressInfo; // it listens
  const status = { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: port } } };
  await server.admin.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, status } as never);
  const spec = { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] };
  await server.admin.create(Pod, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'default' }, spec } as never);
  return { server, streaming, metrics };
}

const ask = async ({ server }: TestServer, query: string): Promise<string> => {
  const transport = server.localTransport({ name: 'admin', groups: ['system:masters'] });
  const { status, body } = await transport.request({
    method: 'GET',
    path: '/api/v1/namespaces/default/pods/p/log',
    query: new URLSearchParams(query),
  });
  return `${status} ${body instanceof Uint8Array || typeof body === 'string' ? body.toString() : JSON.stringify(body)}`;
};

test('logs come of a kubelet that is verified, or of any for who does not mind', async () => {
  const stranger = await mkdtemp(join(tmpdir(), 'k8ts-log-'));
  try {
    const others = await ensurePki(stranger, { now: systemClock.now() });
    const trusting = await serve(pki.ca.certificate);
    expect(await ask(trusting.server, '')).toContain('said');
    const { server, metrics } = await serve(others.ca.certificate);
    await expect(ask(server, '').then((answer) => Promise.reject(new Error(answer)))).rejects.toThrow('tls: failed to verify certificate');
    expect(await ask(server, 'insecureSkipTLSVerifyBackend=true')).toContain('said');
    const told = await metrics.metrics();
    expect(told).toContain('kube_apiserver_pod_logs_insecure_backend_total{usage="enforce_tls"} 1');
    expect(told).toContain('kube_apiserver_pod_logs_insecure_backend_total{usage="skip_tls_allowed"} 1');
    expect(told).toContain('kube_apiserver_pod_logs_backend_tls_failure_total 1');
  } finally {
    await rm(stranger, { recursive: true });
  }
});
