import { afterEach, beforeEach, expect, test } from 'vitest';
import { apiserverinternalV1alpha1, type Draft, Lease } from '../../api/index.ts';
import { VirtualClock } from '../../time/index.ts';
import { openTestServer, type TestServer } from '../testing/test-server.ts';
import { apiServerIdentity, keepIdentityLease } from './identity-lease.ts';
import { keepStorageVersions } from './storage-versions.ts';

let server: TestServer | undefined;
let stop: AbortController;
beforeEach(() => {
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await server?.close();
});

const namespace = 'kube-system';
const identity = { 'apiserver.kubernetes.io/identity': 'kube-apiserver' };

test('a server is known by its machine’s name, as upstream derives it', () => {
  // What `sha256(len host len component)` gives, in base32.
  expect(apiServerIdentity('test-server-a')).toMatch(/^apiserver-[a-z2-7]{26}$/);
  expect(apiServerIdentity('test-server-a')).not.toBe(apiServerIdentity('test-server-b'));
});

test('its lease is renewed; those of servers that are gone are taken away', async () => {
  server = await openTestServer();
  const { admin } = server;
  const clock = new VirtualClock();
  const lease = (name: string, labels: Record<string, string>, spec: Draft<Lease>['spec']): Draft<Lease> => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace, labels },
    spec,
  });
  const at = (ms: number) => new Date(clock.now() + ms).toISOString().replace('Z', '000Z');
  for (const made of [
    lease('gone', identity, { leaseDurationSeconds: 3600, renewTime: at(-1000) }),
    lease('silent', identity, {}),
    lease('other', {}, {}),
    lease('alive', identity, { leaseDurationSeconds: 36000, renewTime: at(0) }),
  ])
    await admin.create(Lease, made, { namespace });
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  await keepIdentityLease({ client: admin, clock, hostname: 'here', signal: stop.signal, onError });
  const own = () => admin.get(Lease, apiServerIdentity('here'), { namespace });
  const first = await own();
  expect(first).toMatchObject({
    metadata: { labels: { ...identity, 'kubernetes.io/hostname': 'here' } },
    spec: { leaseDurationSeconds: 3600 },
  });
  await clock.advance(10_000);
  await expect.poll(async () => (await own()).spec?.renewTime).not.toBe(first.spec?.renewTime);
  // Another server on the same machine has it for a while.
  await admin.patch(Lease, first.metadata.name, 'merge', { spec: { holderIdentity: 'somebody' } }, { namespace });
  await expect
    .poll(async () => {
      await clock.advance(10_000);
      return (await own()).spec?.holderIdentity;
    })
    .toBe(first.spec?.holderIdentity);
  await clock.advance(3600_000);
  await expect
    .poll(async () => (await admin.list(Lease, { namespace })).items.map(({ metadata }) => metadata.name))
    .toEqual(['alive', first.metadata.name, 'other']);
  expect(errors).toEqual([]);
});

test('a server starts though its lease can’t be written yet', async () => {
  server = await openTestServer();
  const { admin } = server;
  const clock = new VirtualClock();
  const errors: unknown[] = [];
  let fails = true;
  const create: typeof admin.create = (...args) => (fails ? Promise.reject(new Error('a webhook is not there')) : admin.create(...args));
  const client = { ...admin, create };
  await keepIdentityLease({ client, clock, hostname: 'here', signal: stop.signal, onError: (error) => errors.push(error) });
  expect(errors.map(String)).toEqual(['Error: a webhook is not there']);
  fails = false;
  await expect
    .poll(async () => {
      await clock.advance(10_000);
      return (await admin.list(Lease, { namespace })).items.length;
    })
    .toBe(1);
});

test('it tells in which versions it stores what', async () => {
  server = await openTestServer({ serves: ({ group, version }) => group === 'internal.apiserver.k8s.io' || !version.includes('alpha') });
  const { admin: client } = server;
  const { StorageVersion } = apiserverinternalV1alpha1;
  const errors: unknown[] = [];
  const tell = (identity: string) =>
    keepStorageVersions({
      ...{ client, clock: new VirtualClock(), table: (server as TestServer).server.table, identity, sharedStore: false },
      signal: stop.signal,
      onError: (error) => errors.push(error),
    });
  await tell('one');
  await tell('two');
  expect(errors).toEqual([]);
  const said = { encodingVersion: 'apps/v1', decodableVersions: expect.arrayContaining(['apps/v1', 'apps/v1beta1']) };
  expect((await client.get(StorageVersion, 'apps.deployments')).status).toMatchObject({
    storageVersions: [
      { apiServerID: 'one', ...said, servedVersions: expect.arrayContaining(['apps/v1']) },
      { apiServerID: 'two', ...said },
    ],
    commonEncodingVersion: 'apps/v1',
    conditions: [{ type: 'AllEncodingVersionsEqual', status: 'True', message: 'Common encoding version set' }],
  });
  expect((await client.get(StorageVersion, 'core.pods')).status?.commonEncodingVersion).toBe('v1');
});
