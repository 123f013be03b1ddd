/** Requests that are wrong: each is told so in upstream's words, and nothing of it is stored. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Reply, startApiServer, type TestApiServer } from '../support/api-server.ts';

let server: TestApiServer;
beforeAll(async () => {
  server = await startApiServer();
});
afterAll(() => server.close());

const configMaps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';
const json = { 'content-type': 'application/json' };
const yaml = { 'content-type': 'application/yaml' };
const protobuf = { 'content-type': 'application/vnd.kubernetes.protobuf' };
const body = (more: object) => JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, ...more });
const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
const headType = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';
const unrecognized = (why: string) => `the object provided is unrecognized (must be of type ConfigMap): ${why}`;
const noHead = (why: string) => unrecognized(`couldn't get version/kind; json parse error: ${why}`);
const cannot = (why: string) => `ConfigMap in version "v1" cannot be handled as a ConfigMap: ${why}`;
const subdomain =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/** The Status of a refusal: its shape is checked for every one. */
function statusOf(reply: Reply): { reason?: string; message: string } {
  expect(reply.headers['content-type']).toBe('application/json');
  const status = JSON.parse(reply.body);
  expect(status).toMatchObject({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code: reply.status, message: expect.any(String) });
  return status;
}

async function untouched(): Promise<void> {
  const { items } = JSON.parse((await server.http('GET', configMaps)).body);
  expect(items).toEqual([]);
}

