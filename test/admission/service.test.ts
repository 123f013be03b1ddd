import { createServer } from 'node:https';
import { type AddressInfo, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type admissionregistrationV1,
  ConfigMap,
  EndpointSlice,
  Secret,
  Service,
  ValidatingWebhookConfiguration,
} from '../../src/api/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let api: TestApiServer;
beforeEach(async () => {
  api = await startApiServer({ dnsNames: ['hooks.default.svc'] });
});
afterEach(() => api.close());

/** Endpoints may not be on loopback. */
const address = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find((i) => !i.internal && isIPv4(i.address))?.address;

test.skipIf(address === undefined)('a webhook behind a Service is reached at its endpoints, under the name of the Service', async () => {
  const { certificate: cert, key } = api.pki.apiserver;
  const seen: (string | undefined)[] = [];
  const connections = new Set<number | undefined>();
  const server = createServer({ cert, key }, (request, response) => {
    seen.push(`${request.headers.host}${request.url}`);
    connections.add(request.socket.remotePort);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { request: asked } = JSON.parse(Buffer.concat(chunks).toString()) as { request: { uid: string } };
      const response_ = { uid: asked.uid, allowed: false, status: { message: 'reached' } };
      response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: response_ }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const namespace = 'default';
    const configure = (name: string, clientConfig: admissionregistrationV1.WebhookClientConfig, resource: string) =>
      api.admin.create(ValidatingWebhookConfiguration, {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingWebhookConfiguration',
        metadata: { name },
        webhooks: [
          {
            name: `${name}.example.com`,
            clientConfig,
            rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['*'], resources: [resource] }],
            sideEffects: 'None',
            admissionReviewVersions: ['v1'],
          },
        ],
      });
    const caBundle = Buffer.from(api.pki.ca.certificate).toString('base64');
    await configure('svc', { service: { namespace, name: 'hooks', path: '/check' }, caBundle }, 'configmaps');
    // What it asks itself needs no address.
    await configure('itself', { service: { namespace, name: 'kubernetes', path: '/nowhere' } }, 'secrets');
    await expect
      .poll(() => api.admin.create(Secret, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } }, { namespace }).catch(String))
      .toContain('"itself.example.com": failed to call webhook: the server could not find the requested resource');
    let drafts = 0;
    const outcome = () =>
      api.admin.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `c${drafts++}` } }, { namespace }).then(
        () => 'created',
        (error: Error) => error.message,
      );
    await expect
      .poll(outcome)
      .toBe(
        'Internal error occurred: failed calling webhook "svc.example.com": failed to call webhook: Post "https://hooks.default.svc:443/check?timeout=10s": service "hooks" not found',
      );
    await api.admin.create(
      Service,
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 'hooks' }, spec: { ports: [{ port: 443, targetPort: port }] } },
      { namespace },
    );
    expect(await outcome()).toContain('no endpoints available for service "hooks"');
    await api.admin.create(
      EndpointSlice,
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: 'hooks', labels: { 'kubernetes.io/service-name': 'hooks' } },
        addressType: 'IPv4',
        endpoints: [{ addresses: [address ?? ''] }],
        ports: [{ name: '', port }],
      },
      { namespace },
    );
    await expect.poll(outcome).toBe('admission webhook "svc.example.com" denied the request: reached');
    for (let i = 0; i < 5; i++) expect(await outcome()).toContain('reached');
    expect(new Set(seen)).toEqual(new Set(['hooks.default.svc:443/check?timeout=10s']));
    // One after the other, they share a connection.
    expect(connections.size).toBe(1);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
