import { afterEach, beforeEach, expect, test } from 'vitest';
import { CustomResourceDefinition, deepCopy, isConditionTrue } from '../../src/api/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { eventually } from '../support/wait.ts';
import { CronTab, cronTab, cronTabs } from './definitions.ts';

let api: TestApiServer;
beforeEach(async () => {
  api = await startApiServer();
});
afterEach(() => api.close());

const namespace = 'default';

async function established(definition = cronTabs): Promise<CustomResourceDefinition> {
  const created = await api.admin.create(CustomResourceDefinition, definition);
  return settled(created.metadata.name, (d) => isConditionTrue(d, 'Established'));
}

/** The definition once it is as wanted. */
async function settled(name: string, wanted: (definition: CustomResourceDefinition) => boolean): Promise<CustomResourceDefinition> {
  for await (const { object } of api.admin.watch(CustomResourceDefinition)) {
    if ('spec' in object && object.metadata.name === name && wanted(object)) return object;
  }
  throw new Error('the watch ended');
}

test('a definition is established at once and has its names, conditions and stored versions', async () => {
  const definition = await established();
  // Who has seen it established need not try again.
  await api.admin.list(CronTab, { namespace });
  expect(definition.spec).toMatchObject({
    conversion: { strategy: 'None' },
    names: { singular: 'crontab', listKind: 'CronTabList' },
  });
  expect(definition.status).toMatchObject({
    acceptedNames: { plural: 'crontabs', kind: 'CronTab', shortNames: ['ct'], listKind: 'CronTabList' },
    storedVersions: ['v1'],
    conditions: [
      { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
      { type: 'Established', status: 'True', reason: 'InitialNamesAccepted', message: 'the initial names have been accepted' },
    ],
  });
});

test('objects are pruned, defaulted and validated', async () => {
  await established();
  const created = await api.admin.create(
    CronTab,
    cronTab('a', { cronSpec: '* * * * */5', port: '80%', note: null, bogus: 1, extra: { x: [1] } }),
    {
      namespace,
    },
  );
  expect(created.spec).toEqual({ cronSpec: '* * * * */5', image: 'busybox', replicas: 1, port: '80%', note: null, extra: { x: [1] } });
  expect(created.metadata).toMatchObject({ generation: 1, namespace: 'default' });
  await expect(api.admin.create(CronTab, cronTab('b', { cronSpec: 'x', replicas: 11, port: true }), { namespace })).rejects.toMatchObject({
    code: 422,
    message: expect.stringContaining('spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10'),
    status: {
      details: {
        causes: expect.arrayContaining([
          { reason: 'FieldValueInvalid', field: 'spec.cronSpec', message: expect.stringContaining("should match '^(\\S+ ){4}\\S+$'") },
          {
            reason: 'FieldValueTypeInvalid',
            field: 'spec.port',
            message: 'Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
          },
        ]),
      },
    },
  });
  await expect(api.admin.create(CronTab, cronTab('c', {}), { namespace })).rejects.toThrow('spec.cronSpec: Required value');
  await expect(
    api.admin.create(CronTab, cronTab('d', { cronSpec: '* * * * *', bogus: 1 }), { namespace, fieldValidation: 'Strict' }),
  ).rejects.toThrow('CronTab in version "v1" cannot be handled as a CronTab: strict decoding error: unknown field "spec.bogus"');
});

test('status and scale are endpoints of their own', async () => {
  await established();
  const created = await api.admin.create(CronTab, { ...cronTab('a'), status: { replicas: 9 } }, { namespace });
  expect(created.status).toBeUndefined();
  const withStatus = await api.admin.updateStatus(
    CronTab,
    { ...created, spec: { cronSpec: 'ignored' }, status: { replicas: 2, labelSelector: 'app=x' } },
    { namespace },
  );
  expect(withStatus).toMatchObject({ spec: { cronSpec: '* * * * */5' }, status: { replicas: 2 }, metadata: { generation: 1 } });
  const path = '/apis/stable.example.com/v1/namespaces/default/crontabs/a/scale';
  expect(await api.admin.raw('GET', path)).toMatchObject({
    kind: 'Scale',
    spec: { replicas: 1 },
    status: { replicas: 2, selector: 'app=x' },
  });
  await api.admin.patch(CronTab, 'a', 'merge', { spec: { replicas: 3 } }, { namespace, subresource: 'scale' });
  expect(await api.admin.get(CronTab, 'a', { namespace })).toMatchObject({ spec: { replicas: 3 }, metadata: { generation: 2 } });
});

test('a field that the definition says selects', async () => {
  await established();
  await api.admin.create(CronTab, cronTab('a', { cronSpec: '* * * * *', image: 'one' }), { namespace });
  await api.admin.create(CronTab, cronTab('b', { cronSpec: '* * * * *', image: 'two' }), { namespace });
  const { items } = await api.admin.list(CronTab, { namespace, fieldSelector: 'spec.image=two' });
  expect(items.map((o) => o.metadata.name)).toEqual(['b']);
  await expect(api.admin.list(CronTab, { namespace, fieldSelector: 'spec.nope=two' })).rejects.toThrow(
    'field label not supported: spec.nope',
  );
});

test('server-side apply merges lists by their keys and reports conflicts', async () => {
  await established();
  const apply = (manager: string, spec: object) =>
    api.admin.patch(CronTab, 'a', 'apply', { ...cronTab('a', { ...spec }) }, { namespace, fieldManager: manager });
  await apply('one', { cronSpec: '* * * * *', ports: [{ name: 'a', port: 1 }] });
  const both = await apply('two', { ports: [{ name: 'b', port: 2 }] });
  expect(both.spec.ports).toEqual([
    { name: 'a', port: 1 },
    { name: 'b', port: 2 },
  ]);
  await expect(apply('two', { ports: [{ name: 'a', port: 9 }] })).rejects.toMatchObject({ code: 409 });
  const less = await apply('one', { cronSpec: '* * * * *' });
  expect(less.spec.ports).toEqual([{ name: 'b', port: 2 }]);
});

test('names that another definition of the group has are not accepted until they are free', async () => {
  await established();
  const rival = deepCopy(cronTabs);
  rival.metadata.name = 'others.stable.example.com';
  rival.spec.names = { plural: 'others', kind: 'Other', shortNames: ['ct'] };
  await api.admin.create(CustomResourceDefinition, rival);
  const refused = await settled('others.stable.example.com', (d) => (d.status?.conditions?.length ?? 0) > 0);
  expect(refused.status?.conditions).toMatchObject([
    { type: 'NamesAccepted', status: 'False', reason: 'ShortNamesConflict', message: '"ct" is already in use' },
    { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' },
  ]);
  await api.admin.delete(CustomResourceDefinition, 'crontabs.stable.example.com');
  await settled('others.stable.example.com', (d) => isConditionTrue(d, 'Established'));
});

test('a second version sees the same objects; a changed schema changes what is served', async () => {
  const definition = await established();
  await api.admin.create(CronTab, cronTab('a'), { namespace });
  const next = deepCopy(definition);
  const [v1] = next.spec.versions;
  if (!v1) throw new Error('no version');
  const v2 = deepCopy(v1);
  v2.name = 'v2';
  v1.storage = false;
  const properties = v2.schema?.openAPIV3Schema?.properties?.spec?.properties;
  if (properties) properties.zone = { type: 'string', default: 'here' };
  next.spec.versions = [v1, v2];
  const updated = await api.admin.update(CustomResourceDefinition, next);
  expect(updated.status?.storedVersions).toEqual(['v1', 'v2']);
  const v2Resource = { ...CronTab, version: 'v2' };
  // What is stored in v1 is read with v1's defaults, what is written in v2 has v2's.
  await expect
    .poll(() => api.admin.get(v2Resource, 'a', { namespace }).then((o) => o, String))
    .toMatchObject({ apiVersion: 'stable.example.com/v2', spec: { image: 'busybox' } });
  expect((await api.admin.get(v2Resource, 'a', { namespace })).spec).not.toHaveProperty('zone');
  const patched = await api.admin.patch(v2Resource, 'a', 'merge', { metadata: { labels: { x: 'y' } } }, { namespace });
  expect(patched).toMatchObject({ spec: { zone: 'here' } });
  const old = await api.admin.get(CronTab, 'a', { namespace });
  expect(old).toMatchObject({ apiVersion: 'stable.example.com/v1' });
  expect(old.spec).not.toHaveProperty('zone');
});

test('deleting a definition deletes its objects and stops serving them', async () => {
  await established();
  await api.admin.create(CronTab, cronTab('a'), { namespace });
  await api.admin.create(CronTab, { ...cronTab('b'), metadata: { name: 'b', finalizers: ['example.com/wait'] } }, { namespace });
  await api.admin.delete(CustomResourceDefinition, 'crontabs.stable.example.com');
  const held = await settled('crontabs.stable.example.com', (d) => isConditionTrue(d, 'Terminating'));
  expect(held.metadata.finalizers).toEqual(['customresourcecleanup.apiextensions.k8s.io']);
  await expect.poll(() => api.admin.list(CronTab).then((l) => l.items.map((o) => o.metadata.name))).toEqual(['b']);
  await expect(api.admin.create(CronTab, cronTab('c'), { namespace })).rejects.toMatchObject({ code: 403 });
  await api.admin.patch(CronTab, 'b', 'merge', { metadata: { finalizers: null } }, { namespace });
  await expect
    .poll(() => api.admin.get(CustomResourceDefinition, 'crontabs.stable.example.com').catch((e: { reason: string }) => e.reason))
    .toBe('NotFound');
  await expect.poll(() => api.admin.list(CronTab).catch((e: { code: number }) => e.code)).toBe(404);
});

test('definitions and their objects are there after a restart', async () => {
  const store = openMemoryStore();
  const first = await startApiServer({ store: { ...store, close: async () => {} } });
  await first.admin.create(CustomResourceDefinition, cronTabs);
  await expect.poll(() => first.admin.create(CronTab, cronTab('a'), { namespace }).then((o) => o.metadata.name, String)).toBe('a');
  await first.close();
  const second = await startApiServer({ store });
  expect((await second.admin.get(CronTab, 'a', { namespace })).spec).toMatchObject({ image: 'busybox' });
  await second.close();
});

test('rules in CEL hold, and see what was before', async () => {
  const definition = deepCopy(cronTabs);
  const schema = definition.spec.versions[0]?.schema?.openAPIV3Schema?.properties?.spec;
  if (!schema) throw new Error('no schema');
  schema['x-kubernetes-validations'] = [
    { rule: "!has(self.port) || self.port != 0 || self.image == 'none'", message: 'port 0 is for none' },
    { rule: 'self.replicas >= oldSelf.replicas', messageExpression: "'replicas may not fall below %d'.format([oldSelf.replicas])" },
  ];
  await established(definition);
  await api.admin.create(CronTab, cronTab('a', { cronSpec: '* * * * *', replicas: 5 }), { namespace });
  await expect(api.admin.patch(CronTab, 'a', 'merge', { spec: { replicas: 3 } }, { namespace })).rejects.toThrow(
    'CronTab.stable.example.com "a" is invalid: spec: Invalid value: replicas may not fall below 5',
  );
  await expect(api.admin.patch(CronTab, 'a', 'merge', { spec: { port: 0 } }, { namespace })).rejects.toThrow('port 0 is for none');
  await api.admin.patch(CronTab, 'a', 'merge', { spec: { replicas: 7 } }, { namespace });
  // What is there already stays, with a warning.
  schema['x-kubernetes-validations'] = [{ rule: 'self.replicas < 7', message: 'fewer than 7' }];
  await api.admin.patch(CustomResourceDefinition, 'crontabs.stable.example.com', 'merge', { spec: definition.spec });
  await eventually('a warning', async () => {
    const path = '/apis/stable.example.com/v1/namespaces/default/crontabs/a';
    const body = JSON.stringify({ metadata: { labels: { at: String(performance.now()) } } });
    const { status, headers } = await api.http('PATCH', path, body, { 'content-type': 'application/merge-patch+json' });
    expect([status, headers.warning]).toEqual([200, '299 - "spec: Invalid value: fewer than 7"']);
    return true;
  });
  const { body } = await api.http('GET', '/metrics');
  for (const what of ['compilation', 'evaluation'])
    expect(body).toMatch(new RegExp(`^apiserver_cel_${what}_duration_seconds_count [1-9]`, 'm'));
});

test('a definition of v1beta1 is served, keeps unknown fields, and reads in both versions', async () => {
  const old = {
    apiVersion: 'apiextensions.k8s.io/v1beta1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'crontabs.stable.example.com' },
    spec: {
      group: 'stable.example.com',
      version: 'v1',
      names: { plural: 'crontabs', kind: 'CronTab' },
      additionalPrinterColumns: [{ name: 'Spec', type: 'string', JSONPath: '.spec.cronSpec' }],
      validation: { openAPIV3Schema: { properties: { spec: { properties: { replicas: { type: 'integer', minimum: 1 } } } } } },
    },
  };
  const path = '/apis/apiextensions.k8s.io/v1beta1/customresourcedefinitions';
  await api.admin.raw('POST', path, { body: old });
  const stored = await settled('crontabs.stable.example.com', (d) => isConditionTrue(d, 'Established'));
  expect(stored.spec.versions[0]).toMatchObject({
    name: 'v1',
    storage: true,
    additionalPrinterColumns: [{ name: 'Spec', jsonPath: '.spec.cronSpec' }],
  });
  const created = await api.admin.create(CronTab, cronTab('a', { replicas: 1, anything: { goes: 1 } }), { namespace });
  expect(created.spec).toEqual({ replicas: 1, anything: { goes: 1 } });
  await expect(api.admin.create(CronTab, cronTab('b', { replicas: 0 }), { namespace })).rejects.toThrow('greater than or equal to 1');
  expect(await api.admin.raw('GET', `${path}/crontabs.stable.example.com`)).toMatchObject({
    apiVersion: 'apiextensions.k8s.io/v1beta1',
    spec: {
      version: 'v1',
      additionalPrinterColumns: [{ JSONPath: '.spec.cronSpec' }],
      versions: [{ name: 'v1', served: true, storage: true }],
    },
  });
});

test('integers of 64 bits keep their digits, however they are written', async () => {
  const schema = {
    type: 'object' as const,
    'x-kubernetes-preserve-unknown-fields': true,
    properties: {
      n: {
        type: 'integer' as const,
        format: 'int64',
        minimum: 1,
        'x-kubernetes-validations': [{ rule: 'self != 9007199254740995', message: 'not this one' }],
      },
    },
  };
  const definition = deepCopy(cronTabs);
  for (const version of definition.spec.versions) {
    version.schema = { openAPIV3Schema: { type: 'object', properties: { spec: schema } } };
    delete version.selectableFields;
  }
  await established(definition);
  const path = '/apis/stable.example.com/v1/namespaces/default/crontabs';
  const send = async (method: string, at: string, body: string, contentType: string) =>
    (await api.http(method, `${path}${at}`, body, { 'content-type': contentType })).body;
  const object = (spec: string) => `{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"name":"a"},"spec":${spec}}`;
  const merge = 'application/merge-patch+json';

  expect(await send('POST', '', object('{"n":9007199254740993,"any":{"m":-9223372036854775808}}'), 'application/json')).toContain(
    '"n":9007199254740993',
  );
  expect(await send('PATCH', '/a', '{"spec":{"any":{"k":9223372036854775807}}}', merge)).toContain(
    '"any":{"m":-9223372036854775808,"k":9223372036854775807}',
  );
  const tested = '[{"op":"test","path":"/spec/n","value":9007199254740992}]';
  expect(await send('PATCH', '/a', tested, 'application/json-patch+json')).toContain('"status":"Failure"');
  const applied = object('{"n": 9007199254740997}');
  expect(await send('PATCH', '/a?fieldManager=m&force=true', applied, 'application/apply-patch+yaml')).toContain('"n":9007199254740997');
  expect(await send('PATCH', '/a', '{"spec":{"n":9007199254740995}}', merge)).toContain('not this one');
  expect(await send('PATCH', '/a', '{"spec":{"n":-9007199254740995}}', merge)).toContain(
    'Invalid value: -9007199254740995: spec.n in body should be greater than or equal to 1',
  );
  expect((await api.http('GET', path)).body).toContain('"n":9007199254740997');
});
