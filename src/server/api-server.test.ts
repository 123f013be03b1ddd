import { Registry as MetricsRegistry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import {
  CertificateSigningRequest,
  ConfigMap,
  Deployment,
  type Draft,
  Event,
  eventsV1,
  Job,
  Lease,
  Namespace,
  Pod,
  type Status,
  VolumeAttachment,
} from '../api/index.ts';
import { createClient } from '../client/index.ts';
import { createSigningRequest } from '../pki/index.ts';
import { openMemoryStore } from '../store/index.ts';
import type { AdmissionPlugin, AdmissionRequest } from './request.ts';
import { admin, configMap, deployment, namespace, pod, under } from './testing/server-of-each-test.ts';
import { openTestServer } from './testing/test-server.ts';

describe('create', () => {
  test('completes metadata, applies defaults and answers what was stored', async () => {
    const made = await admin.create(Deployment, deployment('web'));
    expect(made.metadata).toMatchObject({ generation: 1, namespace });
    expect(made.metadata.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(made.spec).toMatchObject({ replicas: 1, strategy: { type: 'RollingUpdate' } });
    expect(made.metadata.managedFields?.[0]).toMatchObject({ manager: 'test', operation: 'Update', apiVersion: 'apps/v1' });
    expect(await admin.get(Deployment, 'web', { namespace })).toEqual(made);
  });

  test('writes of a status what Go always writes', async () => {
    const created = await admin.create(VolumeAttachment, {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'VolumeAttachment',
      metadata: { name: 'a' },
      spec: { attacher: 'a.example.com', nodeName: 'n', source: { persistentVolumeName: 'v' } },
    });
    expect(created.status).toEqual({ attached: false });
  });

  test('draws names from generateName', async () => {
    const made = await admin.create(ConfigMap, { ...configMap(''), metadata: { namespace, generateName: 'cm-' } });
    expect(made.metadata.name).toMatch(/^cm-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  test('admission is shown what the client sent, and validates what the server has made of it', async () => {
    const seen: unknown[] = [];
    const look = ({ name, object }: AdmissionRequest) => {
      const { metadata } = object ?? {};
      seen.push([name, metadata?.name, metadata?.uid, metadata?.creationTimestamp]);
    };
    const plugin: AdmissionPlugin = { name: 'Looks', handles: ({ resource }) => resource === 'configmaps', admit: look, validate: look };
    const own = await openTestServer({ admission: [plugin] });
    try {
      const { metadata } = await own.admin.create(ConfigMap, {
        ...configMap(''),
        metadata: { namespace, generateName: 'cm-', uid: 'mine' },
      });
      const { name, uid, creationTimestamp } = metadata;
      expect(seen).toEqual([
        ['', undefined, undefined, undefined],
        [name, name, uid, creationTimestamp],
      ]);
    } finally {
      await own.close();
    }
  });

  test('of a name that is being given up says so', async () => {
    await admin.create(ConfigMap, configMap('a', {}, { finalizers: ['example.com/wait'] }));
    await admin.delete(ConfigMap, 'a', { namespace });
    await expect(admin.create(ConfigMap, configMap('a'))).rejects.toMatchObject({
      reason: 'AlreadyExists',
      message: 'object is being deleted: configmaps "a" already exists',
    });
  });

  test('a name that was taken and drawn anew is the name in everything that is derived from it', async () => {
    let draws = 0;
    let zeros = Number.POSITIVE_INFINITY;
    const own = await openTestServer({ random: { next: () => (draws++ < zeros ? 0 : 0.5) } });
    try {
      const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
      const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { namespace, generateName: 'j-' }, spec: { template } };
      const create = () => own.admin.create(Job, job as unknown as Draft<Job>);
      const first = await create();
      zeros = draws;
      draws = 0;
      const second = await create();
      expect(second.metadata.name).not.toBe(first.metadata.name);
      expect(second.spec.template.metadata?.labels).toMatchObject({ 'job-name': second.metadata.name });
    } finally {
      await own.close();
    }
  });

  test('kinds that note who asked learn it in full', async () => {
    const user = { name: 'joe', uid: 'u-1', groups: ['system:masters'], extra: { 'example.com/team': ['blue'] } };
    const joe = createClient(under.server.localTransport(user));
    const made = await joe.create(CertificateSigningRequest, {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name: 'a' },
      spec: {
        request: btoa((await createSigningRequest({ commonName: 'x' })).request),
        signerName: 'example.com/mine',
        usages: ['client auth'],
      },
    } as Draft<CertificateSigningRequest>);
    expect(made.spec).toMatchObject({ username: 'joe', uid: 'u-1', extra: { 'example.com/team': ['blue'] } });
  });

  test('refuses what is wrong in upstream words', async () => {
    await admin.create(ConfigMap, configMap('a'));
    await expect(admin.create(ConfigMap, configMap('a'))).rejects.toMatchObject({ code: 409, message: 'configmaps "a" already exists' });
    await expect(admin.create(ConfigMap, configMap('A_b'))).rejects.toMatchObject({ code: 422, reason: 'Invalid' });
    await expect(admin.create(ConfigMap, configMap('b'), { namespace: 'other' })).rejects.toThrow(
      'the namespace of the provided object does not match the namespace sent on the request',
    );
    await expect(admin.create(ConfigMap, configMap('b', {}, { resourceVersion: '7' }))).rejects.toThrow(
      'resourceVersion should not be set on objects to be created',
    );
    await expect(admin.create(ConfigMap, { ...configMap('b'), dta: {} } as never, { fieldValidation: 'Strict' })).rejects.toThrow(
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dta"',
    );
  });

  test('with dryRun stores nothing', async () => {
    expect((await admin.create(ConfigMap, configMap('a'), { dryRun: true })).metadata.uid).not.toBe('');
    await expect(admin.get(ConfigMap, 'a', { namespace })).rejects.toMatchObject({ code: 404, message: 'configmaps "a" not found' });
  });
});

describe('update', () => {
  test('of an old version conflicts; without a version it overwrites', async () => {
    const first = await admin.create(ConfigMap, configMap('a', { x: '1' }));
    await admin.update(ConfigMap, { ...first, data: { x: '2' } });
    await expect(admin.update(ConfigMap, { ...first, data: { x: '3' } })).rejects.toMatchObject({
      code: 409,
      message:
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
    });
    const forced = await admin.update(ConfigMap, { ...first, data: { x: '4' }, metadata: { ...first.metadata, resourceVersion: '' } });
    expect(forced.data).toEqual({ x: '4' });
  });

  test('that changes nothing writes nothing', async () => {
    const first = await admin.create(ConfigMap, configMap('a', { x: '1' }));
    expect((await admin.update(ConfigMap, { ...first })).metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    expect((await admin.patch(ConfigMap, 'a', 'merge', { data: { x: '1' } }, { namespace })).metadata.resourceVersion).toBe(
      first.metadata.resourceVersion,
    );
  });

  test('keeps status and counts generations; the status subresource does the reverse', async () => {
    const first = await admin.create(Deployment, deployment('web'));
    const scaled = await admin.update(Deployment, { ...first, spec: { ...first.spec, replicas: 5 }, status: { replicas: 9 } });
    expect(scaled.metadata.generation).toBe(2);
    expect(scaled.status?.replicas).toBeUndefined();
    const reported = await admin.updateStatus(Deployment, { ...scaled, spec: { ...scaled.spec, replicas: 1 }, status: { replicas: 5 } });
    expect(reported.spec.replicas).toBe(5);
    expect(reported.status?.replicas).toBe(5);
    expect(reported.metadata.generation).toBe(2);
  });

  test('of immutable metadata is refused; a foreign uid conflicts', async () => {
    const first = await admin.create(ConfigMap, configMap('a'));
    await expect(admin.update(ConfigMap, { ...first, metadata: { ...first.metadata, uid: 'other' } })).rejects.toMatchObject({ code: 409 });
  });

  test('creates where the kind allows it', async () => {
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'n', namespace }, spec: {} };
    expect((await admin.update(Lease, lease as unknown as Lease)).metadata.uid).not.toBe('');
    await expect(admin.update(Deployment, deployment('none') as Deployment)).rejects.toMatchObject({ code: 404 });
  });
});

describe('patch', () => {
  test('merges strategically by key', async () => {
    await admin.create(Deployment, deployment('web'));
    const patch = { spec: { template: { spec: { containers: [{ name: 'side', image: 's' }] } } } };
    const patched = await admin.patch(Deployment, 'web', 'strategic', patch, { namespace });
    expect(patched.spec.template.spec?.containers.map((c) => c.name).sort()).toEqual(['c', 'side']);
  });

  test('in JSON tests before it changes', async () => {
    await admin.create(ConfigMap, configMap('a', { x: '1' }));
    const replace = { op: 'replace', path: '/data/x', value: '2' };
    await expect(
      admin.patch(ConfigMap, 'a', 'json', [{ op: 'test', path: '/data/x', value: '9' }, replace], { namespace }),
    ).rejects.toMatchObject({ code: 422 });
    expect((await admin.patch(ConfigMap, 'a', 'json', [replace], { namespace })).data).toEqual({ x: '2' });
  });

  test('by server-side apply creates, owns, conflicts and is forced', async () => {
    const apply = (data: Record<string, string>, fieldManager: string, force = false) =>
      admin.patch(
        ConfigMap,
        'a',
        'apply',
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data },
        { namespace, fieldManager, force },
      );
    expect((await apply({ x: '1' }, 'one')).metadata.managedFields).toMatchObject([{ manager: 'one', operation: 'Apply' }]);
    await expect(apply({ x: '2' }, 'two')).rejects.toMatchObject({
      code: 409,
      message: 'Apply failed with 1 conflict: conflict with "one": .data.x',
    });
    expect((await apply({ x: '2' }, 'two', true)).data).toEqual({ x: '2' });
    expect((await apply({}, 'two')).data?.x).toBeUndefined();
  });

  test('by server-side apply owns nothing that the endpoint does not write', async () => {
    const config = { ...deployment('web'), metadata: { name: 'web', labels: { a: 'b' } }, status: { observedGeneration: 7 } };
    const options = { namespace, fieldManager: 'me', force: true };
    const made = await admin.patch(Deployment, 'web', 'apply', config, options);
    expect(Object.keys(made.metadata.managedFields?.[0]?.fieldsV1 ?? {})).toEqual(['f:metadata', 'f:spec']);
    const changed = await admin.patch(Deployment, 'web', 'apply', config, { ...options, subresource: 'status' });
    const status = changed.metadata.managedFields?.find(({ subresource }) => subresource === 'status');
    expect(status?.fieldsV1).toEqual({ 'f:status': { 'f:observedGeneration': {} } });
  });

  test('by server-side apply to a subresource owns what that subresource writes', async () => {
    const container = (cpu: string) => ({ name: 'c', image: 'i', resources: { requests: { cpu } } });
    await admin.create(Pod, { ...pod('p', { a: 'b' }), spec: { containers: [container('1')] } as Pod['spec'] });
    const owned = async (subresource: string, config: object) => {
      const options = { namespace, fieldManager: 'me', force: true, subresource };
      const { metadata } = await admin.patch(Pod, 'p', 'apply', { apiVersion: 'v1', kind: 'Pod', ...config }, options);
      return metadata.managedFields?.find((entry) => entry.subresource === subresource)?.fieldsV1;
    };
    const metadata = { name: 'p', labels: { c: 'd' } };
    expect(await owned('status', { metadata, spec: { nodeName: 'n' }, status: { message: 'm' } })).toEqual({
      'f:metadata': { 'f:labels': { 'f:c': {} } },
      'f:status': { 'f:message': {} },
    });
    expect(await owned('resize', { metadata, spec: { containers: [container('2')] } })).toEqual({
      'f:spec': {
        'f:containers': { 'k:{"name":"c"}': { '.': {}, 'f:resources': { 'f:requests': { 'f:cpu': {} } } } },
      },
    });
    const debug = { name: 'd', image: 'i' };
    expect(await owned('ephemeralcontainers', { metadata, spec: { nodeName: 'n', ephemeralContainers: [debug] } })).toEqual({
      'f:spec': { 'f:ephemeralContainers': { 'k:{"name":"d"}': { '.': {}, 'f:image': {}, 'f:name': {} } } },
    });
  });

  test('by server-side apply of a Scale owns the number of replicas, and conflicts with who does', async () => {
    const config = { ...deployment('web'), spec: { ...deployment('web').spec, replicas: 1 } };
    await admin.patch(Deployment, 'web', 'apply', config, { namespace, fieldManager: 'one' });
    const scaled = (replicas: number, fieldManager: string, force = false) => {
      const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'web', namespace }, spec: { replicas } };
      return admin.patch(Deployment, 'web', 'apply', scale, { namespace, fieldManager, force, subresource: 'scale' });
    };
    await expect(scaled(17, 'two')).rejects.toMatchObject({
      code: 409,
      message: 'Apply failed with 1 conflict: conflict with "one": .spec.replicas',
    });
    expect(await scaled(17, 'two', true)).toMatchObject({ kind: 'Scale', spec: { replicas: 17 } });
    const { metadata, spec } = await admin.get(Deployment, 'web', { namespace });
    expect(spec.replicas).toBe(17);
    const owner = metadata.managedFields?.find(({ manager }) => manager === 'two');
    expect(owner).toMatchObject({ subresource: 'scale', apiVersion: 'apps/v1', fieldsV1: { 'f:spec': { 'f:replicas': {} } } });
    await expect(admin.patch(Deployment, 'web', 'apply', config, { namespace, fieldManager: 'one' })).rejects.toMatchObject({ code: 409 });
    const untyped = admin.patch(Deployment, 'web', 'apply', { kind: 'Deployment', apiVersion: 'v1' }, { namespace, fieldManager: 'one' });
    await expect(untyped).rejects.toMatchObject({ code: 400, message: 'invalid object type: /v1, Kind=Deployment' });
  });

  test('nobody owns the request for a certificate, and who approves it nothing but the decision', async () => {
    const { request } = await createSigningRequest({ commonName: 'x' });
    const spec = { request: btoa(request), signerName: 'example.com/x', usages: ['client auth'] };
    const metadata = { name: 'r', labels: { a: 'b' } };
    const made = await admin.create(CertificateSigningRequest, { metadata, spec } as unknown as Draft<CertificateSigningRequest>);
    expect(Object.keys(made.metadata.managedFields?.[0]?.fieldsV1 ?? {})).toEqual(['f:metadata']);
    const status = { certificate: btoa('x'), conditions: [{ type: 'Approved', status: 'True', reason: 'Mine', message: 'm' }] };
    const config = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name: 'r' }, spec, status };
    const options = { fieldManager: 'me', subresource: 'approval' };
    const approved = await admin.patch(CertificateSigningRequest, 'r', 'apply', config, options);
    const entry = approved.metadata.managedFields?.find(({ manager }) => manager === 'me');
    const owned = entry?.fieldsV1 as { 'f:status': object };
    expect([Object.keys(owned), Object.keys(owned['f:status'])]).toEqual([['f:status'], ['f:conditions']]);
  });
});