const refusedBodies: [string, string | Buffer, Record<string, string>, number, string | RegExp][] = [
  ['nothing', '', json, 400, noHead('unexpected end of JSON input (<empty>)')],
  ['no JSON', '{{{', json, 400, noHead("invalid character '{' looking for beginning of object key string ({{{)")],
  ['half an object', '{"apiVersion":"v1"', json, 400, noHead('unexpected end of JSON input ({"apiVersion":"v1")')],
  ['two values', `${body({})}x`, json, 400, noHead(`invalid character 'x' after top-level value ({"apiVersion":"v1","kind":"Con ...)`)],
  ['an array', '[]', json, 400, noHead(`json: cannot unmarshal array into Go value of type ${headType} (5b5d)`)],
  ['null', 'null', json, 422, 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'],
  [
    'another kind',
    body({ kind: 'Secret' }),
    json,
    400,
    'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion',
  ],
  [
    'an unknown version',
    body({ apiVersion: 'v2' }),
    json,
    400,
    'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "v2" in scheme "pkg/api/legacyscheme/scheme.go:30"',
  ],
  [
    'a group that is none',
    body({ apiVersion: 'core/v1' }),
    json,
    400,
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "core/v1" in scheme "pkg/api/legacyscheme/scheme.go:30"',
  ],
  [
    'a version that is no text',
    body({ apiVersion: 5 }),
    json,
    400,
    /json: cannot unmarshal number into Go struct field \.apiVersion of type string/,
  ],
  ['a version of three parts', body({ apiVersion: 'a/b/c' }), json, 400, /unexpected GroupVersion string: a\/b\/c/],
  [
    'numbers for text',
    body({ data: { a: 1 } }),
    json,
    400,
    cannot('json: cannot unmarshal number into Go struct field ConfigMap.data of type string'),
  ],
  [
    'a list for a map',
    body({ data: [] }),
    json,
    400,
    cannot('json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string'),
  ],
  [
    'text for metadata',
    body({ metadata: 'x' }),
    json,
    400,
    cannot('json: cannot unmarshal string into Go struct field ConfigMap.metadata of type v1.ObjectMeta'),
  ],
  [
    'an upper-case name',
    body({ metadata: { name: 'UP' } }),
    json,
    422,
    `ConfigMap "UP" is invalid: metadata.name: Invalid value: "UP": ${subdomain}`,
  ],
  [
    'a name of two dots',
    body({ metadata: { name: '..' } }),
    json,
    422,
    `ConfigMap ".." is invalid: metadata.name: Invalid value: "..": ${subdomain}`,
  ],
  ['too long a name', body({ metadata: { name: 'x'.repeat(254) } }), json, 422, /must be no more than 253 (bytes|characters)/],
  [
    'another namespace',
    body({ metadata: { name: 'x', namespace: 'other' } }),
    json,
    400,
    'the namespace of the provided object does not match the namespace sent on the request',
  ],
  // Upstream's plain error, which it answers with 500.
  [
    'a resourceVersion',
    body({ metadata: { name: 'x', resourceVersion: '1' } }),
    json,
    500,
    'resourceVersion should not be set on objects to be created',
  ],
  [
    'too much data',
    body({ data: { a: 'a'.repeat((1 << 20) + 1) } }),
    json,
    422,
    'ConfigMap "x" is invalid: []: Too long: may not be more than 1048576 bytes',
  ],
  [
    'deep nesting',
    `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":${nested(10_000)}}`,
    json,
    400,
    /exceeded max depth/,
  ],
  ['open brackets without end', '['.repeat(100_000), json, 400, /unexpected end of JSON input/],
  ['deep YAML', '['.repeat(20_000), yaml, 400, /yaml: /],
  ['broken YAML', 'a: [', yaml, 400, /yaml: /],
  [
    'YAML that grows without end',
    `a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefghi'].map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`).join('\n')}`,
    yaml,
    400,
    /yaml: document contains excessive aliasing/,
  ],
  ['YAML that is no object', 'hello', yaml, 400, /json: cannot unmarshal string into Go value of type struct/],
  [
    'protobuf without its magic',
    'hello',
    protobuf,
    400,
    unrecognized('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] (68656c6c6f)'),
  ],
  [
    'protobuf that ends early',
    Buffer.from([0x6b, 0x38, 0x73, 0, 0x0a, 0x10, 0x0a]),
    protobuf,
    400,
    unrecognized('unexpected EOF (6b3873000a100a)'),
  ],
  [
    'a form',
    'a=b',
    { 'content-type': 'application/x-www-form-urlencoded' },
    415,
    'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf',
  ],
  ['more than 3 MiB', Buffer.alloc(3 * 1024 * 1024 + 1, 32), json, 413, 'Request entity too large: limit is 3145728'],
  [
    'more than 3 MiB, length unsaid',
    Buffer.alloc(3 * 1024 * 1024 + 1, 32),
    { ...json, 'transfer-encoding': 'chunked' },
    413,
    'Request entity too large: limit is 3145728',
  ],
];

test.each(refusedBodies)('a create with %s is refused', async (_, given, headers, code, message) => {
  const reply = await server.http('POST', configMaps, given, headers);
  const status = statusOf(reply);
  expect(reply.status).toBe(code);
  if (typeof message === 'string') expect(status.message).toBe(message);
  else expect(status.message).toMatch(message);
  await untouched();
});

const podBodies: [string, string, string][] = [
  [
    'a map for a list',
    '{"containers":{"a":1}}',
    'json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container',
  ],
  ['a fraction', '{"priority":1.5}', 'json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.priority of type int32'],
  [
    'a number too large',
    '{"priority":99999999999}',
    'json: cannot unmarshal number 99999999999 into Go struct field PodSpec.spec.priority of type int32',
  ],
  [
    'no quantity',
    '{"containers":[{"name":"c","resources":{"limits":{"cpu":"abc"}}}]}',
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  ],
];
test.each(podBodies)('a pod with %s is refused', async (_, spec, why) => {
  const reply = await server.http('POST', pods, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"},"spec":${spec}}`);
  expect(statusOf(reply)).toMatchObject({ code: 400, message: `Pod in version "v1" cannot be handled as a Pod: ${why}` });
});

