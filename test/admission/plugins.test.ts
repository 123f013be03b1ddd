/** Admission plugins that are off by default, turned on in a server, as kubectl meets them. */
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensurePki } from '../../src/pki/index.ts';
import { openKubeconfigWebhook } from '../../src/server/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let server: TestApiServer;
let policy: Server;
/** What it has been asked, with who asked. */
const asked: { by: string | undefined; review: { spec: { containers: { image: string }[]; namespace: string } } }[] = [];

beforeAll(async () => {
  // Its certificate is of a cluster's, so that it is made as all are.
  const scratch = await startApiServer();
  const pki = await ensurePki(join(scratch.dir, 'policy'), { now: Date.now() });
  policy = createServer({ cert: pki.apiserver.certificate, key: pki.apiserver.key }, (request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      const review = JSON.parse(body);
      asked.push({ by: request.headers.authorization, review });
      const bad = review.spec.containers.some(({ image }: { image: string }) => image.startsWith('bad'));
      const status = bad ? { allowed: false, reason: 'bad images' } : { allowed: true };
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ ...review, status }));
    });
  });
  await new Promise<void>((resolve) => policy.listen(0, '127.0.0.1', resolve));
  const { port } = policy.address() as AddressInfo; // a TCP server's
  const file = join(scratch.dir, 'policy.kubeconfig');
  writeFileSync(
    file,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      clusters: [
        {
          name: 'k',
          cluster: {
            server: `https://127.0.0.1:${port}/images`,
            'certificate-authority-data': Buffer.from(pki.ca.certificate).toString('base64'),
          },
        },
      ],
      users: [{ name: 'u', user: { token: 'secret' } }],
      contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    }),
  );
  const webhook = await openKubeconfigWebhook(file);
  await scratch.close();
  server = await startApiServer({
    controllers: true,
    server: {
      admissionPlugins: {
        enable: ['NamespaceAutoProvision', 'ImagePolicyWebhook', 'PodTolerationRestriction'],
        imagePolicy: { webhook, allowTtlMs: 60_000, denyTtlMs: 0, retryBackoffMs: 10, defaultAllow: false },
        podTolerations: { default: [{ key: 'spot', operator: 'Exists' }] },
      },
    },
  });
});
afterAll(async () => {
  policy?.close();
  await server?.close();
});

it('a namespace comes with what is first made in it, but not with a trial', async () => {
  const configMap = (namespace: string, ...more: string[]) => ['create', 'configmap', 'c', '-n', namespace, ...more];
  const tried = await server.kubectl(configMap('tried', '--dry-run=server'));
  expect(tried).toMatchObject({ code: 1, stderr: expect.stringContaining('namespaces "tried" not found') });
  expect((await server.kubectl(configMap('fresh'))).code).toBe(0);
  expect((await server.kubectl(['get', 'namespace', 'fresh', '-o', 'jsonpath={.status.phase} {.metadata.labels}'])).stdout).toBe(
    'Active {"kubernetes.io/metadata.name":"fresh"}',
  );
});

it('images are asked about, pods tolerate what their cluster says', async () => {
  const run = (image: string) => server.kubectl(['run', 'p', `--image=${image}`, '-n', 'default']);
  await expect.poll(async () => (await server.kubectl(['get', 'serviceaccount', 'default'])).code).toBe(0);
  const refused = await run('bad/image');
  expect(refused.stderr).toBe(
    'Error from server (Forbidden): pods "p" is forbidden: image policy webhook backend denied one or more images: bad images\n',
  );
  expect((await run('good/image')).code).toBe(0);
  expect(asked.map(({ by, review }) => [by, review.spec])).toEqual([
    ['Bearer secret', { containers: [{ image: 'bad/image' }], namespace: 'default' }],
    ['Bearer secret', { containers: [{ image: 'good/image' }], namespace: 'default' }],
  ]);
  const { stdout } = await server.kubectl(['get', 'pod', 'p', '-o', 'jsonpath={.spec.tolerations[*].key}']);
  expect(stdout.split(' ')).toContain('spot');
  policy.closeAllConnections();
  await new Promise((resolve) => policy.close(resolve));
  expect((await run('other/image')).stderr).toMatch(
    /^Error from server \(Forbidden\): pods "p" is forbidden: Post "https:\/\/127\.0\.0\.1:\d+\/images": dial tcp 127\.0\.0\.1:\d+: connect: connection refused\n$/,
  );
});
