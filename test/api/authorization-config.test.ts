/** A server whose authorizers are those of a file (--authorization-config), which it follows. */
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { parseAuthorizationConfiguration } from '../../src/cluster/authorization-configuration.ts';
import { followConfiguration } from '../../src/server/index.ts';
import { systemClock as clock } from '../../src/time/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

interface Review {
  apiVersion: string;
  spec: {
    user: string;
    groups?: string[];
    resourceAttributes?: { verb: string; namespace?: string; resource?: string; fieldSelector?: object; labelSelector?: object };
  };
}

let webhook: Server;
let server: TestApiServer;
let asked: Review[] = [];
let answer: { status: number; body: object };
const stop = new AbortController();
const followed = new Registry();

beforeEach(() => {
  asked = [];
  answer = { status: 200, body: { allowed: true } };
});

const kubeconfig = () => join(server.dir, 'webhook.kubeconfig');
const configFile = () => join(server.dir, 'authorization.yaml');
const configuration = (failurePolicy: string, ...expressions: string[]) =>
  JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AuthorizationConfiguration',
    authorizers: [
      {
        type: 'Webhook',
        name: 'example.com',
        webhook: {
          timeout: '5s',
          cacheAuthorizedRequests: false,
          cacheUnauthorizedRequests: false,
          subjectAccessReviewVersion: 'v1',
          matchConditionSubjectAccessReviewVersion: 'v1',
          failurePolicy,
          connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: kubeconfig() },
          matchConditions: expressions.map((expression) => ({ expression })),
        },
      },
      { type: 'Node', name: 'node' },
      { type: 'RBAC', name: 'rbac' },
    ],
  });

beforeAll(async () => {
  webhook = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      const review = JSON.parse(body) as Review;
      asked.push(review);
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify({ ...review, status: answer.body }));
    });
  });
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
  const { port } = webhook.address() as AddressInfo; // a TCP server's
  server = await startApiServer();
  writeFileSync(
    kubeconfig(),
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      clusters: [{ name: 'k', cluster: { server: `http://127.0.0.1:${port}/review` } }],
      contexts: [{ name: 'c', context: { cluster: 'k', user: '' } }],
    }),
  );
  // It begins as it would with a file that names these two.
  const text = configuration('Deny').replace(/\{"type":"Webhook".*?\}\},/, '');
  writeFileSync(configFile(), text);
  followConfiguration({
    ...{ file: configFile(), subject: 'authorization', text, clock, metrics: followed, serverId: 'test', signal: stop.signal },
    logger: pino({ level: 'silent' }),
    apply: async (next) => server.server.authorizeBy(await parseAuthorizationConfiguration(next, ['Node', 'RBAC'])),
  });
});
afterAll(async () => {
  stop.abort();
  await server?.close();
  webhook?.close();
});

const reloads = async (status: string): Promise<number> => {
  const { values } = (await followed.getSingleMetric('apiserver_authorization_config_controller_automatic_reloads_total')?.get()) ?? {};
  return values?.find(({ labels }) => labels.status === status)?.value ?? 0;
};
/** Changes the file and waits until the server goes by it. */
async function configure(text: string, status = 'success'): Promise<void> {
  const before = await reloads(status);
  writeFileSync(configFile(), text);
  await expect.poll(() => reloads(status), { timeout: 5000 }).toBe(before + 1);
}

const as = (user: string, method: string, path: string) =>
  server.http(method, path, undefined, { 'impersonate-user': user, 'impersonate-group': 'devs' });
const pods = '/api/v1/namespaces/default/pods';
const metric = async (line: string) => {
  const { body } = await server.http('GET', '/metrics');
  return Number(
    body
      .split('\n')
      .find((each) => each.startsWith(`apiserver_authorization_${line} `))
      ?.split(' ')
      .at(-1) ?? 0,
  );
};

it('asks the webhook where all conditions hold, with selectors', async () => {
  expect((await as('jane', 'GET', pods)).status).toBe(403);
  expect(asked).toEqual([]);
  await configure(
    configuration(
      'Deny',
      'request.user != "joe" && !("admins" in request.groups)',
      'has(request.resourceAttributes)',
      'request.resourceAttributes.namespace == "default"',
    ),
  );
  expect((await as('jane', 'GET', `${pods}?labelSelector=app%3Dweb,tier%20in%20(a,b),!old&fieldSelector=spec.nodeName!%3Dn1`)).status).toBe(
    200,
  );
  expect(asked).toMatchObject([
    {
      apiVersion: 'authorization.k8s.io/v1',
      spec: {
        user: 'jane',
        groups: ['devs', 'system:authenticated'],
        resourceAttributes: {
          ...{ namespace: 'default', verb: 'list', version: 'v1', resource: 'pods' },
          fieldSelector: { requirements: [{ key: 'spec.nodeName', operator: 'NotIn', values: ['n1'] }] },
          labelSelector: {
            requirements: [
              { key: 'app', operator: 'In', values: ['web'] },
              { key: 'old', operator: 'DoesNotExist' },
              { key: 'tier', operator: 'In', values: ['a', 'b'] },
            ],
          },
        },
      },
    },
  ]);
  expect((await as('joe', 'GET', pods)).status).toBe(403);
  expect((await as('jane', 'GET', '/metrics')).status).toBe(403);
  expect((await as('jane', 'GET', '/api/v1/namespaces/kube-system/pods')).status).toBe(403);
  expect(asked).toHaveLength(1);
  expect(await metric('webhook_evaluations_total{name="example.com",result="success"}')).toBe(1);
  expect(await metric('decisions_total{decision="allowed",name="example.com",type="Webhook"}')).toBe(1);
  expect(await metric('match_condition_exclusions_total{name="example.com",type="Webhook"}')).toBe(3);
});