describe('unknown and repeated fields', () => {
  const given = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"fields"},"data":{"a":"1","a":"2"},"extra":1}';
  const path = `${configMaps}?dryRun=All&fieldValidation=`;
  test('are errors with Strict, also in YAML', async () => {
    const why = 'strict decoding error: duplicate field "data.a", unknown field "extra"';
    expect(statusOf(await server.http('POST', `${path}Strict`, given)).message).toBe(cannot(why));
    const text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fields}\ndata: {a: "1", a: "2"}\nextra: 1\n';
    expect(statusOf(await server.http('POST', `${path}Strict`, text, yaml)).message).toBe(
      cannot('strict decoding error: yaml: unmarshal errors:\n  line 4: key "a" already set in map, unknown field "extra"'),
    );
    // In the order of the body; what nobody knows is not told twice.
    const mixed = given.replace('"data"', '"extra":2,"other":3,"data"');
    expect(statusOf(await server.http('POST', `${path}Strict`, mixed)).message).toBe(
      cannot('strict decoding error: unknown field "extra", unknown field "other", duplicate field "data.a"'),
    );
  });
  test('are warned of with Warn, and pass with Ignore', async () => {
    const warned = await server.http('POST', `${path}Warn`, given);
    expect(warned.status).toBe(201);
    expect(warned.headers.warning).toBe('299 - "duplicate field \\"data.a\\"", 299 - "unknown field \\"extra\\""');
    const ignored = await server.http('POST', `${path}Ignore`, given);
    expect([ignored.status, ignored.headers.warning]).toEqual([201, undefined]);
  });
  test('want one of the three', async () => {
    expect(statusOf(await server.http('POST', `${path}Some`, given)).message).toBe(
      'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Some": supported values: "", "Ignore", "Strict", "Warn"',
    );
  });
  test('come with a manager that can be printed, and dry or not', async () => {
    const { message } = statusOf(await server.http('POST', `${path}Warn&dryRun=No&fieldManager=a%0Ab`, given));
    expect(message).toBe(
      'CreateOptions.meta.k8s.io "" is invalid: [fieldManager: Invalid value: "a\\nb": invalid character U+000A (at position 1), dryRun: Unsupported value: ["All","No"]: supported values: "All"]',
    );
    const twice = await server.http('POST', `${path}Ignore&dryRun=All`, given);
    expect(twice.status).toBe(201);
  });
});

test('owners that are named twice are kept once, with a warning', async () => {
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: 'u-1' };
  const other = { ...owner, controller: true };
  const sent = body({ metadata: { name: 'owned', ownerReferences: [owner, owner, other] } });
  const created = await server.http('POST', configMaps, sent);
  const warning = (when: string) =>
    `299 - ".metadata.ownerReferences contains duplicate entries${when}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: u-1"`;
  expect(created.headers.warning).toBe(warning(''));
  expect(JSON.parse(created.body).metadata.ownerReferences).toEqual([owner, other]);
  const patch = JSON.stringify({ metadata: { ownerReferences: [owner, owner] } });
  const patched = await server.http('PATCH', `${configMaps}/owned`, patch, { 'content-type': 'application/merge-patch+json' });
  expect(patched.headers.warning).toBe(warning(' after mutating admission happens'));
  expect(JSON.parse(patched.body).metadata.ownerReferences).toEqual([owner]);
  await server.http('DELETE', `${configMaps}/owned`);
  const lease = '/apis/coordination.k8s.io/v1/namespaces/default/leases/owned';
  const made = JSON.stringify({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'owned', ownerReferences: [owner, owner] },
  });
  const put = await server.http('PUT', lease, made);
  expect([put.status, put.headers.warning]).toEqual([201, warning('')]);
  await server.http('DELETE', lease);
});

test('names that every JavaScript object has are names like any other', async () => {
  const made = await server.http(
    'POST',
    configMaps,
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"proto"},"__proto__":{"polluted":"yes"},"data":{"__proto__":"v","constructor":"c"}}',
  );
  expect(made.status).toBe(201);
  expect(JSON.parse((await server.http('GET', `${configMaps}/proto`)).body).data).toEqual(
    JSON.parse('{"__proto__":"v","constructor":"c"}'),
  );
  const patches: [string, string][] = [
    ['application/merge-patch+json', '{"__proto__":{"polluted":"yes"},"metadata":{"annotations":{"constructor":"a"}}}'],
    ['application/strategic-merge-patch+json', '{"__proto__":{"polluted":"yes"}}'],
    ['application/json-patch+json', '[{"op":"add","path":"/__proto__/polluted","value":"yes"}]'],
    ['application/json-patch+json', '[{"op":"add","path":"/constructor/prototype/polluted","value":"yes"}]'],
    ['application/apply-patch+yaml', '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"proto"},"__proto__":{"polluted":"yes"}}'],
  ];
  for (const [type, patch] of patches) {
    const { status } = await server.http(
      'PATCH',
      `${configMaps}/proto?fieldManager=test&force=${type.includes('apply')}`.replace('&force=false', ''),
      patch,
      { 'content-type': type },
    );
    // Apply refuses what the type does not have, in upstream's way.
    expect(type.includes('apply') ? [500] : [200, 422]).toContain(status);
  }
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as { polluted?: string }).polluted).toBeUndefined();
  await server.http('DELETE', `${configMaps}/proto`);
  await untouched();
});

