/**
 * Right requests gone wrong in one place, which get further than noise: mutated bodies in every encoding, patches made of the object's own
 * parts, selectors made of their grammar's tokens. A longer run: FUZZ_RUNS=20000.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  CustomResourceDefinition,
  Deployment,
  deepCopy,
  encodeCbor,
  encodeProtobuf,
  Pod,
  type Resource,
  structNode,
} from '../../src/api/index.ts';
import { CronTab, cronTab, cronTabs } from '../custom-resources/definitions.ts';
import { type Reply, startApiServer, type TestApiServer } from '../support/api-server.ts';
import { eventually } from '../support/wait.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 150);
const seed = Number(process.env.FUZZ_SEED ?? 1);
const timeout = 60_000 + numRuns * 100;

const container = {
  name: 'web',
  image: 'nginx',
  ports: [{ containerPort: 80, name: 'http' }],
  env: [{ name: 'A', value: 'b' }],
  resources: { requests: { cpu: '100m' } },
  livenessProbe: { httpGet: { path: '/', port: 'http' } },
};
const podSpec = { containers: [container], tolerations: [{ key: 'a', operator: 'Exists' }], nodeSelector: { a: 'b' } };
const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'default', labels: { app: 'web' } }, spec: podSpec };
const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default', finalizers: ['example.com/a'] },
  spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template: { metadata: { labels: { app: 'web' } }, spec: podSpec } },
};
const custom = { ...cronTab('c'), metadata: { name: 'c', namespace: 'default' } };

const base = (resource: Resource, prefix: string) => `${prefix}/namespaces/default/${resource.plural}`;
const places: [Resource, string, { metadata: { name: string } }][] = [
  [Pod, base(Pod, '/api/v1'), pod],
  [Deployment, base(Deployment, '/apis/apps/v1'), deployment],
  [CronTab, base(CronTab, '/apis/stable.example.com/v1'), custom],
];

let server: TestApiServer;
/** What was stored of each. */
const specs = new Map<string, unknown>();
beforeAll(async () => {
  server = await startApiServer({ controllers: true });
  await server.admin.create(CustomResourceDefinition, deepCopy(cronTabs));
  for (const [, path, object] of places)
    await eventually(`${object.metadata.name} is taken`, async () => {
      const reply = await server.http('POST', path, JSON.stringify(object));
      if (reply.status === 201) specs.set(path, JSON.parse(reply.body).spec);
      return specs.has(path);
    });
});
afterAll(() => server.close());

/** What upstream answers with a 500: configurations of the wrong types, and strategic merges that lead nowhere. */
const toldByUpstream = new RegExp(
  [
    'failed to create typed patch object',
    ...['declared merge key', 'without merge key', 'unknown patch type', ', but received a ', 'find api field in struct', 'is not a map'],
    ...['is not struct', 'expected slice or array', "doesn't match", 'are not identical', 'no elements in any', 'cannot yet be specified'],
  ].join('|'),
);

/** A refusal is a Status, and never the server's fault. */
function check(reply: Reply): void {
  expect(reply.body).not.toContain('Internal error occurred');
  if (!toldByUpstream.test(reply.body)) expect(reply.status).toBeLessThan(500);
  // Of a path that leads nowhere upstream's router says so itself, in plain text.
  if (reply.status === 404 && reply.body === '404 page not found\n') return;
  if (reply.status >= 400) expect(JSON.parse(reply.body)).toMatchObject({ kind: 'Status', status: 'Failure', code: reply.status });
  expect(Object.keys(Object.prototype)).toEqual([]);
}

/** Nothing of a dry run is kept, and what is there can still be read. */
async function untouched(): Promise<void> {
  for (const [, path, object] of places) {
    const reply = await server.http('GET', `${path}/${object.metadata.name}`);
    expect(reply.status).toBe(200);
    expect(JSON.parse(reply.body).spec).toEqual(specs.get(path));
  }
}

type Json = unknown;
const isObject = (value: Json): value is Record<string, Json> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** All places in a value, as the keys that lead there. */
function keysWithin(value: Json, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [[...path]];
  return [[...path], ...Object.entries(value).flatMap(([key, item]) => keysWithin(item, [...path, key]))];
}

