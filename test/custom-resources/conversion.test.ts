import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CustomResourceDefinition, deepCopy, type KubeObject, storagemigrationV1beta1 } from '../../src/api/index.ts';
import { runControllerManager } from '../../src/controllers/index.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { CronTab, type CronTabObject, cronTab, cronTabs } from './definitions.ts';

const namespace = 'default';
const CronTabV2 = { ...CronTab, version: 'v2' };

interface Review {
  request: { uid: string; desiredAPIVersion: string; objects: CronTabObject[] };
}

let api: TestApiServer;
let webhook: Server;
let lie: (converted: KubeObject[]) => unknown;

/** v1's `cronSpec` is `schedule` in v2. */
function convert(object: CronTabObject, apiVersion: string): CronTabObject {
  const { cronSpec, schedule, ...rest } = object.spec;
  const text = cronSpec ?? schedule;
  return { ...object, apiVersion, spec: { ...rest, ...(apiVersion.endsWith('v2') ? { schedule: text } : { cronSpec: text }) } };
}

beforeEach(async () => {
  api = await startApiServer();
  lie = (converted) => converted;
  const { certificate: cert, key } = api.pki.apiserver;
  webhook = createServer({ cert, key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { request: asked } = JSON.parse(Buffer.concat(chunks).toString()) as Review;
      const convertedObjects = lie(asked.objects.map((o) => convert(o, asked.desiredAPIVersion)));
      response.end(
        JSON.stringify({
          apiVersion: 'apiextensions.k8s.io/v1',
          kind: 'ConversionReview',
          response: { uid: asked.uid, result: { status: 'Success' }, convertedObjects },
        }),
      );
    });
  });
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
  const { port } = webhook.address() as AddressInfo;
  const definition = deepCopy(cronTabs);
  const [v1] = definition.spec.versions;
  if (!v1?.schema?.openAPIV3Schema?.properties?.spec) throw new Error('no version');
  const v2 = deepCopy(v1);
  v2.name = 'v2';
  v2.storage = false;
  delete v2.selectableFields;
  v2.additionalPrinterColumns = [{ name: 'Schedule', type: 'string', jsonPath: '.spec.schedule' }];
  const spec = v2.schema?.openAPIV3Schema?.properties?.spec;
  if (spec) Object.assign(spec, { required: ['schedule'], properties: { schedule: { type: 'string' }, replicas: { type: 'integer' } } });
  definition.spec.versions = [v1, v2];
  definition.spec.conversion = {
    strategy: 'Webhook',
    webhook: {
      clientConfig: { url: `https://127.0.0.1:${port}/convert`, caBundle: Buffer.from(api.pki.ca.certificate).toString('base64') },
      conversionReviewVersions: ['v1'],
    },
  };
  await api.admin.create(CustomResourceDefinition, definition);
  await expect.poll(() => api.admin.list(CronTab).then((l) => l.items, String)).toEqual([]);
});
afterEach(async () => {
  webhook.close();
  webhook.closeAllConnections();
  await api.close();
});

test('objects are read, written, patched, listed and watched in a version that a webhook converts', async () => {
  await api.admin.create(CronTab, cronTab('a'), { namespace });
  expect((await api.admin.get(CronTabV2, 'a', { namespace })).spec).toEqual({ schedule: '* * * * */5', replicas: 1 });
  const draft = { ...cronTab('b', { schedule: '0 0 * * *' }), apiVersion: 'stable.example.com/v2' };
  expect((await api.admin.create(CronTabV2, draft, { namespace })).spec).toMatchObject({ schedule: '0 0 * * *' });
  expect((await api.admin.get(CronTab, 'b', { namespace })).spec).toMatchObject({ cronSpec: '0 0 * * *', image: 'busybox' });
  const patched = await api.admin.patch(CronTabV2, 'b', 'merge', { spec: { schedule: '1 1 * * *' } }, { namespace });
  expect(patched).toMatchObject({ apiVersion: 'stable.example.com/v2', spec: { schedule: '1 1 * * *' } });
  const list = await api.admin.list(CronTabV2, { namespace });
  expect(list.items.map((o) => o.spec.schedule)).toEqual(['* * * * */5', '1 1 * * *']);
  for await (const { object } of api.admin.watch(CronTabV2, { namespace })) {
    expect(object).toMatchObject({ apiVersion: 'stable.example.com/v2', spec: { schedule: '* * * * */5' } });
    break;
  }
  expect((await api.kubectl(['get', 'crontabs.v2.stable.example.com', 'b'])).stdout).toMatch(/NAME +SCHEDULE\nb +1 1 \* \* \*/);
});