it('sees selectors in conditions', async () => {
  await configure(
    configuration(
      'Deny',
      'request.?resourceAttributes.fieldSelector.requirements.orValue([]).exists(r, r.key == "spec.nodeName" && r.operator == "In" && r.values.size() == 1)',
    ),
  );
  expect((await as('jane', 'GET', `${pods}?fieldSelector=spec.nodeName%3Dn1`)).status).toBe(200);
  expect((await as('jane', 'GET', pods)).status).toBe(403);
  expect(asked).toHaveLength(1);
});

it('asks with the selectors of reviews as they come, and in order where they come as text', async () => {
  await configure(configuration('Deny'));
  const fields = [
    { key: 'spec.nodeName', operator: 'In', values: ['mynode'] },
    { key: 'metadata.name', operator: 'NotIn', values: ['b'] },
    { key: 'metadata.name', operator: 'NotIn', values: ['a'] },
  ];
  const labels = [
    { key: 'test', operator: 'In', values: ['b', 'a'] },
    { key: 'allow', operator: 'In', values: ['true'] },
  ];
  const unknown = { key: 'x', operator: 'Unknown' };
  const review = (fieldSelector: object, labelSelector: object) => {
    const resourceAttributes = { verb: 'list', version: 'v1', resource: 'pods', fieldSelector, labelSelector };
    return server.http(
      'POST',
      '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      JSON.stringify({ spec: { user: 'alice', resourceAttributes } }),
    );
  };
  await review({ requirements: [...fields, unknown] }, { requirements: [...labels, unknown] });
  await review({ rawSelector: 'spec.nodeName=mynode,metadata.name!=b,metadata.name!=a' }, { rawSelector: 'test in (b,a),allow=true' });
  const selectors = asked.map(({ spec }) => spec.resourceAttributes).filter((attributes) => attributes?.resource === 'pods');
  expect(selectors).toMatchObject([
    { fieldSelector: { requirements: fields }, labelSelector: { requirements: labels } },
    {
      fieldSelector: { requirements: fields.toReversed() },
      labelSelector: { requirements: [labels[1], { key: 'test', operator: 'In', values: ['a', 'b'] }] },
    },
  ]);
});

it('counts an answer that is none as a failure', async () => {
  const failed = () => metric('webhook_evaluations_total{name="example.com",result="error"}');
  const before = await failed();
  answer = { status: 200, body: 'yes' as unknown as object };
  expect((await as('jane', 'GET', pods)).status).toBe(500);
  expect(await failed()).toBe(before + 1);
});

it('refuses by the failure policy where a condition or the webhook fails, or says so where nobody knows', async () => {
  const failing = 'request.extra["none"][0] == "x"';
  await configure(configuration('Deny', failing));
  const review = (user: string) =>
    server.http(
      'POST',
      '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      JSON.stringify({ spec: { user, resourceAttributes: { verb: 'list', resource: 'pods' } } }),
    );
  const status = JSON.parse((await review('jane')).body).status;
  expect(status).toMatchObject({ allowed: false, denied: true });
  expect(status.evaluationError).toBe(`cel evaluation error: expression '${failing}' resulted in error: no such key: none`);
  expect(await metric('match_condition_evaluation_errors_total{name="example.com",type="Webhook"}')).toBe(1);

  await configure(configuration('NoOpinion'));
  answer = { status: 403, body: {} };
  const reply = await as('jane', 'GET', pods);
  expect(reply.status).toBe(500);
  expect(reply.body).toMatch(/^Internal Server Error: "\/api\/v1\/namespaces\/default\/pods": unknown/);
  expect(await metric('webhook_evaluations_fail_open_total{name="example.com",result="error"}')).toBe(1);
  // Whom another allows, it does not stop.
  expect((await as('system:kube-scheduler', 'GET', '/api/v1/pods')).status).toBe(200);
  await configure(configuration('Deny'));
  expect((await as('system:kube-scheduler', 'GET', '/api/v1/pods')).status).toBe(500);
});

it('asks who may know of its health as of anything else', async () => {
  await configure(configuration('Deny', 'request.user == "joe"'));
  answer = { status: 200, body: { allowed: false, denied: true } };
  expect((await as('joe', 'GET', '/livez')).status).toBe(403);
  expect((await as('jane', 'GET', '/livez')).status).toBe(200);
  await configure(configuration('Deny', 'has(request.resourceAttributes)'));
});

it('keeps what it has where the file is wrong', async () => {
  await configure(configuration('Sometimes'), 'failure');
  await configure(configuration('Deny').replace(',{"type":"RBAC","name":"rbac"}', ''), 'failure');
  expect((await as('jane', 'GET', pods)).status).toBe(200);
  const info = await followed.metrics();
  expect(info).toMatch(
    /apiserver_authorization_config_controller_last_config_info\{apiserver_id_hash="sha256:[0-9a-f]{64}",hash="sha256:[0-9a-f]{64}"\} 1/,
  );
});
