/** What a collector is told by OTLP of requests, of what they store, and of the webhooks and API servers they ask. */
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseTracingConfiguration } from '../../src/cluster/tracing-flags.ts';
import { createTracer, type Tracer } from '../../src/observability/index.ts';
import { exportPath, exportRequestCodec, otlpExporter } from '../../src/observability/traces/otlp-exporter.ts';
import { systemClock as clock, systemRandom as random } from '../../src/time/index.ts';
import { startHookServer } from '../admission/hook-server.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { eventually } from '../support/wait.ts';

interface ReceivedSpan {
  traceId: Buffer;
  spanId: Buffer;
  parentSpanId: Buffer;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: Record<string, unknown> }[];
  events: { name: string }[];
}

interface Export {
  resourceSpans: { resource: { attributes: { key: string; value: { stringValue: string } }[] }; scopeSpans: { spans: ReceivedSpan[] }[] }[];
}

let collector: Server;
let received: Export[];
let tracer: Tracer;
let api: TestApiServer;
/** A tracer to the test's collector. */
let open: (samplingRatePerMillion: number) => Tracer;

beforeEach(async () => {
  received = [];
  collector = new Server();
  const { deserialize } = exportRequestCodec();
  collector.register(
    exportPath,
    (call: { request: object }, done: (error: null, answer: object) => void) => {
      received.push(call.request as Export); // decoded by the codec of the very type
      done(null, {});
    },
    () => Buffer.alloc(0),
    deserialize,
    'unary',
  );
  const port = await new Promise<number>((resolve, reject) =>
    collector.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  open = (samplingRatePerMillion) => {
    const exporter = otlpExporter({ endpoint: `127.0.0.1:${port}`, resource: { 'service.name': 'apiserver' } });
    const onError = (error: unknown) => {
      throw error;
    };
    return createTracer({ clock, random, exporter, samplingRatePerMillion, onError });
  };
});
afterEach(async () => {
  await api?.close();
  collector.forceShutdown();
});

const spans = () =>
  received.flatMap(({ resourceSpans }) => resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
const attributesOf = (span: ReceivedSpan | undefined) =>
  Object.fromEntries((span?.attributes ?? []).map(({ key, value }) => [key, value.stringValue ?? value.intValue]));
const map = (name: string) => JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
const maps = '/api/v1/namespaces/default/configmaps';

test('a write is traced down to the store and to webhooks, which are told of the trace', { timeout: 60_000 }, async () => {
  tracer = open(1_000_000);
  api = await startApiServer({ server: { tracer, storagePrefix: '/some/where/registry' } });
  const hook = await startHookServer(api);
  try {
    const told: (string | undefined)[] = [];
    hook.misbehave = (asked, response, request) => {
      told.push(request.headers.traceparent as string | undefined);
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid: asked.uid, allowed: true } }),
      );
    };
    const webhook = {
      name: 'check.example.com',
      clientConfig: hook.clientConfig,
      rules: [{ operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
    };
    const configuration = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'checks' },
      webhooks: [webhook],
    };
    await api.http('POST', '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations', JSON.stringify(configuration));
    await eventually('the webhook is asked', async () => {
      await api.http('POST', `${maps}?dryRun=All`, map('probe'));
      return told.length > 0;
    });
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await api.http('POST', maps, map('traced'), { traceparent: parent, 'user-agent': 'tester/1' });
    await api.http('PATCH', `${maps}/traced`, '{"data":{"a":"b"}}', {
      traceparent: parent,
      'content-type': 'application/merge-patch+json',
    });
    await api.http('GET', maps, undefined, { traceparent: parent });
    await api.http('GET', `${maps}/traced?pretty=true`);
    await tracer.close();

    const ours = spans().filter((span) => span.traceId.toString('hex') === '0af7651916cd43dd8448eb211c80319c');
    const find = (name: string) => ours.find((span) => span.name === name);
    const under = (name: string) =>
      ours.filter((span) => span.parentSpanId.equals(find(name)?.spanId ?? Buffer.alloc(0))).map((s) => s.name);
    const eventsOf = (name: string) => find(name)?.events.map((event) => event.name);
    const request = 'POST /api/v1/namespaces/{:namespace}/configmaps';
    expect(find(request)).toMatchObject({ kind: 2, parentSpanId: Buffer.from('b7ad6b7169203331', 'hex') });
    expect(attributesOf(find(request))).toMatchObject({
      'http.request.method': 'POST',
      'http.target': maps,
      'user_agent.original': 'tester/1',
      'http.response.status_code': '201',
      'audit-id': expect.stringMatching(/./),
    });
    expect(under(request).sort()).toEqual(['Create', 'authorization', 'priorityandfairness']);
    expect(under('Create').sort()).toEqual(['Call validating webhook', 'Create etcd3', 'SerializeObject']);
    expect(eventsOf('Create')).toEqual([
      'limitedReadBody succeeded',
      'About to convert to expected version',
      'Conversion done',
      'About to store object in database',
      'Write to database call succeeded',
      'About to write a response',
      'Writing http response done',
    ]);
    expect(attributesOf(find('Create'))).toMatchObject({
      url: maps,
      'user-agent': 'tester/1',
      accept: '',
      protocol: 'HTTP/1.1',
      verb: 'create',
    });
    expect(attributesOf(find('SerializeObject'))).toMatchObject({ url: maps, method: 'POST', mediaType: 'application/json' });
    expect(eventsOf('SerializeObject')).toEqual(['About to start writing response', 'Write call succeeded']);
    expect(attributesOf(find('Call validating webhook'))).toMatchObject({
      configuration: 'checks',
      webhook: 'check.example.com',
      resource: '/v1, Resource=configmaps',
      operation: 'CREATE',
    });
    expect(under('Call validating webhook')).toEqual(['HTTP POST']);
    expect(told).toContain(`00-0af7651916cd43dd8448eb211c80319c-${find('HTTP POST')?.spanId.toString('hex')}-01`);
    expect(eventsOf('Create etcd3')).toEqual([
      'About to Encode',
      'Encode succeeded',
      'TransformToStorage succeeded',
      'Txn call succeeded',
      'decode succeeded',
    ]);
    expect(attributesOf(find('Create etcd3'))).toMatchObject({
      key: '/configmaps/default/traced',
      type: '*core.ConfigMap',
      'audit-id': attributesOf(find('Create'))['audit-id'],
    });
    expect(eventsOf('Patch')).toEqual([
      'limitedReadBody succeeded',
      'Recorded the audit event',
      'About to apply patch',
      'About to check admission control',
      'Object stored in database',
      'About to write a response',
      'Writing http response done',
    ]);
    expect(eventsOf('GuaranteedUpdate etcd3')).toEqual([
      'initial value restored',
      'About to Encode',
      'Encode succeeded',
      'TransformToStorage succeeded',
      'Transaction prepared',
      'Txn call completed',
      'Transaction committed',
      'decode succeeded',
    ]);
    expect(attributesOf(find('GuaranteedUpdate etcd3'))).toMatchObject({ key: '/configmaps/default/traced', resource: 'configmaps' });
    expect(under('List').sort()).toEqual(['SerializeObject', 'cacher.GetList']);
    expect(eventsOf('cacher.GetList')).toEqual(['watchCache fresh enough', 'Listed items from cache', 'Filtered items']);
    expect(attributesOf(find('cacher.GetList'))).toMatchObject({ type: 'configmaps', 'audit-id': attributesOf(find('List'))['audit-id'] });
    const starts = new Map(ours.map(({ spanId, startTimeUnixNano }) => [spanId.toString('hex'), BigInt(startTimeUnixNano)]));
    for (const { parentSpanId, startTimeUnixNano } of ours)
      expect(BigInt(startTimeUnixNano)).toBeGreaterThanOrEqual(starts.get(parentSpanId.toString('hex')) ?? 0n);
    for (const span of ours) expect(BigInt(span.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(span.startTimeUnixNano));
    expect(spans().map(({ name }) => name)).toEqual(
      expect.arrayContaining(['authentication', 'GET /api/v1/namespaces/{:namespace}/configmaps/{:name}', 'Get']),
    );
    expect(received[0]?.resourceSpans[0]?.resource.attributes).toEqual([{ key: 'service.name', value: { stringValue: 'apiserver' } }]);
  } finally {
    await hook.close();
  }
});

