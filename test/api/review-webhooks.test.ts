/** A server that asks others whose a token is and who may do what. */
import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { authorizationOptions, tokenWebhookOptions } from '../../src/cluster/authorization-flags.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

interface Review {
  kind: string;
  apiVersion: string;
  spec: {
    token?: string;
    user?: string;
    group?: string[];
    resourceAttributes?: { verb: string; name?: string };
    nonResourceAttributes?: object;
  };
}

const file = join(tmpdir(), `k8ts-reviews-${process.pid}.kubeconfig`);
let others: Server;
let server: TestApiServer;
let asked: Review[];
/** Refuses so often before it answers. */
let failing = 0;

function statusOf({ kind, spec }: Review): object {
  if (kind === 'TokenReview') {
    if (spec.token === 'broken') return { authenticated: false, error: 'the token is broken' };
    if (spec.token !== 'jane-token') return { authenticated: false };
    return { authenticated: true, user: { username: 'jane', uid: '42', groups: ['devs'], extra: { team: ['a'] } } };
  }
  if (spec.user !== 'jane') return { allowed: false };
  const { verb } = spec.resourceAttributes ?? {};
  return verb === 'delete' ? { allowed: false, denied: true, reason: 'nobody deletes' } : { allowed: verb === 'get' || verb === 'list' };
}

beforeEach(() => {
  asked = [];
});
beforeAll(async () => {
  others = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      if (failing-- > 0) return response.writeHead(500).end('not now');
      const review = JSON.parse(body) as Review;
      asked.push(review);
      return response.setHeader('content-type', 'application/json').end(JSON.stringify({ ...review, status: statusOf(review) }));
    });
  });
  await new Promise<void>((resolve) => others.listen(0, '127.0.0.1', resolve));
  const { port } = others.address() as AddressInfo; // a TCP server's
  writeFileSync(
    file,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      clusters: [{ name: 'k', cluster: { server: `http://127.0.0.1:${port}/review` } }],
      users: [{ name: 'u', user: {} }],
      contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    }),
  );
  const { authorization } = await authorizationOptions({
    'authorization-mode': 'Webhook,RBAC',
    'authorization-webhook-config-file': file,
    'authorization-webhook-cache-unauthorized-ttl': '0s',
  });
  server = await startApiServer({
    authentication: await tokenWebhookOptions({
      'authentication-token-webhook-config-file': file,
      'authentication-token-webhook-version': 'v1',
    }),
    server: { authorization },
  });
});
afterAll(async () => {
  await server?.close();
  others?.close();
  rmSync(file, { force: true });
});

const as = (token: string, method: string, path: string, body?: string) =>
  server.http(method, path, body, { authorization: `Bearer ${token}` }, { cert: undefined, key: undefined });
const namespaces = '/api/v1/namespaces';

it('takes its user from the token webhook, and what they may from the other', async () => {
  const review = await as('jane-token', 'GET', `${namespaces}/default`);
  expect(review.status).toBe(200);
  expect(asked).toMatchObject([
    {
      kind: 'TokenReview',
      apiVersion: 'authentication.k8s.io/v1',
      spec: { token: 'jane-token', audiences: ['https://kubernetes.default.svc.cluster.local'] },
    },
    {
      kind: 'SubjectAccessReview',
      apiVersion: 'authorization.k8s.io/v1beta1',
      spec: {
        user: 'jane',
        uid: '42',
        group: ['devs', 'system:authenticated'],
        extra: { team: ['a'] },
        resourceAttributes: { namespace: 'default', verb: 'get', version: 'v1', resource: 'namespaces', name: 'default' },
      },
    },
  ]);
  // Both are remembered.
  await as('jane-token', 'GET', `${namespaces}/default`);
  expect(asked).toHaveLength(2);
  // What is asked in very long words is not.
  const values = Array.from({ length: 2000 }, (_, i) => `value${i}`);
  for (const times of [3, 4]) {
    expect((await as('jane-token', 'GET', `${namespaces}?labelSelector=${encodeURIComponent(`a in (${values})`)}`)).status).toBe(200);
    expect(asked).toHaveLength(times);
  }
});

it('is refused by the webhook, or left to the next', async () => {
  const denied = await as('jane-token', 'DELETE', `${namespaces}/kube-public`);
  expect(JSON.parse(denied.body).message).toBe(
    'namespaces "kube-public" is forbidden: User "jane" cannot delete resource "namespaces" in API group "" in the namespace "kube-public": nobody deletes',
  );
  const create = () => as('jane-token', 'POST', namespaces, '{"metadata":{"name":"n"}}');
  expect((await create()).status).toBe(403);
  const binding = {
    metadata: { name: 'devs' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: 'devs' }],
  };
  await server.http('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', JSON.stringify(binding));
  await expect.poll(async () => (await create()).status).toBe(201);
  expect((await as('jane-token', 'GET', '/metrics')).status).toBe(200);
  expect(asked.at(-1)?.spec.nonResourceAttributes).toEqual({ path: '/metrics', verb: 'get' });
});

it('refuses tokens that nobody knows, and asks again where that may help', async () => {
  expect((await as('unknown', 'GET', namespaces)).status).toBe(401);
  expect((await as('broken', 'GET', namespaces)).status).toBe(401);
  failing = 2;
  expect((await as('jane-token', 'GET', `${namespaces}/kube-system`)).status).toBe(200);
  // The administrator is not asked about.
  const before = asked.length;
  expect((await server.http('GET', namespaces)).status).toBe(200);
  expect(asked).toHaveLength(before);
});
