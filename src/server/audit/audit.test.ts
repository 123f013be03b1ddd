import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigMap, extensionsV1beta1, ReplicaSet } from '../../api/index.ts';
import { createClient } from '../../client/index.ts';
import { seededRandom, systemClock, VirtualClock } from '../../time/index.ts';
import { PipelineContext } from '../pipeline/context.ts';
import { RequestLifetime } from '../request-lifetime.ts';
import { openTestServer, type TestServer } from '../testing/test-server.ts';
import { createAuditor, openAudit } from './audit.ts';
import { buffered } from './buffered.ts';
import type { AuditEvent } from './event.ts';
import { legacyLine } from './event.ts';
import { createAuditMetrics } from './metrics.ts';
import { auditOptions } from './options.ts';
import { evaluatePolicy, parsePolicy } from './policy.ts';
import { openRotatingFile } from './rotating-file.ts';
import { truncating } from './truncate.ts';

const head = { apiVersion: 'v1', kind: 'ConfigMap' } as const;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'audit-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const policyOf = (rules: string) => `apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n${rules}`;

describe('the policy', () => {
  const attributes = {
    user: { name: 'joe', groups: ['devs'] },
    verb: 'get',
    isResourceRequest: true,
    apiGroup: '',
    apiVersion: 'v1',
    namespace: 'default',
    resource: 'pods',
    subresource: 'log',
    name: 'web',
    path: '/api/v1/namespaces/default/pods/web/log',
  };

  it.each([
    ['- {level: Metadata, resources: [{group: "", resources: ["pods"]}]}', 'None'],
    ['- {level: Metadata, resources: [{group: "", resources: ["pods/log"]}]}', 'Metadata'],
    ['- {level: Metadata, resources: [{group: "", resources: ["*/log"]}]}', 'Metadata'],
    ['- {level: Metadata, resources: [{group: "", resources: ["pods/*"], resourceNames: ["db"]}]}', 'None'],
    ['- {level: Request, userGroups: ["devs"], verbs: ["get"]}', 'Request'],
    ['- {level: None, users: ["joe"]}\n- {level: Request}', 'None'],
    ['- {level: Request, nonResourceURLs: ["/api*"]}', 'None'],
    ['- {level: Request, namespaces: [""]}', 'None'],
    ['- {level: Request, resources: [{group: "*", resources: ["pods/log"]}]}', 'Request'],
    ['- {level: Request, resources: [{group: "apps", resources: ["pods/log"]}]}', 'None'],
  ])('%s asks for %s', (rules, level) => {
    expect(evaluatePolicy(parsePolicy(policyOf(rules)))(attributes).level).toBe(level);
  });

  it.each([
    ['- {level: All}', 'rules[0].level: Unsupported value: "All": supported values: "None", "Metadata", "Request", "RequestResponse"'],
    ['- {users: [joe]}', 'rules[0].level: Required value'],
    [
      '- {level: None, nonResourceURLs: ["logs"]}',
      `rules[0].nonResourceURLs[0]: Invalid value: "logs": non-resource URL rules must begin with a '/' character`,
    ],
    ['- {level: None, resources: [{group: apps, resourceNames: [x]}]}', 'using resourceNames requires at least one resource'],
    ['- {level: None, omitStages: [Later]}', 'allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic'],
    ['- {level: None, users: joe}', 'failed decoding: json: cannot unmarshal string into Go struct field PolicyRule.rules.users'],
    ['- {level: None, resources: [{group: "Apps/v1"}]}', 'rules[0].resources.group: Invalid value: "Apps/v1"'],
  ])('%s is refused', (rules, message) => {
    expect(() => parsePolicy(policyOf(rules))).toThrow(message);
  });

  it('tells of fields that it does not know, and does without them', () => {
    const told: string[] = [];
    const text = policyOf('- {level: None, level: Metadata, user: [joe]}');
    expect(parsePolicy(text, (problem) => told.push(problem)).rules[0]?.level).toBe('Metadata');
    expect(told).toEqual(['strict decoding error: unknown field "rules[0].user"']);
  });

  it('is refused without rules, or where it is of another kind', () => {
    expect(() => parsePolicy(policyOf('  []'))).toThrow('loaded illegal policy with 0 rules');
    expect(() => parsePolicy('apiVersion: audit.k8s.io/v1beta1\nkind: Policy')).toThrow('no kind "Policy" is registered for version');
    expect(() => parsePolicy('apiVersion: audit.k8s.io/v1')).toThrow("Object 'Kind' is missing");
  });
});