test('another API server is told of the trace whose request it answers', { timeout: 60_000 }, async () => {
  tracer = open(1_000_000);
  api = await startApiServer({ server: { tracer }, dnsNames: ['echo.default.svc'] });
  const told: (string | undefined)[] = [];
  const { certificate, key } = api.pki.apiserver;
  const echo = createServer({ cert: certificate, key }, (request, response) => {
    told.push(request.headers.traceparent as string | undefined);
    response.setHeader('content-type', 'application/json');
    response.end('{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"echo.example.com/v1","resources":[]}');
  });
  const port = await new Promise<number>((resolve) => echo.listen(0, '127.0.0.1', () => resolve((echo.address() as AddressInfo).port)));
  try {
    const service = { type: 'ExternalName', externalName: 'localhost', ports: [{ port }] };
    await api.http(
      'POST',
      '/api/v1/namespaces/default/services',
      JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'echo' }, spec: service }),
    );
    const apiService = {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: 'v1.echo.example.com' },
      spec: {
        group: 'echo.example.com',
        version: 'v1',
        groupPriorityMinimum: 2000,
        versionPriority: 10,
        service: { namespace: 'default', name: 'echo', port },
        caBundle: Buffer.from(api.pki.ca.certificate).toString('base64'),
      },
    };
    await api.http('POST', '/apis/apiregistration.k8s.io/v1/apiservices', JSON.stringify(apiService));
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const things = '/apis/echo.example.com/v1/namespaces/default/things';
    await eventually('it is asked', async () => (await api.http('GET', things, undefined, { traceparent: parent })).status === 200);
    await tracer.close();
    const sent = spans().findLast((span) => span.name === 'HTTP GET');
    expect(sent).toMatchObject({ kind: 3, traceId: Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex') });
    expect(told).toContain(`00-0af7651916cd43dd8448eb211c80319c-${sent?.spanId.toString('hex')}-01`);
  } finally {
    echo.closeAllConnections();
    echo.close();
  }
});

