/** Whatever is asked, in whatever way: an answer in the API's form, never a failure of the server. A longer run: FUZZ_RUNS=20000. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';

let server: TestApiServer;
beforeAll(async () => {
  server = await startApiServer();
});
afterAll(() => server.close());

const numRuns = Number(process.env.FUZZ_RUNS ?? 400);

const word = fc.oneof(
  fc.constantFrom('api', 'apis', 'v1', 'apps', 'namespaces', 'default', 'pods', 'configmaps', 'deployments', 'status', 'scale', 'log', 'x'),
  fc.constantFrom('__proto__', 'constructor', '..', '.', '%2e%2e', '%00', '%ff', '%zz', '', 'watch', 'proxy', 'openapi', 'v3', 'livez'),
  fc.string({ maxLength: 8 }).map(encodeURIComponent),
);
const path = fc.oneof(
  fc.array(word, { maxLength: 8 }).map((parts) => `/${parts.join('/')}`),
  fc.array(word, { maxLength: 3 }).map((parts) => `/api/v1/namespaces/default/${parts.join('/')}`),
);
const parameter = fc.tuple(
  fc.constantFrom(
    'labelSelector',
    'fieldSelector',
    'limit',
    'continue',
    'resourceVersion',
    'resourceVersionMatch',
    'dryRun',
    'fieldManager',
    'fieldValidation',
    'force',
    'pretty',
    'propagationPolicy',
    'gracePeriodSeconds',
    'sendInitialEvents',
    '__proto__',
  ),
  fc.oneof(
    fc.constantFrom('', 'true', '1', '-1', 'All', 'Strict', 'a=b', 'a in (b)', 'metadata.name=x', 'NotOlderThan', '99999999999999999999'),
    fc.string({ maxLength: 12 }),
  ),
);
// A watch without an end would be an answer of its own.
const query = fc
  .array(parameter, { maxLength: 4 })
  .map((pairs) => new URLSearchParams([...pairs, ['timeoutSeconds', '1'], ['watch', 'false']]).toString());
const object = fc.record(
  {
    apiVersion: fc.constantFrom('v1', 'apps/v1', 'v2', ''),
    kind: fc.constantFrom('ConfigMap', 'Pod', 'Deployment', 'Status'),
    metadata: fc.oneof(
      fc.record({ name: fc.constantFrom('x', 'UP', ''), labels: fc.anything({ maxDepth: 2 }) }, { requiredKeys: [] }),
      fc.anything({ maxDepth: 1 }),
    ),
    spec: fc.anything({ maxDepth: 4 }),
    data: fc.anything({ maxDepth: 2 }),
  },
  { requiredKeys: [] },
);
const printable = (value: unknown) => JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? Number(item) : item)) ?? '';
const body = fc.oneof(
  object.map(printable),
  fc.anything({ maxDepth: 3 }).map(printable),
  fc.string({ maxLength: 40 }),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
);
const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS');
const contentType = fc.constantFrom(
  'application/json',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/json-patch+json',
  'application/apply-patch+yaml',
  'text/plain',
);
const accept = fc.constantFrom(
  'application/json',
  '*/*',
  'application/json;as=Table;g=meta.k8s.io;v=v1',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
  ';;;=,q',
);

test(
  'every request is answered, and no answer is an internal error',
  async () => {
    await fc.assert(
      fc.asyncProperty(method, path, query, body, contentType, accept, async (verb, where, asked, given, type, wanted) => {
        const bare = verb === 'GET' || verb === 'HEAD' || verb === 'OPTIONS';
        const headers = { accept: wanted, ...(bare ? {} : { 'content-type': type }) };
        const reply = await server.http(verb, `${where}?${asked}`, bare ? undefined : given, headers);
        // Upstream's one plain error of a client's making.
        if (reply.body.includes('resourceVersion should not be set on objects to be created')) return;
        expect(reply.body).not.toContain('Internal error occurred');
        expect([500, 501, 502]).not.toContain(reply.status);
        if (reply.status >= 400 && String(reply.headers['content-type']).startsWith('application/json') && verb !== 'HEAD')
          expect(JSON.parse(reply.body)).toMatchObject({ kind: 'Status', status: 'Failure', code: reply.status });
      }),
      { numRuns, seed: Number(process.env.FUZZ_SEED ?? 1) },
    );
    expect((await server.http('GET', '/readyz')).body).toBe('ok');
  },
  120_000 + numRuns * 50,
);