describe('the log', () => {
  const registry = new Registry();
  let server: TestServer;
  afterEach(() => server.close());

  async function open(rules: string, flags: Record<string, string> = {}) {
    registry.clear();
    const policy = join(dir, 'policy.yaml');
    writeFileSync(policy, policyOf(rules));
    const options = auditOptions({ 'audit-policy-file': policy, 'audit-log-path': join(dir, 'audit.log'), ...flags });
    if (!options) throw new Error('audit is off');
    const tools = { clock: systemClock, random: seededRandom(1), logger: pino({ level: 'silent' }), registry };
    server = await openTestServer({ auditor: await openAudit(options, tools) });
    return createClient(server.server.localTransport({ name: 'joe', groups: ['system:masters', 'system:authenticated'] }), {
      userAgent: 'kubectl/1',
    });
  }
  const events = (): AuditEvent[] =>
    readFileSync(join(dir, 'audit.log'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));

  it('has each stage of a write, with its bodies', async () => {
    const client = await open('- {level: RequestResponse, omitManagedFields: true}');
    await client.create(ConfigMap, { ...head, metadata: { name: 'a', namespace: 'default' }, data: { k: 'v' } });
    const [received, complete] = events();
    expect(received).toMatchObject({
      stage: 'RequestReceived',
      level: 'RequestResponse',
      verb: 'create',
      requestURI: '/api/v1/namespaces/default/configmaps',
    });
    expect(received?.stageTimestamp).toBe(received?.requestReceivedTimestamp);
    expect(complete).toMatchObject({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      auditID: received?.auditID,
      stage: 'ResponseComplete',
      user: { username: 'joe', groups: ['system:masters', 'system:authenticated'] },
      sourceIPs: ['127.0.0.1'],
      userAgent: 'kubectl/1',
      objectRef: { resource: 'configmaps', namespace: 'default', name: 'a', apiVersion: 'v1' },
      responseStatus: { metadata: {}, code: 201 },
      requestObject: { kind: 'ConfigMap', data: { k: 'v' } },
      responseObject: { kind: 'ConfigMap', metadata: { name: 'a' } },
      annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' },
    });
    expect(complete?.requestReceivedTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(JSON.stringify(complete)).not.toContain('managedFields');
    expect(await registry.metrics()).toContain('apiserver_audit_event_total 2');
  });

  it('has refusals and their reason, and who acted as whom', async () => {
    const client = await open('- {level: Metadata, omitStages: [RequestReceived]}');
    await expect(client.get(ConfigMap, 'none', { namespace: 'default' })).rejects.toThrow('not found');
    await server.server.localTransport({ name: 'boss', groups: ['system:masters'] }).request({
      method: 'GET',
      path: '/api/v1/namespaces/default/configmaps',
      query: new URLSearchParams(),
      headers: { 'impersonate-user': 'joe' },
    });
    const [missing, forbidden] = events();
    expect(missing?.responseStatus).toMatchObject({ status: 'Failure', reason: 'NotFound', code: 404 });
    expect(missing?.requestObject).toBeUndefined();
    expect(forbidden).toMatchObject({
      user: { username: 'boss' },
      impersonatedUser: { username: 'joe', groups: ['system:authenticated'] },
      responseStatus: { reason: 'Forbidden', code: 403 },
      annotations: { 'authorization.k8s.io/decision': 'forbid' },
    });
  });

  it('has one event of who was refused before anybody knew them, and of nobody', async () => {
    await open('- {level: None, userGroups: ["system:unauthenticated"]}\n- {level: RequestResponse}');
    const ask = (query: string, bearer?: string) =>
      server.server.handle({
        method: 'GET',
        path: '/api/v1/namespaces/default/configmaps',
        query: new URLSearchParams(query),
        headers: [['audit-id', 'a'.repeat(100)]],
        body: { contentType: '', bytes: () => Promise.reject(new Error('none')), stream: () => Readable.from([]) },
        lifetime: new RequestLifetime(),
        remoteAddress: '10.0.0.1',
        credentials: {
          header: (name) => (name === 'authorization' && bearer !== undefined ? `Bearer ${bearer}` : undefined),
          webSocketProtocols: [],
          remoteAddress: '10.0.0.1',
        },
      });
    await ask('', 'wrong');
    await ask('timeout=soon', 'admin');
    const failed = (message: string, reason: string, code: number) => ({
      stage: 'ResponseStarted',
      auditID: 'a'.repeat(100),
      user: {},
      responseStatus: { metadata: {}, status: 'Failure', message, reason, code },
      responseObject: { kind: 'Status', message },
    });
    expect(events()).toMatchObject([
      failed('Unauthorized', 'Unauthorized', 401),
      failed('invalid timeout specified in the request URL - time: invalid duration "soon"', 'BadRequest', 400),
    ]);
    expect(events()[0]?.user).toEqual({});
  });

  it('has what was asked of a scale', async () => {
    const client = await open('- {level: Request, verbs: [update], omitStages: [RequestReceived]}');
    const metadata = { name: 'a', namespace: 'default' };
    const labels = { a: 'b' };
    await client.create(ReplicaSet, {
      ...{ apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata },
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } } },
    });
    const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata, spec: { replicas: 2 } };
    await server.server.localTransport({ name: 'joe', groups: ['system:masters'] }).request({
      ...{ method: 'PUT', path: '/apis/apps/v1/namespaces/default/replicasets/a/scale', query: new URLSearchParams() },
      body: scale,
    });
    expect(events()).toMatchObject([
      { objectRef: { resource: 'replicasets', subresource: 'scale' }, responseStatus: { code: 200 }, requestObject: scale },
    ]);
  });

  it('marks versions that have gone upstream', async () => {
    const client = await open('- {level: Metadata, omitStages: [RequestReceived]}');
    await client.list(extensionsV1beta1.Deployment, { namespace: 'default' });
    expect(events()[0]?.annotations).toMatchObject({ 'k8s.io/deprecated': 'true', 'k8s.io/removed-release': '1.16' });
  });

  it('has the start and the end of a watch', async () => {
    const client = await open('- {level: RequestResponse, verbs: [watch]}');
    const stop = new AbortController();
    const watching = client.watch(ConfigMap, { namespace: 'default', signal: stop.signal })[Symbol.asyncIterator]();
    const next = watching.next();
    await client.create(ConfigMap, { ...head, metadata: { name: 'a', namespace: 'default' } });
    await next;
    expect(events().map(({ stage }) => stage)).toEqual(['RequestReceived', 'ResponseStarted']);
    stop.abort();
    await watching.next().catch(() => {});
    expect(events().map(({ stage }) => stage)).toEqual(['RequestReceived', 'ResponseStarted', 'ResponseComplete']);
  });

  it('leaves the bodies of too large events out', async () => {
    const client = await open('- {level: Request, omitStages: [RequestReceived]}', {
      'audit-log-truncate-enabled': 'true',
      'audit-log-truncate-max-event-size': '2000',
    });
    await client.create(ConfigMap, { ...head, metadata: { name: 'a', namespace: 'default' }, data: { k: 'v'.repeat(3000) } });
    const [event] = events();
    expect(event?.annotations).toMatchObject({ 'audit.k8s.io/truncated': 'true' });
    expect(event?.requestObject).toBeUndefined();
  });

  it('goes to a webhook in batches, none lost at the end', async () => {
    const batches: { kind: string; items: AuditEvent[] }[] = [];
    const receiver = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk) => {
        text += chunk;
      });
      request.on('end', () => {
        batches.push(JSON.parse(text));
        response.end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const { port } = receiver.address() as AddressInfo;
    const config = join(dir, 'webhook.yaml');
    writeFileSync(
      config,
      `{apiVersion: v1, kind: Config, clusters: [{name: c, cluster: {server: "http://127.0.0.1:${port}/audit"}}], users: [{name: u, user: {}}], contexts: [{name: x, context: {cluster: c, user: u}}], current-context: x}`,
    );
    const client = await open('- {level: Metadata, omitStages: [RequestReceived]}', {
      'audit-webhook-config-file': config,
      'audit-webhook-batch-max-size': '2',
    });
    for (let i = 0; i < 5; i++) await client.create(ConfigMap, { ...head, metadata: { name: `a${i}`, namespace: 'default' } });
    await server.close();
    receiver.close();
    expect(batches.every(({ kind, items }) => kind === 'EventList' && items.length <= 2)).toBe(true);
    expect(batches.flatMap(({ items }) => items.map(({ objectRef }) => objectRef?.name))).toEqual(['a0', 'a1', 'a2', 'a3', 'a4']);
    expect(events()).toHaveLength(5);
  });
});

