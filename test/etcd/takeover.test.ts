/** A cluster's etcd is taken over from upstream's kube-apiserver, and given back. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { ConfigMap, decodeProtobuf, type KubeObject, kindNode, kinds, openEnvelope } from '../../src/api/index.ts';
import { openEtcdStore, type Store } from '../../src/store/index.ts';
import { type EtcdProcess, startEtcd } from '../../src/store/testing/etcd.ts';
import { startApiServer, type TestApiServer, type TestApiServerOptions } from '../support/api-server.ts';

const golden = new URL('../../../shared/golden/', import.meta.url);
const read = (file: string) => readFileSync(new URL(file, golden));

describe.runIf(spawnSync('etcdctl', ['version']).status === 0)('an etcd of upstream', () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function etcd(): Promise<EtcdProcess> {
    const started = await startEtcd();
    closing.push(started.remove);
    return started;
  }
  async function serve({ address }: EtcdProcess, server: TestApiServerOptions['server'] = {}): Promise<TestApiServer> {
    const store: Store = await openEtcdStore({ endpoints: [`http://${address}`] });
    const made = await startApiServer({ store, server: { sharedStore: true, ...server } });
    closing.push(async () => {
      await made.close();
      await store.close();
    });
    return made;
  }
  const etcdctl = ({ address }: EtcdProcess, args: string[], input: Buffer | string = ''): Buffer => {
    const options = { input, env: { ...process.env, ETCDCTL_API: '3' }, maxBuffer: 1 << 26 };
    const done: SpawnSyncReturns<Buffer> = spawnSync('etcdctl', ['--endpoints', address, ...args], options);
    if (done.status !== 0) throw new Error(done.stderr.toString());
    return done.stdout;
  };
  const get = async (server: TestApiServer, path: string) => {
    const { status, body } = await server.http('GET', path);
    expect(status, body).toBe(200);
    return JSON.parse(body) as KubeObject;
  };
  const unversioned = ({ metadata: { resourceVersion: _, ...metadata }, ...rest }: KubeObject) => ({ ...rest, metadata });

  const cases: [golden: string, key: string, path: string][] = [
    ['core.v1.ConfigMap', 'configmaps/NS/NAME', '/api/v1/namespaces/NS/configmaps/NAME'],
    ['core.v1.Secret', 'secrets/NS/NAME', '/api/v1/namespaces/NS/secrets/NAME'],
    ['core.v1.ReplicationController', 'controllers/NS/NAME', '/api/v1/namespaces/NS/replicationcontrollers/NAME'],
    ['core.v1.PodTemplate', 'podtemplates/NS/NAME', '/api/v1/namespaces/NS/podtemplates/NAME'],
    ['core.v1.PersistentVolume', 'persistentvolumes/NAME', '/api/v1/persistentvolumes/NAME'],
    ['apps.v1.DaemonSet', 'daemonsets/NS/NAME', '/apis/apps/v1/namespaces/NS/daemonsets/NAME'],
    ['apps.v1.ControllerRevision', 'controllerrevisions/NS/NAME', '/apis/apps/v1/namespaces/NS/controllerrevisions/NAME'],
  ];
  test.skipIf(!existsSync(golden))(
    'what upstream has stored is served, whether protobuf or JSON (skipped without ../shared/golden)',
    async () => {
      const members = await etcd();
      const objects = cases.map(([file, key, path]) => {
        const object = JSON.parse(read(`${file}.json`).toString()) as KubeObject;
        const { name = '', namespace = '' } = object.metadata;
        const fill = (text: string) => text.replace('NAME', name).replace('NS', namespace);
        etcdctl(members, ['put', `/registry/${fill(key)}`], read(`${file}.pb`));
        return { object, path: fill(path) };
      });
      const server = await serve(members);
      for (const { object, path } of objects) {
        // Golden objects say what no defaults have gone over.
        const kind = kinds.find(({ resource }) => resource.kind === object.kind);
        kind?.defaults?.(object);
        expect(unversioned(await get(server, path)), path).toEqual(unversioned(object));
      }
      // What comes later is seen by the watch.
      etcdctl(
        members,
        ['put', '/registry/configmaps/default/later'],
        '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"later","namespace":"default"},"data":{"a":"b"}}',
      );
      expect(await get(server, '/api/v1/namespaces/default/configmaps/later')).toMatchObject({ data: { a: 'b' } });
    },
  );

  test('what was stored in an older version is served in the present one, and rewritten by the next update', async () => {
    const members = await etcd();
    const rules = [{ host: 'a.example', http: { paths: [{ path: '/', backend: { serviceName: 's', servicePort: 80 } }] } }];
    const old = {
      kind: 'Ingress',
      apiVersion: 'extensions/v1beta1',
      metadata: { name: 'old', namespace: 'default', uid: 'u' },
      spec: { rules },
    };
    etcdctl(members, ['put', '/registry/ingress/default/old'], JSON.stringify(old));
    const server = await serve(members);
    const path = '/apis/networking.k8s.io/v1/namespaces/default/ingresses/old';
    const served = await get(server, path);
    expect(served).toMatchObject({
      apiVersion: 'networking.k8s.io/v1',
      spec: { rules: [{ http: { paths: [{ backend: { service: { name: 's', port: { number: 80 } } } }] } }] },
    });
    expect((await server.http('PUT', path, JSON.stringify(served), { 'content-type': 'application/json' })).status).toBe(200);
    const stored = JSON.parse(etcdctl(members, ['get', '--print-value-only', '/registry/ingress/default/old']).toString());
    expect(stored.apiVersion).toBe('networking.k8s.io/v1');
  });

  test('with --storage-media-type protobuf is what upstream will find, under its keys', async () => {
    const members = await etcd();
    const server = await serve(members, { storageMediaType: 'application/vnd.kubernetes.protobuf' });
    const draft = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', namespace: 'default' }, data: { k: 'v' } };
    const made = await server.admin.create(ConfigMap, draft, { namespace: 'default' });
    const value = etcdctl(members, ['get', '--print-value-only', '/registry/configmaps/default/c']).subarray(0, -1);
    expect(openEnvelope(value)).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
    const node = kindNode({ group: '', version: 'v1', kind: 'ConfigMap' });
    if (!node) throw new Error('no ConfigMap');
    expect(decodeProtobuf(node, value)).toEqual(unversioned(made as KubeObject));
    const updated = await server.admin.update(ConfigMap, { ...made, data: { k: 'w' } }, { namespace: 'default' });
    expect(updated.data).toEqual({ k: 'w' });
    // Nothing changes, nothing is written.
    const same = await server.admin.update(ConfigMap, updated, { namespace: 'default' });
    expect(same.metadata.resourceVersion).toBe(updated.metadata.resourceVersion);
    const keys = etcdctl(members, ['get', '--prefix', '--keys-only', '/']).toString().split('\n');
    for (const key of [
      '/registry/namespaces/default',
      '/registry/services/specs/default/kubernetes',
      '/registry/services/endpoints/default/kubernetes',
      '/registry/masterleases/192.168.0.1',
      '/registry/priorityclasses/system-node-critical',
      '/registry/clusterroles/cluster-admin',
    ])
      expect(keys).toContain(key);
    // What has a version that the release before does not know is written in one that it does (test/integration/etcd/data.go).
    const groups = {
      binding: '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings',
      crd: '/apis/apiextensions.k8s.io/v1',
    };
    const make = async (path: string, body: object) => expect((await server.http('POST', path, JSON.stringify(body))).status).toBe(201);
    await make(groups.binding, { metadata: { name: 'b' }, spec: { policyName: 'p' } });
    const versions = [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }];
    const spec = { group: 'a.example', scope: 'Cluster', names: { plural: 'as', kind: 'A' }, versions };
    await make(`${groups.crd}/customresourcedefinitions`, { metadata: { name: 'as.a.example' }, spec });
    const raw = (key: string) => etcdctl(members, ['get', '--print-value-only', `/registry/${key}`]).subarray(0, -1);
    expect(openEnvelope(raw('mutatingadmissionpolicybindings/b'))).toMatchObject({ apiVersion: 'admissionregistration.k8s.io/v1beta1' });
    expect(JSON.parse(raw('apiextensions.k8s.io/customresourcedefinitions/as.a.example').toString())).toMatchObject({
      apiVersion: 'apiextensions.k8s.io/v1beta1',
      spec: { version: 'v1', preserveUnknownFields: false },
    });
    // A server that writes JSON reads it as well.
    const other = await serve(members);
    expect(await get(other, '/api/v1/namespaces/default/configmaps/c')).toMatchObject({ data: { k: 'w' } });
    expect(await get(other, `${groups.crd}/customresourcedefinitions/as.a.example`)).toMatchObject({ spec });
  });
});