const paths = places.map(([, , object]) => keysWithin(object));
const wrongValue = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    '',
    'x',
    -1,
    0,
    1.5,
    1e300,
    2 ** 53,
    {},
    [],
    [{}],
    [null],
    { __proto__: null },
    '1Gi',
    '-5m',
    '9'.repeat(400),
  ),
  fc.constantFrom<Json>('UPPER', 'a/b/c', '..', '\u0000', '\ud800', '😀'.repeat(90), 'x'.repeat(70_000), ['a', 'a'], { 'a b': 'c' }),
  fc
    .anything({ maxDepth: 3 })
    .map((value) => JSON.parse(JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? Number(v) : v)) ?? 'null')),
);
/** One of the three objects and a place in it. */
const spot = fc
  .constantFrom(0, 1, 2)
  .chain((which) => fc.record({ which: fc.constant(which), path: fc.constantFrom(...(paths[which] ?? [[]])) }));

/** A copy of `object` with another value at a place, or without it, or with a key more. */
function changed(object: Json, path: readonly string[], value: Json, how: 'put' | 'take' | 'add'): Json {
  const [key, ...rest] = path;
  if (key === undefined) return how === 'add' && isObject(object) ? { ...object, unknownField: value } : value;
  const copy: Json = Array.isArray(object) ? [...object] : { ...(object as object) };
  const inner = copy as Record<string, Json>;
  if (rest.length === 0 && how === 'take') delete inner[key];
  else inner[key] = changed(inner[key], rest, value, how);
  return copy;
}
const how = fc.constantFrom<'put' | 'take' | 'add'>('put', 'put', 'take', 'add');
const validation = fc.constantFrom('Strict', 'Warn', 'Ignore');

test(
  'objects with one thing wrong',
  async () => {
    await fc.assert(
      fc.asyncProperty(spot, wrongValue, how, validation, fc.constantFrom('json', 'cbor', 'yaml'), async (at, value, way, strict, form) => {
        const [, path, object] = places[at.which] ?? places[0] ?? [];
        const wrong = changed({ ...object, metadata: { ...object?.metadata, name: 'new' } }, at.path, value, way);
        const body = form === 'cbor' ? Buffer.from(encodeCbor(wrong)) : JSON.stringify(wrong);
        check(
          await server.http('POST', `${path}?dryRun=All&fieldValidation=${strict}`, body ?? 'null', {
            'content-type': `application/${form}`,
          }),
        );
      }),
      { numRuns, seed },
    );
    await untouched();
  },
  timeout,
);

test(
  'protobuf and CBOR with bytes changed, lost and put in',
  async () => {
    const forms = [
      { type: 'application/vnd.kubernetes.protobuf', path: places[0]?.[1], bytes: encodeProtobuf(structNode('core.v1.Pod'), pod) },
      {
        type: 'application/vnd.kubernetes.protobuf',
        path: places[1]?.[1],
        bytes: encodeProtobuf(structNode('apps.v1.Deployment'), deployment),
      },
      { type: 'application/cbor', path: places[1]?.[1], bytes: encodeCbor(deployment, structNode('apps.v1.Deployment')) },
      { type: 'application/cbor', path: places[2]?.[1], bytes: encodeCbor(custom) },
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...forms),
        fc.array(fc.tuple(fc.nat(), fc.constantFrom('set', 'cut', 'insert', 'end'), fc.uint8Array({ minLength: 1, maxLength: 9 })), {
          minLength: 1,
          maxLength: 3,
        }),
        async ({ type, path, bytes }, edits) => {
          let body = Buffer.from(bytes);
          for (const [where, what, more] of edits) {
            const at = where % (body.length + 1);
            if (what === 'end') body = body.subarray(0, at);
            else
              body = Buffer.concat(
                [body.subarray(0, at), what === 'cut' ? '' : more, body.subarray(at + (what === 'insert' ? 0 : more.length))].map((b) =>
                  Buffer.from(b),
                ),
              );
          }
          check(await server.http('POST', `${path}?dryRun=All`, body, { 'content-type': type }));
        },
      ),
      { numRuns, seed },
    );
    await untouched();
  },
  timeout,
);