it.each([
  [600, { 'apiserver.latency.k8s.io/apf-queue-wait': '250ms', 'apiserver.latency.k8s.io/validating-webhook': '300ms' }],
  [500, undefined],
])('of a request that takes %i ms an event tells where the time went: %o', async (ms, layers) => {
  const clock = new VirtualClock();
  const told: AuditEvent[] = [];
  const context = new PipelineContext(
    {
      ...{ method: 'GET', path: '/version', query: new URLSearchParams(), headers: [], remoteAddress: '' },
      body: { contentType: '', bytes: () => Promise.reject(new Error('none')), stream: () => Readable.from([]) },
      lifetime: new RequestLifetime(),
    },
    { name: 'joe', groups: [] },
    seededRandom(1),
  );
  const backend = { process: (events: readonly AuditEvent[]) => told.push(...events) > 0, close: async () => {} };
  const policy = parsePolicy(policyOf('- {level: Metadata}'));
  const auditor = createAuditor(policy, backend, createAuditMetrics(new Registry()), clock);
  context.startedMs = clock.monotonic();
  // Somebody had to be asked who it is.
  await clock.advance(100);
  const trail = auditor.begin(context, false, new Map());
  context.latencies.add('apf-queue-wait', 250);
  // All at once: the slowest counts.
  context.latencies.add('validating-webhook', 300);
  context.latencies.add('validating-webhook', 200);
  await clock.advance(ms - 100);
  await trail?.answered({ type: 'raw', status: 200, contentType: 'text/plain', body: '' });
  expect(told[0]?.annotations).toEqual(layers && { ...layers, 'apiserver.latency.k8s.io/total': `${ms}ms` });
  const [received, sent] = [told[0]?.requestReceivedTimestamp ?? '', told[0]?.stageTimestamp ?? ''];
  expect(Date.parse(sent) - Date.parse(received)).toBe(ms);
  expect(context.latencies.elsewhereMs).toBe(550);
});