describe('delete', () => {
  test('answers a Status and honours preconditions', async () => {
    const made = await admin.create(ConfigMap, configMap('a'));
    await expect(admin.delete(ConfigMap, 'a', { namespace, preconditions: { uid: 'x' } })).rejects.toMatchObject({ code: 409 });
    expect(await admin.delete(ConfigMap, 'a', { namespace })).toMatchObject({
      kind: 'Status',
      status: 'Success',
      details: { name: 'a', kind: 'configmaps', uid: made.metadata.uid },
    });
  });

  test('waits for finalizers', async () => {
    const made = await admin.create(ConfigMap, configMap('a', {}, { finalizers: ['example.com/wait'] }));
    await admin.delete(ConfigMap, 'a', { namespace });
    const held = await admin.get(ConfigMap, 'a', { namespace });
    expect(held.metadata).toMatchObject({ uid: made.metadata.uid, deletionGracePeriodSeconds: 0 });
    await admin.patch(ConfigMap, 'a', 'merge', { metadata: { finalizers: null } }, { namespace });
    await expect(admin.get(ConfigMap, 'a', { namespace })).rejects.toMatchObject({ code: 404 });
  });

  test('writes the propagation policy as finalizers', async () => {
    await admin.create(Deployment, deployment('web'));
    await admin.delete(Deployment, 'web', { namespace, propagationPolicy: 'Foreground' });
    expect((await admin.get(Deployment, 'web', { namespace })).metadata.finalizers).toEqual(['foregroundDeletion']);
    await admin.create(Deployment, deployment('two'));
    await admin.delete(Deployment, 'two', { namespace, orphanDependents: true });
    expect((await admin.get(Deployment, 'two', { namespace })).metadata.finalizers).toEqual(['orphan']);
  });

  test('gives a bound pod its grace, which may only be shortened', async () => {
    await admin.create(Pod, pod('p'));
    await admin.createSubresource(Pod, 'p', 'binding', { metadata: { name: 'p' }, target: { kind: 'Node', name: 'n' } }, { namespace });
    await admin.delete(Pod, 'p', { namespace });
    expect((await admin.get(Pod, 'p', { namespace })).metadata.deletionGracePeriodSeconds).toBe(30);
    await admin.delete(Pod, 'p', { namespace, gracePeriodSeconds: 60 });
    expect((await admin.get(Pod, 'p', { namespace })).metadata.deletionGracePeriodSeconds).toBe(30);
    await expect(admin.delete(Pod, 'p', { namespace, preconditions: { uid: 'u' } })).rejects.toMatchObject({
      message: expect.stringMatching(/^Operation cannot be fulfilled on Pod "p": the UID in the precondition \(u\) does not match/),
    });
    const { resourceVersion = '' } = (await admin.list(Pod, { namespace })).metadata;
    await admin.delete(Pod, 'p', { namespace, gracePeriodSeconds: 0 });
    await expect(admin.get(Pod, 'p', { namespace })).rejects.toMatchObject({ code: 404 });
    // Those who watch see that it ends without grace before it goes.
    const seen: unknown[] = [];
    for await (const { type, object } of admin.watch(Pod, { namespace, resourceVersion })) {
      if (type !== 'BOOKMARK') seen.push([type, object.metadata.deletionGracePeriodSeconds]);
      if (type === 'DELETED') break;
    }
    expect(seen).toEqual([
      ['MODIFIED', 0],
      ['DELETED', 0],
    ]);
  });

  test('of a collection deletes what is selected', async () => {
    for (const [name, tier] of [
      ['a', 'x'],
      ['b', 'x'],
      ['c', 'y'],
    ] as const)
      await admin.create(ConfigMap, configMap(name, {}, { labels: { tier } }));
    const { items, metadata } = await admin.list(ConfigMap, { namespace, limit: 1, labelSelector: 'tier=x' });
    const { resourceVersion } = (await admin.create(ConfigMap, configMap('d', {}, { labels: { tier: 'x' } }))).metadata;
    const remove = async (query: Record<string, string>) => {
      const transport = under.server.localTransport({ name: 'admin', groups: ['system:masters'] });
      const path = `/api/v1/namespaces/${namespace}/configmaps`;
      return (await transport.request({ method: 'DELETE', path, query: new URLSearchParams(query) })).body;
    };
    // It answers what was there, of the version that is asked for.
    expect(
      await remove({ limit: '1', resourceVersion: metadata.resourceVersion ?? '', dryRun: 'All', labelSelector: 'tier=x' }),
    ).toMatchObject({
      metadata: { resourceVersion: metadata.resourceVersion, continue: expect.any(String) },
      items,
    });
    expect(await remove({ limit: '1', dryRun: 'All' })).toMatchObject({ metadata: { resourceVersion, remainingItemCount: 3 } });
    await admin.deleteCollection(ConfigMap, { namespace, labelSelector: 'tier=x' });
    expect((await admin.list(ConfigMap, { namespace })).items.map((c) => c.metadata.name)).toEqual(['c']);
  });

  test('of a collection is done by as many at a time as it is told', async () => {
    const several = await openTestServer({ deleteCollectionWorkers: 3 });
    const client = several.admin;
    for (let i = 0; i < 7; i++) await client.create(ConfigMap, configMap(`c${i}`));
    await client.deleteCollection(ConfigMap, { namespace });
    expect((await client.list(ConfigMap, { namespace })).items).toEqual([]);
    await several.close();
  });

  test('of what nobody can read is for those who may, where the gate for that is on', async () => {
    const store = openMemoryStore();
    const own = await openTestServer({
      store,
      isEnabled: (gate) => gate === 'AllowUnsafeMalformedObjectDeletion',
      authorizer: {
        authorize: ({ user, verb }) => ({
          decision: user.name === 'admin' || !verb.startsWith('unsafe') ? 'allow' : 'deny',
          reason: 'not joe',
        }),
      },
    });
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const remove = async (user: string, name: string, query: Record<string, string> = {}) => {
      const options = new URLSearchParams({ ignoreStoreReadErrorWithClusterBreakingPotential: 'true', ...query });
      const transport = own.server.localTransport({ name: user, groups: [] });
      const { body } = await transport.request({ method: 'DELETE', path: path + (name && `/${name}`), query: options });
      const status = body as Status;
      return status.status === 'Success' ? status : status.message;
    };
    try {
      await own.admin.create(ConfigMap, configMap('good'));
      await store.commit([], [{ put: `/registry/configmaps/${namespace}/bad`, value: Buffer.from('rubbish') }]);
      expect(await own.admin.delete(ConfigMap, 'bad', { namespace }).catch(({ code }) => code)).toBe(500);
      const invalid = 'DeleteOptions.meta.k8s.io "" is invalid: ignoreStoreReadErrorWithClusterBreakingPotential: Invalid value: true: ';
      expect([
        await remove('joe', 'bad'),
        await remove('admin', 'good'),
        await remove('admin', 'none'),
        await remove('admin', 'bad', { dryRun: 'All' }),
        await remove('admin', ''),
      ]).toEqual([
        'configmaps "bad" is forbidden: not permitted to do "unsafe-delete-ignore-read-errors", reason: not joe',
        `Operation cannot be fulfilled on configmaps "good": StorageError: invalid object, Code: 4, Key: /registry/configmaps/${namespace}/good, ResourceVersion: 0, AdditionalErrorMsg: unsafe deletion is not allowed because the object is decodable from storage`,
        'configmaps "none" not found',
        `${invalid}cannot be set together with .dryRun`,
        `${invalid}is not allowed with DELETECOLLECTION, try again after removing the option`,
      ]);
      expect(await remove('admin', 'bad')).toMatchObject({ status: 'Success', code: 200, details: { name: 'bad', kind: 'ConfigMap' } });
      await expect(own.admin.get(ConfigMap, 'bad', { namespace })).rejects.toMatchObject({ code: 404 });
    } finally {
      await own.close();
      await store.close();
    }
  });

  test('of a namespace terminates it until it is finalized', async () => {
    await admin.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'gone' } } as unknown as Draft<Namespace>);
    await admin.delete(Namespace, 'gone');
    const terminating = await admin.get(Namespace, 'gone');
    expect(terminating.status?.phase).toBe('Terminating');
    // Nobody gives it time.
    expect(terminating.metadata).not.toHaveProperty('deletionGracePeriodSeconds');
    expect(await admin.delete(Namespace, 'gone', { propagationPolicy: 'Orphan' })).toEqual(terminating);
    await admin.update(Namespace, { ...terminating, spec: { finalizers: [] } }, { subresource: 'finalize' });
    await expect(admin.get(Namespace, 'gone')).rejects.toMatchObject({ code: 404 });
  });
});