const pointer = (path: readonly string[]) => path.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
const directive = fc.constantFrom<Json>(
  { $patch: 'delete' },
  { $patch: 'replace' },
  { $patch: 'merge' },
  { $patch: 'x' },
  { $retainKeys: ['name'] },
  { $retainKeys: [1] },
  { '$setElementOrder/containers': [{ name: 'web' }, { name: 'none' }] },
  { '$setElementOrder/ports': 1 },
  { '$deleteFromPrimitiveList/finalizers': ['example.com/a'] },
  [{ $patch: 'delete', name: 'web' }],
  [{ $patch: 'replace' }, { name: 'x' }],
);

/** The part of a document that leads to one place. */
const along = (path: readonly string[], value: Json, lists: boolean): Json =>
  path.reduceRight<Json>((inner, key) => (lists && /^\d+$/.test(key) ? [inner] : { [key]: inner }), value);

test(
  'patches of every kind made of what is there',
  async () => {
    const operation = fc.record({
      op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'),
      at: spot,
      from: spot,
      value: wrongValue,
      end: fc.constantFrom('', '', '/-', '/0', '/99999999999', '/~2', '/__proto__'),
    });
    await fc.assert(
      fc.asyncProperty(
        spot,
        fc.constantFrom('json-patch', 'merge-patch', 'strategic-merge-patch', 'apply-patch'),
        fc.oneof(wrongValue, directive),
        fc.array(operation, { maxLength: 4 }),
        fc.constantFrom('', '/status', '/scale'),
        async (at, form, value, operations, subresource) => {
          const [, path, object] = places[at.which] ?? places[0] ?? [];
          const head =
            form === 'apply-patch'
              ? { apiVersion: (object as { apiVersion?: string }).apiVersion, kind: (object as { kind?: string }).kind }
              : {};
          const document = along(at.path, value, form !== 'merge-patch');
          const patch =
            form === 'json-patch'
              ? operations.map(({ op, at: to, from, value: given, end }) => ({
                  op,
                  path: pointer(to.path) + end,
                  from: pointer(from.path),
                  value: given,
                }))
              : isObject(document)
                ? { ...head, ...document }
                : document;
          check(
            await server.http('PATCH', `${path}/${object?.metadata.name}${subresource}?dryRun=All&fieldManager=f`, JSON.stringify(patch), {
              'content-type': `application/${form}+${form === 'apply-patch' ? 'yaml' : 'json'}`,
            }),
          );
        },
      ),
      { numRuns, seed },
    );
    await untouched();
  },
  timeout,
);

const tokens = fc.constantFrom(
  'app',
  'web',
  'a.b/c',
  '=',
  '==',
  '!=',
  '!',
  ',',
  ' in ',
  ' notin ',
  '(',
  ')',
  '(web,x)',
  '>',
  '<',
  '5',
  '-',
  ' ',
  '\\',
  'ü',
  '',
  'x'.repeat(300),
);
const selector = fc.array(tokens, { maxLength: 9 }).map((list) => list.join(''));
const fields = fc
  .array(
    fc.constantFrom(
      'metadata.name',
      'metadata.namespace',
      'spec.nodeName',
      'spec.image',
      'status.phase',
      '=',
      '==',
      '!=',
      ',',
      '\\,',
      '\\',
      'c',
      'p',
      '',
    ),
    {
      maxLength: 8,
    },
  )
  .map((list) => list.join(''));

test(
  'selectors made of their tokens',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), selector, fields, fc.boolean(), async ([, path], labels, chosen, watch) => {
        const query = new URLSearchParams({ labelSelector: labels, fieldSelector: chosen });
        const reply = await server.http('GET', `${path}?${query}`);
        check(reply);
        // A watch refuses what a list does; one that it takes would stay open.
        if (watch && reply.status >= 400) {
          query.set('watch', 'true');
          const watched = await server.http('GET', `${path}?${query}&timeoutSeconds=1`);
          expect(watched.status).toBe(reply.status);
        }
      }),
      { numRuns, seed },
    );
  },
  timeout,
);