it('rotates its file as lumberjack names the parts', async () => {
  const clock = new VirtualClock(Date.UTC(2026, 0, 2, 3, 4, 5, 678));
  const path = join(dir, 'audit.log');
  const file = openRotatingFile(path, { maxBytes: 10, maxAgeDays: 0, maxBackups: 2, compress: true }, clock, (error) => {
    throw error;
  });
  for (const text of ['11111111\n', '22222222\n', '33333333\n', '44444444\n']) {
    file.write(text);
    await clock.advance(1000);
  }
  await file.close();
  expect(readdirSync(dir).sort()).toEqual(['audit-2026-01-02T03-04-07.678.log.gz', 'audit-2026-01-02T03-04-08.678.log.gz', 'audit.log']);
  expect(readFileSync(path, 'utf8')).toBe('44444444\n');
});

it('writes the legacy line', () => {
  const event: AuditEvent = {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: 'x',
    stage: 'RequestReceived',
    requestURI: '/api',
    verb: 'get',
    user: { username: 'admin', groups: ['a', 'b'] },
    requestReceivedTimestamp: '2026-01-01T00:00:00.000000Z',
    stageTimestamp: '2026-01-01T00:00:00.000000Z',
  };
  expect(legacyLine(event)).toBe(
    String.raw`2026-01-01T00:00:00Z AUDIT: id="x" stage="RequestReceived" ip="<unknown>" method="get" user="admin" groups="\"a\",\"b\"" as="<self>" asgroups="<lookup>" user-agent="" namespace="<none>" uri="/api" response="<deferred>"`,
  );
});