const badToken = 'invalid continue token: continue key is not valid';
const token = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const paths: [string, number, string][] = [
  [
    '/api/v1/watch/namespaces/default/configmaps/a?fieldSelector=metadata.name%3Db',
    400,
    "fieldSelector metadata.name doesn't match requested name",
  ],
  ['/api/v1/namespaces/default/finalize', 405, 'the server does not allow this method on the requested resource'],
  [`${configMaps}/a%2fb`, 404, 'the server could not find the requested resource'],
  [`${configMaps}/..`, 400, `Name parameter invalid: "..": may not be '..'`],
  [`${configMaps}/%00`, 404, 'configmaps "\\u0000" not found'],
  ['/api/v1/nodes/__proto__', 404, 'nodes "__proto__" not found'],
  [`${configMaps}?labelSelector=!!!`, 400, "unable to parse requirement: found '!', expected: identifier"],
  [`${configMaps}?labelSelector=a+in+(b`, 400, "unable to parse requirement: found '', expected: ',' or ')'"],
  [
    `${configMaps}?fieldSelector=constructor%3Dx`,
    400,
    '"constructor" is not a known field selector: only "metadata.name", "metadata.namespace"',
  ],
  [`${configMaps}?fieldSelector=metadata.name`, 400, "invalid selector: 'metadata.name'; can't understand 'metadata.name'"],
  [`${configMaps}?limit=abc`, 400, 'strconv.ParseInt: parsing "abc": invalid syntax'],
  [`${configMaps}?limit=x&resourceVersionMatch=y`, 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
  [`${configMaps}?labelSelector=a%3D%3D%3D&resourceVersionMatch=y`, 400, "unable to parse requirement: found '=', expected: identifier"],
  [
    `${configMaps}?watch=1&continue=x`,
    422,
    'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided',
  ],
  // Its token is read first.
  [`${configMaps}?continue=YQ&resourceVersion=x`, 400, `${badToken}: invalid character 'a' looking for beginning of value`],
  [`${configMaps}?continue=rubbish`, 400, `${badToken}: invalid character '®' looking for beginning of value`],
  [`${configMaps}?continue=YQ%3D%3D`, 400, `${badToken}: illegal base64 data at input byte 2`],
  [`${configMaps}?continue=${token({ v: 'v2' })}`, 400, `${badToken}: server does not recognize this encoded version v2`],
  [`${configMaps}?continue=${token({ v: 'meta.k8s.io/v1', rv: 1, start: 'a//b' })}`, 400, `${badToken}: a//b`],
  [`${configMaps}?limit=99999999999999999999`, 400, 'strconv.ParseInt: parsing "99999999999999999999": value out of range'],
  [
    `${configMaps}?resourceVersion=99999999999`,
    504,
    expect.stringMatching(/^Timeout: Too large resource version: 99999999999, current: \d+$/),
  ],
  [
    `${configMaps}?watch=1&resourceVersion=abc`,
    500,
    'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
  ],
  [`${configMaps}/x?resourceVersion=-1`, 500, 'resourceVersion: Invalid value: "-1": strconv.ParseUint: parsing "-1": invalid syntax'],
  [`${configMaps}?limit=`, 400, 'strconv.ParseInt: parsing "": invalid syntax'],
  [
    `${configMaps}?resourceVersion=abc`,
    400,
    'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
  ],
  [
    `${configMaps}?resourceVersionMatch=Exact`,
    422,
    'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
  ],
];
test.each(paths)('GET %s is answered %d', async (path, code, message) => {
  const reply = await server.http('GET', path);
  expect(statusOf(reply)).toMatchObject({ code, message });
});

test('what is no URL is refused in one line', async () => {
  const reply = await server.http('GET', '/api/v1/namespaces/%zz/configmaps');
  expect([reply.status, reply.body]).toEqual([400, '400 Bad Request']);
});

test.each(['/apis/constructor', '/openapi/v3/__proto__', '//'])('at %s there is nothing', async (path) => {
  const reply = await server.http('GET', path);
  expect([reply.status, reply.body]).toEqual([404, '404 page not found\n']);
});

test.each(['/api/v1/proxy/nodes/x', '/api/__proto__', '/apis/apps/toString/deployments', `${pods}/x/constructor`])(
  'at %s there is no resource',
  async (path) => {
    const reply = await server.http('GET', path);
    expect(JSON.parse(reply.body)).toMatchObject({
      code: 404,
      reason: 'NotFound',
      message: 'the server could not find the requested resource',
    });
  },
);

test('media types that nobody speaks are refused by name', async () => {
  const types = 'application/json, application/yaml, application/vnd.kubernetes.protobuf';
  const accept = `only the following media types are accepted: ${types}`;
  const unmet = { code: 406, message: `406: Not Acceptable\n\nAvailable representations: ${types}` };
  expect(statusOf(await server.http('GET', `${configMaps}/x`, undefined, { accept: 'text/html' }))).toMatchObject(unmet);
  const unknown = { code: 415, message: '415: Unsupported Media Type' };
  expect(statusOf(await server.http('PATCH', `${configMaps}/x`, '{}'))).toMatchObject(unknown);
  // What is answered and not stored has no rows.
  const review = '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}';
  const tables = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  expect(statusOf(await server.http('POST', path, review, tables))).toMatchObject({ code: 406, message: accept });
  expect((await server.http('POST', path, review, { accept: `${tables.accept},application/json` })).status).toBe(201);
  // Nothing is done for who takes no answer.
  const unwanted = body({ metadata: { name: 'unwanted' } });
  expect((await server.http('POST', configMaps, unwanted, { accept: 'text/html' })).status).toBe(406);
  expect((await server.http('GET', `${configMaps}/unwanted`)).status).toBe(404);
  // An error has no form but its own: to who wants another it is told in JSON, in lines.
  const told = await server.http('GET', `${configMaps}/unwanted`, undefined, { accept: tables.accept.replace('json', 'yaml') });
  expect([told.headers['content-type'], told.body.startsWith('{\n  "kind": "Status"')]).toEqual(['application/json', true]);
});

test('what is written may be no other than it says', async () => {
  // Nor is a watch written to.
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
    expect((await server.http(method, '/api/v1/watch/namespaces/default/configmaps/a', '{}')).status).toBe(405);
  // A PUT that may create does not create what was to be another object.
  const lease = '/apis/coordination.k8s.io/v1/namespaces/default/leases/none';
  const gone = 'Precondition failed: UID in precondition: u, UID in object meta: ';
  for (const query of ['', '?dryRun=All'])
    expect(statusOf(await server.http('PUT', lease + query, JSON.stringify({ metadata: { name: 'none', uid: 'u' } })))).toMatchObject({
      code: 409,
      message: expect.stringMatching(new RegExp(`${gone}$`)),
    });
  // What is not stored may have come from what is.
  const versions = { '0': 201, rubbish: 201, '3': 201 };
  for (const [resourceVersion, code] of Object.entries(versions))
    expect((await server.http('POST', `${configMaps}?dryRun=All`, body({ metadata: { name: 'v', resourceVersion } }))).status).toBe(code);
  const metadata = { name: 'd', deletionTimestamp: '2020-01-01T00:00:00Z', deletionGracePeriodSeconds: 5 };
  const made = JSON.parse((await server.http('POST', `${configMaps}?dryRun=All`, body({ metadata }))).body);
  expect(Object.keys(made.metadata).sort()).toEqual(['creationTimestamp', 'name', 'namespace', 'uid']);
});

describe('an object that exists', () => {
  const path = `${configMaps}/there`;
  beforeAll(() => server.http('POST', configMaps, body({ metadata: { name: 'there' }, data: { a: 'b' } })));
  afterAll(() => server.http('DELETE', path));
  const modified = 'the object has been modified; please apply your changes to the latest version and try again';
  const conflict = `Operation cannot be fulfilled on configmaps "there": ${modified}`;
  const cases: [string, string, string, number, string | RegExp][] = [
    [
      'PUT',
      'no resourceVersion',
      body({ metadata: { name: 'there', resourceVersion: 'x' } }),
      500,
      'strconv.ParseUint: parsing "x": invalid syntax',
    ],
    ['PUT', 'an old resourceVersion', body({ metadata: { name: 'there', resourceVersion: '1' } }), 409, conflict],
    [
      'PUT',
      'another uid',
      body({ metadata: { name: 'there', uid: 'u' } }),
      409,
      /Precondition failed: UID in precondition: u, UID in object meta: /,
    ],
    [
      'PUT',
      'another name',
      body({ metadata: { name: 'other' } }),
      400,
      'the name of the object (other) does not match the name on the URL (there)',
    ],
    ['PUT', 'no name', '{}', 400, 'the name of the object (there based on URL) was undeterminable: name must be provided'],
    [
      'DELETE',
      'an old resourceVersion',
      '{"preconditions":{"resourceVersion":"1"}}',
      409,
      /^Operation cannot be fulfilled on ConfigMap "there": the ResourceVersion in the precondition \(1\) does not match the ResourceVersion in record \(\d+\)\. The object might have been modified$/,
    ],
    ...['', ',"dryRun":["All"]'].map((more): [string, string, string, number, RegExp] => [
      'DELETE',
      `another uid${more}`,
      `{"preconditions":{"uid":"u"}${more}}`,
      409,
      /^Operation cannot be fulfilled on ConfigMap "there": the UID in the precondition \(u\) does not match the UID in record \(.+\)\. The object might have been deleted and then recreated$/,
    ]),
    ['DELETE', 'rubbish', '{{', 400, /^couldn't get version\/kind; json parse error: invalid character '{' looking for beginning/],
    [
      'DELETE',
      'another kind',
      '{"kind":"Pod","apiVersion":"v1"}',
      400,
      'no kind "Pod" is registered for version "v1" in scheme "pkg/apis/meta/internalversion/scheme/register.go:27"',
    ],
    [
      'DELETE',
      'a wrong type',
      '{"gracePeriodSeconds":"x"}',
      400,
      'json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64',
    ],
    ['DELETE', 'an unknown policy', '{"propagationPolicy":"Some"}', 422, /propagationPolicy: Unsupported value: "Some"/],
    ['POST', 'itself', body({ metadata: { name: 'there' } }), 409, 'configmaps "there" already exists'],
    [
      'POST',
      'itself, and how it could be named',
      body({ metadata: { name: 'there', generateName: 'th' } }),
      409,
      'configmaps "there" already exists, the server was not able to generate a unique name for the object',
    ],
  ];
  test.each(cases)('%s with %s is refused and changes nothing', async (method, _, given, code, message) => {
    const status = statusOf(await server.http(method, method === 'POST' ? configMaps : path, given));
    expect(status).toMatchObject({ code, message: typeof message === 'string' ? message : expect.stringMatching(message) });
    expect(JSON.parse((await server.http('GET', path)).body).data).toEqual({ a: 'b' });
  });

  const patches: [string, string, number, string | RegExp][] = [
    [
      'json-patch+json',
      '[{"op":"test","path":"/data/a","value":"z"}]',
      422,
      'the server rejected our request due to an error in our request',
    ],
    [
      'json-patch+json',
      '[{"op":"replace","path":"/no/where","value":1}]',
      422,
      'the server rejected our request due to an error in our request',
    ],
    [
      'json-patch+json',
      JSON.stringify(new Array(10_001).fill({ op: 'test', path: '/kind', value: 'ConfigMap' })),
      413,
      'Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001',
    ],
    ['json-patch+json', '{}', 400, 'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp'],
    [
      'merge-patch+json',
      '{"data":{"a":1}}',
      422,
      /^ "" is invalid: patch: Invalid value: ".*": json: cannot unmarshal number into Go struct field ConfigMap.data of type string$/s,
    ],
    [
      'strategic-merge-patch+json',
      '{"data":{"a":1}}',
      422,
      ' "" is invalid: patch: Invalid value: "map[data:map[a:1]]": cannot convert int64 to string',
    ],
    ['merge-patch+json', '{"metadata":{"name":"other"}}', 400, 'the name of the object (other) does not match the name on the URL (there)'],
  ];
  test.each(patches)('a %s of %s is refused', async (type, patch, code, message) => {
    const status = statusOf(await server.http('PATCH', path, patch, { 'content-type': `application/${type}` }));
    expect(status).toMatchObject({ code, message: typeof message === 'string' ? message : expect.stringMatching(message) });
  });
});

test('headers and selectors of many kilobytes are taken', async () => {
  const values = Array.from({ length: 20_000 }, (_, i) => `x${i}`).join(',');
  const reply = await server.http('GET', `${configMaps}?labelSelector=${encodeURIComponent(`a in (${values})`)}`, undefined, {
    'x-long': 'a'.repeat(100_000),
  });
  expect(reply.status).toBe(200);
});

test('the server answers as before', async () => {
  await untouched();
  expect((await server.http('GET', '/readyz')).body).toBe('ok');
});