test('what is sent in another version is validated as such, and stored without the defaults of the storage version', async () => {
  const draft = { ...cronTab('c', { schedule: '0 0 * * *' }), apiVersion: 'stable.example.com/v2' };
  const invalid = { ...draft, spec: { schedule: 7 } };
  await expect(api.admin.create(CronTabV2, invalid, { namespace })).rejects.toMatchObject({
    message: expect.stringContaining('spec.schedule in body must be of type string: "integer"'),
  });
  const created = await api.admin.create(CronTabV2, draft, { namespace });
  await expect(api.admin.update(CronTabV2, { ...created, spec: { schedule: 7 } }, { namespace })).rejects.toMatchObject({
    message: expect.stringContaining('spec.schedule in body must be of type string: "integer"'),
  });
  const stored = await api.store.get('/registry/stable.example.com/crontabs/default/c');
  expect(JSON.parse(stored?.value.toString() ?? '')).toMatchObject({
    apiVersion: 'stable.example.com/v1',
    spec: { cronSpec: '0 0 * * *' },
  });
  expect(JSON.parse(stored?.value.toString() ?? '').spec).not.toHaveProperty('image');
  expect((await api.admin.get(CronTab, 'c', { namespace })).spec).toMatchObject({ image: 'busybox' });
});

test.each<[string, (converted: KubeObject[]) => unknown, string]>([
  ['answers too few', () => [], 'returned 0 objects, expected 1'],
  ['answers nothing', () => null, 'returned 0 objects, expected 1'],
  [
    'renames',
    (list) => list.map((o) => ({ ...o, metadata: { ...o.metadata, name: 'x' } })),
    'returned invalid object: must have the same name: ',
  ],
  [
    'converts to another version',
    (list) => list.map((o) => ({ ...o, apiVersion: 'v1' })),
    'returned invalid object at index 0: invalid groupVersion (expected stable.example.com/v2, received ',
  ],
])('a webhook that %s costs its request only', async (_, how, message) => {
  await api.admin.create(CronTab, cronTab('a'), { namespace });
  lie = how;
  await expect(api.admin.get(CronTabV2, 'a', { namespace })).rejects.toMatchObject({
    code: 500,
    message: expect.stringContaining(`conversion webhook for stable.example.com/v1, Kind=CronTab ${message}`),
  });
  await expect(api.admin.delete(CronTabV2, 'a', { namespace })).rejects.toMatchObject({ code: 500 });
  await expect(api.admin.deleteCollection(CronTabV2, { namespace })).rejects.toMatchObject({ code: 500 });
  expect((await api.admin.get(CronTab, 'a', { namespace })).spec).toMatchObject({ cronSpec: '* * * * */5' });
  const { body } = await api.http('GET', '/metrics');
  expect(body).toMatch(
    /^apiserver_conversion_webhook_request_total\{failure_type="conversion_webhook_\w+_failure",result="failure"\} [1-9]/m,
  );
  expect(body).toMatch(
    /^apiserver_crd_conversion_webhook_duration_seconds_count\{.*from_version="v1",succeeded="false",to_version="v2"\} [1-9]/m,
  );
});