it('refuses flags that make no sense, in the words of upstream', () => {
  const log = { 'audit-log-path': '/dev/null' };
  expect(() => auditOptions({ ...log, 'audit-log-mode': 'lazy' })).toThrow(
    'invalid audit log mode lazy, allowed modes are "batch,blocking,blocking-strict"',
  );
  expect(() => auditOptions({ ...log, 'audit-log-maxage': '-1' })).toThrow("--audit-log-maxage -1 can't be a negative number");
  expect(() => auditOptions({ ...log, 'audit-log-format': 'xml' })).toThrow(
    'invalid audit log format xml, allowed formats are "legacy,json"',
  );
  expect(() => auditOptions({ ...log, 'audit-log-mode': 'batch', 'audit-log-batch-throttle-enable': 'true' })).toThrow(
    'invalid audit batch log throttle QPS 0, must be a positive number',
  );
  // What is not in use need not make sense.
  expect(auditOptions({ 'audit-log-mode': 'lazy', 'audit-webhook-truncate-max-event-size': '0' })).toBeUndefined();
  expect(auditOptions(log)?.log).toMatchObject({
    mode: 'blocking',
    batch: { maxBatchSize: 1, concurrent: false },
    rotation: { maxBytes: 100 * 1024 * 1024, maxAgeDays: 366, maxBackups: 100, compress: false },
  });
  expect(auditOptions({ ...log, 'audit-log-maxsize': '0' })?.log?.rotation.maxBytes).toBe(Number.POSITIVE_INFINITY);
  expect(auditOptions({ 'audit-webhook-config-file': 'x' })?.webhook).toMatchObject({
    mode: 'batch',
    batch: { maxBatchSize: 400, maxWaitMs: 30_000, concurrent: true, throttle: { qps: 10, burst: 15 } },
    initialBackoffMs: 10_000,
  });
});

it.each([
  [true, 3],
  [false, 1],
])('batches wait for each other only where they are not sent concurrently: %s', async (concurrent, reached) => {
  const clock = new VirtualClock();
  const answers: (() => void)[] = [];
  const backend = {
    process: () => new Promise<boolean>((resolve) => answers.push(() => resolve(true))),
    close: async () => {},
  };
  const tools = { clock, logger: pino({ level: 'silent' }), metrics: createAuditMetrics(new Registry()) };
  const buffer = buffered(backend, { bufferSize: 10, maxBatchSize: 1, maxWaitMs: 0, concurrent }, tools);
  const event = { auditID: 'x' } as AuditEvent;
  await buffer.process([event, event, event]);
  await clock.advance(0);
  expect(answers).toHaveLength(reached);
  let isClosed = false;
  const closed = buffer.close().then(() => {
    isClosed = true;
  });
  for (let i = 0; i < 3; i++) {
    expect(isClosed).toBe(false);
    answers[i]?.();
    await clock.advance(0);
  }
  await closed;
});

it('a request is not refused since its event was too large to be stored', async () => {
  const sent: AuditEvent[] = [];
  const backend = { process: (events: readonly AuditEvent[]) => sent.push(...events) > 0, close: async () => {} };
  const options = { maxEventBytes: 100, maxBatchBytes: 1000 };
  const truncate = truncating(backend, options, createAuditMetrics(new Registry()), pino({ level: 'silent' }));
  expect(await truncate.process([{ auditID: 'x'.repeat(200) } as AuditEvent, { auditID: 'y' } as AuditEvent])).toBe(true);
  expect(sent).toEqual([{ auditID: 'y' }]);
});