test('without a rate only those are traced whom an administrator traces already', async () => {
  tracer = open(0);
  api = await startApiServer({ server: { tracer } });
  await api.http('GET', maps);
  await api.http('GET', maps, undefined, { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00' });
  await api.http('GET', maps, undefined, { traceparent: 'nonsense' });
  const sampled = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
  // Whoever is nobody fills nobody's traces.
  await api.http('GET', '/version', undefined, sampled, { cert: undefined, key: undefined });
  await api.http('GET', '/version', undefined, sampled);
  await tracer.close();
  expect(spans().map(({ name }) => name)).toEqual(['priorityandfairness', 'authorization', 'GET']);
});

test.each([
  ['kind: TracingConfiguration\napiVersion: apiserver.config.k8s.io/v1\nsamplingRatePerMillion: -1', 'sampling rate must be positive'],
  [
    'kind: TracingConfiguration\napiVersion: apiserver.config.k8s.io/v1beta1\nsamplingRatePerMillion: 1000001',
    'sampling rate per million must be less than or equal to one million',
  ],
  [
    'kind: TracingConfiguration\napiVersion: apiserver.config.k8s.io/v1\nendpoint: https://a:1',
    'unsupported scheme: https.  Options are none, dns, unix, or unix-abstract',
  ],
  ['kind: TracingConfiguration\napiVersion: apiserver.config.k8s.io/v1\nrate: 1', 'strict decoding error: unknown field "rate"'],
  ['kind: Pod\napiVersion: v1', 'unable to decode tracing configuration data: no kind "Pod" is registered for version "v1"'],
])('a configuration is refused: %#', (text, why) => {
  expect(() => parseTracingConfiguration(text)).toThrow(why);
});