describe('list and watch', () => {
  test('select by labels and fields and page', async () => {
    for (const name of ['a', 'b', 'c']) await admin.create(ConfigMap, configMap(name, {}, { labels: { name } }));
    const names = async (options: object) => (await admin.list(ConfigMap, { namespace, ...options })).items.map((c) => c.metadata.name);
    expect(await names({ labelSelector: 'name in (a,b)' })).toEqual(['a', 'b']);
    expect(await names({ fieldSelector: 'metadata.name!=a' })).toEqual(['b', 'c']);
    const page = await admin.list(ConfigMap, { namespace, limit: 2 });
    expect(page.metadata.remainingItemCount).toBe(1);
    expect(await names({ limit: 2, continue: page.metadata.continue })).toEqual(['c']);
    const message = '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"';
    await expect(names({ fieldSelector: 'spec.x=1' })).rejects.toMatchObject({ code: 400, message });
  });

  test('select events by the names that their fields have in each group', async () => {
    const regarding = { kind: 'Pod', name: 'p', namespace };
    await admin.create(eventsV1.Event, {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: 'e', namespace },
      regarding,
      eventTime: '2017-09-19T13:49:16.000000Z',
      note: 'n',
      type: 'Normal',
      reason: 'Test',
      reportingController: 'test-controller',
      reportingInstance: 'test-node',
      action: 'Do',
    });
    const core = (fieldSelector: string) => admin.list(Event, { namespace, fieldSelector }).then((l) => l.items.length);
    const events = (fieldSelector: string) => admin.list(eventsV1.Event, { namespace, fieldSelector }).then((l) => l.items.length);
    expect(await core('source=test-controller,involvedObject.name=p')).toBe(1);
    expect(await events('reportingController=test-controller,regarding.name=p,source=test-controller')).toBe(1);
    expect(await events('reportingController=another')).toBe(0);
    const refused = { code: 400, message: 'field label not supported: involvedObject.name' };
    await expect(events('involvedObject.name=p')).rejects.toMatchObject(refused);
  });

  test('a watch tells what happens, with objects by reference', async () => {
    const stop = new AbortController();
    const start = (await admin.list(ConfigMap, { namespace })).metadata.resourceVersion ?? '';
    const watching = (async () => {
      const seen: [string, unknown][] = [];
      for await (const event of admin.watch(ConfigMap, { namespace, resourceVersion: start, signal: stop.signal })) {
        seen.push([event.type, event.object]);
        if (seen.length === 3) break;
      }
      return seen;
    })();
    const made = await admin.create(ConfigMap, configMap('a'));
    const changed = await admin.patch(ConfigMap, 'a', 'merge', { data: { x: '1' } }, { namespace });
    await admin.delete(ConfigMap, 'a', { namespace });
    const seen = await watching;
    expect(seen.map(([type]) => type)).toEqual(['ADDED', 'MODIFIED', 'DELETED']);
    expect(seen[0]?.[1]).toBe(made);
    expect(seen[1]?.[1]).toBe(changed);
  });

  test('a watch that its reader leaves is over for the server, too', async () => {
    const metrics = new MetricsRegistry();
    const own = await openTestServer({ metrics });
    try {
      await own.admin.create(ConfigMap, configMap('a'));
      for await (const _ of own.admin.watch(ConfigMap, { namespace })) break;
      const gauge = await metrics.getSingleMetric('apiserver_longrunning_requests')?.get();
      expect(gauge?.values.map(({ value }) => value)).toEqual([0]);
    } finally {
      await own.close();
    }
  });

  test('Tables show the columns of the kind', async () => {
    await admin.create(Pod, pod('p'));
    const transport = under.server.localTransport({ name: 'admin', groups: ['system:masters'] });
    const { body } = await transport.request({
      method: 'GET',
      path: `/api/v1/namespaces/${namespace}/pods`,
      query: new URLSearchParams(),
      accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
    });
    expect(body).toMatchObject({ kind: 'Table', rows: [{ object: { kind: 'PartialObjectMetadata', metadata: { name: 'p' } } }] });
    expect((body as { rows: { cells: unknown[] }[] }).rows[0]?.cells.slice(0, 4)).toEqual(['p', '0/1', 'Pending', '0']);
    const bare = await transport.request({
      method: 'GET',
      path: `/api/v1/namespaces/${namespace}/pods/p`,
      query: new URLSearchParams({ includeObject: 'None' }),
      accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
    });
    expect(bare.body).toMatchObject({ rows: [{ object: null }] });
  });
});