test('objects stored in an earlier storage version are read, and written in the present one', async () => {
  await api.admin.create(CronTab, cronTab('a'), { namespace });
  const definition = await api.admin.get(CustomResourceDefinition, 'crontabs.stable.example.com');
  const versions = definition.spec.versions.map((version) => ({ ...version, storage: version.name === 'v2' }));
  await api.admin.update(CustomResourceDefinition, { ...definition, spec: { ...definition.spec, versions } });
  const patch = { metadata: { labels: { touched: 'yes' } } };
  await expect
    .poll(() => api.admin.patch(CronTabV2, 'a', 'merge', patch, { namespace }).then((o) => o.spec, String))
    .toEqual({ schedule: '* * * * */5', replicas: 1 });
  expect((await api.admin.get(CronTab, 'a', { namespace })).spec).toMatchObject({ cronSpec: '* * * * */5' });
  await expect
    .poll(async () => {
      await api.admin.patch(CronTab, 'a', 'merge', { spec: { replicas: 4 } }, { namespace });
      const stored = await api.store.get('/registry/stable.example.com/crontabs/default/a');
      return JSON.parse(stored?.value.toString() ?? '{}').apiVersion;
    })
    .toBe('stable.example.com/v2');
});

test('a migration stores all objects in the version that is now the one to store, which is then the only one', async () => {
  const stored = async (name: string) => {
    const value = await api.store.get(`/registry/stable.example.com/crontabs/default/${name}`);
    return { ...JSON.parse(value?.value.toString() ?? '{}'), revision: value?.modRevision };
  };
  await api.admin.create(CronTab, cronTab('old'), { namespace });
  const definition = await api.admin.get(CustomResourceDefinition, 'crontabs.stable.example.com');
  const versions = definition.spec.versions.map((version) => ({ ...version, storage: version.name === 'v2' }));
  await api.admin.update(CustomResourceDefinition, { ...definition, spec: { ...definition.spec, versions } });
  // The new storage comes a moment after.
  await expect
    .poll(async () => {
      const { metadata } = await api.admin.create(CronTab, { ...cronTab('n'), metadata: { name: '', generateName: 'n' } }, { namespace });
      return (await stored(metadata.name)).apiVersion;
    })
    .toBe('stable.example.com/v2');
  const { revision } = await stored('old');
  const stop = new AbortController();
  const running = runControllerManager(
    { client: api.admin, controllers: 'storage-version-migrator-controller', isEnabled: () => true },
    stop.signal,
  );
  const { StorageVersionMigration } = storagemigrationV1beta1;
  const spec = { resource: { group: 'stable.example.com', resource: 'crontabs' } };
  await api.admin.create(StorageVersionMigration, {
    metadata: { name: 'm' },
    apiVersion: 'storagemigration.k8s.io/v1beta1',
    kind: 'StorageVersionMigration',
    spec,
  });
  const ended = async () => {
    const { status } = await api.admin.get(StorageVersionMigration, 'm');
    return status?.conditions?.map(({ type, status, reason }) => `${type} ${status} ${reason}`);
  };
  await expect.poll(ended).toEqual(['Running False MigrationCompleted', 'Succeeded True StorageVersionMigrationSucceeded']);
  stop.abort();
  await running.catch(() => undefined);
  const after = await stored('old');
  expect(after).toMatchObject({ apiVersion: 'stable.example.com/v2', spec: { schedule: '* * * * */5' } });
  expect(after.revision).toBeGreaterThan(revision);
  const { status } = await api.admin.get(CustomResourceDefinition, 'crontabs.stable.example.com');
  expect(status?.storedVersions).toEqual(['v2']);
  expect(status?.conditions?.find(({ type }) => type === 'StorageMigrating')).toMatchObject({
    ...{ status: 'False', reason: 'MigrationSucceeded' },
    message: 'The migration has succeeded and the stored versions have been updated',
  });
});
